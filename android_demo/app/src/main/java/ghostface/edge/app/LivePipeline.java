package ghostface.edge.app;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.Match;
import ghostface.edge.Template;
import ghostface.edge.errors.GhostFaceException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Camera frames in, faces with names out, as fast as the phone can and no faster: while one frame is worked on, one
 * waits, and a newer one takes its place. So what is shown is never older than two frames, and no queue grows.
 */
public final class LivePipeline {
    /** A frame of the camera, closed exactly once by whoever has it last. */
    public interface Frame extends AutoCloseable {
        /** The upright picture, not mirrored; once, before {@link #close}. */
        FaceImage picture();

        @Override
        void close();
    }

    /** Is told of every frame that was worked on, on the main thread. */
    public interface Listener {
        void seen(Seen seen);

        /** A frame could not be worked on; the next may be. */
        void failed(GhostFaceException problem);
    }

    /** A face and who it is. */
    public static final class Known {
        public final Detection detection;
        /** The most similar person; null in an empty gallery. */
        public final Match match;

        Known(Detection detection, Match match) {
            this.detection = detection;
            this.match = match;
        }
    }

    /** What was seen in a frame. */
    public static final class Seen {
        public final FaceImage picture;
        /** Largest first. */
        public final List<Known> faces;
        /** Of this frame and those before it. */
        public final StageTimes.Summary times;

        Seen(FaceImage picture, List<Known> faces, StageTimes.Summary times) {
            this.picture = picture;
            this.faces = faces;
            this.times = times;
        }
    }

    /** A crowd is not named face by face: the largest are, so that the picture keeps moving. */
    static final int MOST_FACES = 5;

    private final Engines engines;
    private final Listener listener;
    private final AtomicReference<Frame> waiting = new AtomicReference<>();
    private final StageTimes times = new StageTimes();  // of the background thread
    private volatile boolean stopped;

    public LivePipeline(Engines engines, Listener listener) {
        this.engines = engines;
        this.listener = listener;
    }

    /** Hand over a frame; from any thread. */
    public void offer(Frame frame) {
        Frame late = waiting.getAndSet(frame);
        if (late != null) {
            late.close();  // its place in the queue is the new frame's
        } else {
            engines.run(this::work, this::show);
        }
        if (stopped) {
            drop();
        }
    }

    /** Close what waits; nothing is shown any more. */
    public void stop() {
        stopped = true;
        drop();
    }

    private void drop() {
        Frame frame = waiting.getAndSet(null);
        if (frame != null) {
            frame.close();
        }
    }

    private Seen work(Recogniser recogniser) {
        Frame frame = waiting.getAndSet(null);
        if (frame == null) {
            return null;  // stopped meanwhile
        }
        StageTimes.Clock clock = times.start();
        FaceImage picture;
        try {
            picture = frame.picture();
        } finally {
            frame.close();  // the camera has few buffers
        }
        clock.done(Stage.CONVERT);
        List<Detection> found = largest(recogniser.engine.detect(picture));
        clock.done(Stage.DETECT);
        List<Known> known = Collections.emptyList();
        if (!found.isEmpty()) {
            List<FaceImage> crops = new ArrayList<>(found.size());
            for (Detection detection : found) {
                crops.add(recogniser.engine.align(picture, detection));
            }
            clock.done(Stage.ALIGN);
            List<Template> templates = recogniser.engine.embed(crops);
            clock.done(Stage.EMBED);
            known = new ArrayList<>(found.size());
            for (int i = 0; i < templates.size(); i++) {
                known.add(new Known(found.get(i), recogniser.best(templates.get(i))));
            }
            clock.done(Stage.SEARCH);
        }
        clock.done(Stage.TOTAL);
        return new Seen(picture, known, times.summary());
    }

    private static List<Detection> largest(List<Detection> found) {
        return found.subList(0, Math.min(found.size(), MOST_FACES));
    }

    private void show(Seen seen, GhostFaceException problem) {
        if (stopped) {
            return;
        }
        if (problem != null) {
            drop();  // where the models could not be opened, nobody took the frame
            listener.failed(problem);
        } else if (seen != null) {
            listener.seen(seen);
        }
    }
}
