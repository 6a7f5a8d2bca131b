package ghostface.edge.app;

import android.app.Application;
import android.content.res.AssetManager;
import android.os.Handler;
import android.os.Looper;
import android.os.Process;
import ghostface.edge.FaceImage;
import java.io.IOException;
import java.io.InputStream;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;

/** The process: holds the {@link Engines}, and a camera frame on its way to the enrolment screen. */
public class FaceApp extends Application {
    private static final String MODELS = "models";
    private static final String SETTINGS = "settings";

    private Engines engines;
    private FaceImage frame;

    @Override
    public void onCreate() {
        super.onCreate();
        engines = new Engines(
                models(), sessions(), AndroidDatabase::open,
                new SettingsStore(getSharedPreferences(SETTINGS, MODE_PRIVATE)), getFilesDir(), background(), main());
    }

    public Engines engines() {
        return engines;
    }

    /** Keep a frame for the next screen; an Intent holds 1 MB at most. */
    void putFrame(FaceImage picture) {
        frame = picture;
    }

    /** The frame that was kept, once; null where there is none, as after the process was started anew. */
    FaceImage takeFrame() {
        FaceImage taken = frame;
        frame = null;
        return taken;
    }

    /** Where the models come from; tests have others. */
    ModelFolder.Source models() {
        AssetManager assets = getAssets();
        return new ModelFolder.Source() {
            @Override
            public String[] list() throws IOException {
                return assets.list(MODELS);
            }

            @Override
            public InputStream open(String name) throws IOException {
                return assets.open(MODELS + "/" + name);
            }
        };
    }

    /** The runtime; tests have another, for TensorFlow Lite has no binary for their machine. */
    SessionOpener sessions() {
        return TfliteSession::new;
    }

    private static Executor background() {
        return Executors.newSingleThreadExecutor(work -> new Thread(() -> {
            Process.setThreadPriority(Process.THREAD_PRIORITY_DISPLAY);  // the user waits for what happens here
            work.run();
        }, "engine"));
    }

    private static Executor main() {
        Handler handler = new Handler(Looper.getMainLooper());
        return handler::post;
    }
}
