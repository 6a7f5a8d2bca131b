package ghostface.edge.app;

import ghostface.edge.runtime.OnnxSession;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.Assume;

/** The app with ONNX Runtime, and with models from a folder of the test's. */
public final class TestApp extends FaceApp {
    /** What {@code python android_demo/vectors} makes. */
    static final File GENERATED = new File("../golden/generated/app");

    private static final String ABSENT =
            "tests that need the official models are SKIPPED: android_demo/golden/generated/app is absent; "
                    + "python android_demo/vectors makes it where ../shared lies beside the checkout";

    private static boolean told;

    /** The folder, which may be absent; tests set it before the first screen opens. */
    static File models = new File("none");

    /** The official models; without them the test is skipped, and says so. */
    static void useRealModels() {
        Assume.assumeTrue(ABSENT, isGenerated());
        models = GENERATED;
    }

    private static boolean isGenerated() {
        boolean generated = GENERATED.isDirectory();
        if (!generated && !told) {
            told = true;
            System.err.println("!! " + ABSENT);
        }
        return generated;
    }

    /** What came out of the background thread and is no error of ours: a bug, at which a phone's app ends. */
    static volatile Throwable crash;

    @Override
    public void onCreate() {
        crash = null;
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> crash = error);
        super.onCreate();
    }

    @Override
    ModelFolder.Source models() {
        return new ModelFolder.Source() {
            @Override
            public String[] list() {
                String[] names = models.list();
                return names == null ? new String[0] : names;
            }

            @Override
            public InputStream open(String name) throws IOException {
                return new FileInputStream(new File(models, name));
            }
        };
    }

    @Override
    SessionOpener sessions() {
        return OnnxSession::new;
    }

    /** Robolectric calls it after each test, and goes on in the same process. */
    @Override
    public void onTerminate() {
        CountDownLatch closed = new CountDownLatch(1);
        engines().shutDown();
        engines().after(closed::countDown);
        try {
            closed.await(10, TimeUnit.SECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        super.onTerminate();
    }
}
