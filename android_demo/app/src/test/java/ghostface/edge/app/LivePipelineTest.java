package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import android.content.Context;
import ghostface.edge.FaceImage;
import ghostface.edge.errors.GhostFaceException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import org.junit.After;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** Back-pressure, step by step: both threads are queues that the test works off. */
@RunWith(RobolectricTestRunner.class)
public class LivePipelineTest {
    private final Queue<Runnable> background = new ArrayDeque<>();
    private final Queue<Runnable> main = new ArrayDeque<>();
    private final List<LivePipeline.Seen> seen = new ArrayList<>();
    private final List<GhostFaceException> failed = new ArrayList<>();
    private Context context;
    private Engines engines;

    @Before
    public void begin() {
        context = RuntimeEnvironment.getApplication();
    }

    @After
    public void end() {
        if (engines != null) {  // a test that was skipped has none
            engines.shutDown();
            work(background);
        }
    }

    @Test
    public void whileOneFrameIsWorkedOnOnlyTheNewestWaits() {
        TestApp.useRealModels();
        LivePipeline pipeline = pipeline();
        TestFrame[] frames = frames(5);
        for (TestFrame frame : frames) {
            pipeline.offer(frame);
        }
        assertEquals("one place in the queue", 1, background.size());
        for (int i = 0; i < 4; i++) {
            assertEquals("late frames go back to the camera at once", 1, frames[i].closed.get());
        }
        assertEquals(0, frames[4].closed.get());
        work(background);
        work(main);
        assertEquals(1, frames[4].closed.get());
        assertEquals(1, seen.size());
        assertSame(frames[4].picture(), seen.get(0).picture);
        assertEquals(1, seen.get(0).times.count(Stage.DETECT));
        assertEquals("no face, nothing to align", 0, seen.get(0).times.count(Stage.ALIGN));
    }

    @Test
    public void aStoppedPipelineKeepsNoFrameAndShowsNothing() {
        TestApp.useRealModels();
        LivePipeline pipeline = pipeline();
        TestFrame[] frames = frames(3);
        pipeline.offer(frames[0]);
        work(background);
        pipeline.offer(frames[1]);
        pipeline.stop();
        pipeline.offer(frames[2]);
        work(background);
        work(main);
        for (TestFrame frame : frames) {
            assertEquals(1, frame.closed.get());
        }
        assertTrue(seen.isEmpty());
    }

    @Test
    public void withoutModelsFramesGoBackAndTheReasonIsTold() {
        TestApp.models = new java.io.File("none");
        LivePipeline pipeline = pipeline();
        TestFrame[] frames = frames(2);
        for (TestFrame frame : frames) {
            pipeline.offer(frame);
            work(background);
            work(main);
            assertEquals(1, frame.closed.get());
        }
        assertEquals(2, failed.size());
        assertTrue(failed.get(0) instanceof MissingModelException);
    }

    /** On engines that are open. */
    private LivePipeline pipeline() {
        TestApp app = (TestApp) context;
        engines = new Engines(
                app.models(), app.sessions(), AndroidDatabase::open,
                new SettingsStore(context.getSharedPreferences("settings", 0)), context.getFilesDir(),
                background::add, main::add);
        engines.watch(state -> {});
        work(background);
        work(main);
        return new LivePipeline(engines, new LivePipeline.Listener() {
            @Override
            public void seen(LivePipeline.Seen result) {
                seen.add(result);
            }

            @Override
            public void failed(GhostFaceException problem) {
                failed.add(problem);
            }
        });
    }

    private static TestFrame[] frames(int count) {
        TestFrame[] frames = new TestFrame[count];
        for (int i = 0; i < count; i++) {
            frames[i] = new TestFrame(FaceImage.ofRgb(new byte[3 * 64 * 48], 64, 48, "frame " + i));
        }
        return frames;
    }

    private static void work(Queue<Runnable> queue) {
        for (Runnable next = queue.poll(); next != null; next = queue.poll()) {
            next.run();
        }
    }
}
