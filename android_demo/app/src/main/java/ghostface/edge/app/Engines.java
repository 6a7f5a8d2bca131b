package ghostface.edge.app;

import ghostface.edge.Database;
import ghostface.edge.FaceEngine;
import ghostface.edge.Gallery;
import ghostface.edge.ModelCard;
import ghostface.edge.ModelIdentity;
import ghostface.edge.Threshold;
import ghostface.edge.detection.YuNet;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.Session;
import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * The one recogniser of the app, and the one thread that uses it.
 *
 * <p>Methods are called on the main thread, {@link #run} on any, and answers come to the main thread. The recogniser is
 * opened, used and closed on the background thread alone, one piece of work after the other, so that it can be replaced
 * when the settings change.
 */
public final class Engines {
    /** What screens can count on. */
    public static final class State {
        /** Null while the models are opened, and where they cannot be. */
        public final Recogniser recogniser;
        /** Null unless the models or the gallery cannot be opened. */
        public final GhostFaceException problem;

        private State(Recogniser recogniser, GhostFaceException problem) {
            this.recogniser = recogniser;
            this.problem = problem;
        }
    }

    /** Is told of every {@link State}, the present one first. */
    public interface Watcher {
        void changed(State state);
    }

    /** Runs on the background thread. */
    public interface Work<T> {
        T run(Recogniser recogniser);
    }

    /** Runs on the main thread. */
    public interface Done<T> {
        /** @param problem null where there is a result */
        void done(T result, GhostFaceException problem);
    }

    private static final String FIRST_GALLERY = "people.db";

    private final ModelFolder.Source models;
    private final SessionOpener sessions;
    private final Database.Opener databases;
    private final SettingsStore store;
    private final File folder;
    private final Executor background;
    private final Executor main;
    private final List<Watcher> watchers = new ArrayList<>();

    private State state = new State(null, null);
    private List<ModelFolder.Entry> embedders = Collections.emptyList();
    private boolean asked;

    // Of the background thread alone.
    private Recogniser recogniser;
    private GhostFaceException problem;
    private String modelId;

    /**
     * @param models     the models of the app
     * @param sessions   the runtime
     * @param databases  SQLite
     * @param store      settings
     * @param folder     of the galleries
     * @param background one thread
     * @param main       the thread of the screens
     */
    public Engines(
            ModelFolder.Source models,
            SessionOpener sessions,
            Database.Opener databases,
            SettingsStore store,
            File folder,
            Executor background,
            Executor main) {
        this.models = models;
        this.sessions = sessions;
        this.databases = databases;
        this.store = store;
        this.folder = folder;
        this.background = background;
        this.main = main;
    }

    /** Open the models if nobody has; before {@link #run}. */
    public void open() {
        if (!asked) {
            reopen();
        }
    }

    /** Follow the state, and open the models if nobody has. */
    public void watch(Watcher watcher) {
        open();
        watchers.add(watcher);
        watcher.changed(state);
    }

    public void unwatch(Watcher watcher) {
        watchers.remove(watcher);
    }

    /** The embedders of the app; empty before the models were opened. */
    public List<ModelFolder.Entry> embedders() {
        return embedders;
    }

    public Settings settings() {
        return store.load();
    }

    /** Keep settings, and open what they ask for. */
    public void apply(Settings settings) {
        store.save(settings);
        reopen();
    }

    /** Open, or open again. */
    public void reopen() {
        asked = true;
        set(new State(null, null));
        Settings settings = store.load();
        background.execute(() -> {
            close();
            List<ModelFolder.Entry> found = Collections.emptyList();
            problem = null;
            modelId = null;
            try {
                ModelFolder read = ModelFolder.read(models);
                found = read.embedders();
                recogniser = open(read, settings);
            } catch (GhostFaceException error) {
                problem = error;
            }
            List<ModelFolder.Entry> entries = found;
            State opened = new State(recogniser, problem);
            main.execute(() -> {
                embedders = entries;
                set(opened);
            });
        });
    }

    /** Begin a gallery for the present model where its own is another model's or damaged; no file is touched. */
    public void useNewGallery() {
        background.execute(() -> {
            if (modelId != null) {
                store.setGallery(modelId, unusedName());
            }
            main.execute(this::reopen);
        });
    }

    /**
     * Do something with the recogniser.
     *
     * @param done gets what opening reported where there is no recogniser
     */
    public <T> void run(Work<T> work, Done<T> done) {
        background.execute(() -> {
            T result = null;
            GhostFaceException failed = null;
            try {
                if (recogniser == null) {
                    throw problem;
                }
                result = work.run(recogniser);
            } catch (GhostFaceException error) {
                failed = error;
            }
            T answer = result;
            GhostFaceException reason = failed;
            main.execute(() -> done.done(answer, reason));
        });
    }

    /** Close the models and the gallery, after all that was asked for before. A process of Android's just ends. */
    void shutDown() {
        background.execute(this::close);
    }

    /** Do something on the background thread after all that was asked for before. */
    void after(Runnable work) {
        background.execute(work);
    }

    /** Do something on the main thread; from the background. */
    void onMain(Runnable work) {
        main.execute(work);
    }

    private void set(State next) {
        state = next;
        for (Watcher watcher : new ArrayList<>(watchers)) {
            watcher.changed(next);
        }
    }

    private Recogniser open(ModelFolder folder, Settings settings) {
        ModelFile embedderFile = folder.embedder(settings.model);
        ModelFile detectorFile = folder.detector();
        modelId = embedderFile.card.modelId;
        Session embedder = null;
        Session detector = null;
        try {
            embedder = sessions.open(embedderFile, settings.threads);
            detector = sessions.open(detectorFile, settings.threads);
            FaceEngine engine = new FaceEngine(embedder, new YuNet(detector));
            ModelIdentity model = engine.model();
            Gallery gallery = Gallery.open(galleryFile(model.modelId).getPath(), model, databases);
            Threshold threshold = threshold(engine.card(), settings.fmr, model.detector);
            return new Recogniser(engine, embedder, detector, gallery, threshold);
        } catch (GhostFaceException error) {
            if (embedder != null) {
                embedder.close();
            }
            if (detector != null) {
                detector.close();
            }
            throw error;
        }
    }

    private static Threshold threshold(ModelCard card, double fmr, String detector) {
        for (Threshold threshold : card.thresholds) {
            if (threshold.detector.equals(detector) && threshold.fmr == fmr) {
                return threshold;
            }
        }
        return null;
    }

    private void close() {
        if (recogniser != null) {
            recogniser.close();
            recogniser = null;
        }
    }

    private File galleryFile(String model) {
        String chosen = store.galleryOf(model);
        return new File(folder, chosen == null ? FIRST_GALLERY : chosen);
    }

    private String unusedName() {
        int number = 2;
        while (new File(folder, "people-" + number + ".db").exists()) {
            number++;
        }
        return "people-" + number + ".db";
    }
}
