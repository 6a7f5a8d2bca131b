package ghostface.edge.app;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.ModelCard;
import ghostface.edge.Template;
import ghostface.edge.benchmark.Device;
import ghostface.edge.benchmark.Pipeline;
import ghostface.edge.benchmark.Run;
import ghostface.edge.benchmark.Samples;
import ghostface.edge.benchmark.Subject;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.NoFaceException;
import ghostface.edge.runtime.Session;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Times the steps on one photo; outlives the screen that shows it. Main thread only. */
public final class BenchmarkFlow {
    /** What a phone tells of itself. */
    public interface Phone {
        /** @param runtime library and version */
        Device describe(String runtime);

        /** Why it is slowed down at this moment; empty if it is not. */
        String slowed();
    }

    /** What a screen shows. */
    public static final class State {
        public final boolean running;
        /** 0 to 1. */
        public final double share;
        /** Of the last run; null before one ended. */
        public final Run run;
        /** What went wrong last; null where nothing did. */
        public final GhostFaceException problem;

        private State(boolean running, double share, Run run, GhostFaceException problem) {
            this.running = running;
            this.share = share;
            this.run = run;
            this.problem = problem;
        }
    }

    private static final double PROGRESS_STEP = 0.01;

    private final Engines engines;
    private final Phone phone;
    private final Observable<State> state = new Observable<>(new State(false, 0, null, null));
    private volatile boolean stopped;

    public BenchmarkFlow(Engines engines, Phone phone) {
        this.engines = engines;
        this.phone = phone;
    }

    public Observable<State> state() {
        return state;
    }

    /**
     * Begin, unless a run is on.
     *
     * @param name  of the photo, for the file
     * @param quick less than a minute, and labelled so
     */
    public void start(PhotoSource photo, String name, boolean quick) {
        if (quick) {
            start(photo, name, Samples.QUICK_SECONDS, Samples.QUICK_LEAST);
        } else {
            start(photo, name, Samples.SECONDS, Samples.LEAST);
        }
    }

    void start(PhotoSource photo, String name, double seconds, int least) {
        if (state.get().running) {
            return;
        }
        stopped = false;
        state.set(new State(true, 0, null, null));
        engines.run(
                recogniser -> measure(recogniser, photo.read(), name, seconds, least),
                (run, problem) -> state.set(new State(false, 1, run, problem)));
    }

    /** End the run with what there is. */
    public void stop() {
        stopped = true;
    }

    /** Name of a run's file, as {@code benchmarks/results} has them: {@code pipeline-pixel-8-2026-01-31.json}. */
    static String fileName(String model, Run run) {
        String device = model.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-").replaceAll("^-|-$", "");
        return "pipeline-" + device + "-" + run.created.substring(0, 10) + ".json";
    }

    private Run measure(Recogniser recogniser, FaceImage picture, String name, double seconds, int least) {
        int faces = recogniser.engine.detect(picture).size();
        if (faces == 0) {
            throw new NoFaceException("no face found in " + picture.source + ": there would be nothing to embed");
        }
        Session session = recogniser.embedder;
        ModelCard card = session.card();
        Subject subject = new Subject(
                card.name, card.modelId, card.precision, session.version(), session.threads(), session.sha256(),
                Pipeline.WHOLE);
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("detector", recogniser.engine.detector.name());
        settings.put("detector_sha256", recogniser.detector.sha256());
        settings.put("picture", name);
        settings.put("picture_size", picture.width + " x " + picture.height);
        settings.put("faces", faces);
        settings.put("people", recogniser.gallery.size());
        Pipeline pipeline = new Pipeline(subject, phone.describe(session.version()), settings);
        return pipeline.measure((number, laps) -> once(recogniser, picture, laps), 1, seconds, least, new Progress());
    }

    private static void once(Recogniser recogniser, FaceImage picture, Pipeline.Laps laps) {
        List<Detection> found = recogniser.engine.detect(picture);
        laps.end("detect");
        List<FaceImage> crops = new ArrayList<>(found.size());
        for (Detection face : found) {
            crops.add(recogniser.engine.align(picture, face));
        }
        laps.end("align");
        List<Template> templates = recogniser.engine.embed(crops);
        laps.end("embed");
        for (Template template : templates) {
            recogniser.best(template);
        }
        laps.end("match");
    }

    /** Of the background thread. */
    private final class Progress implements Pipeline.Watch {
        private double shown;

        @Override
        public boolean goOn(double share) {
            if (share >= shown + PROGRESS_STEP) {
                shown = share;
                engines.onMain(() -> {
                    if (state.get().running) {
                        state.set(new State(true, share, null, null));
                    }
                });
            }
            return !stopped;
        }

        @Override
        public String slowed() {
            return phone.slowed();
        }
    }
}
