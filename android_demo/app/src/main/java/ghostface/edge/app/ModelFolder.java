package ghostface.edge.app;

import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.ModelFileException;
import ghostface.edge.runtime.ModelFile;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The models that the app was built with: any number of embedders, and one YuNet. */
public final class ModelFolder {
    /** Where the files lie; on a phone the assets of the app. */
    public interface Source {
        /** Names of the files; empty where there is no such folder. */
        String[] list() throws IOException;

        InputStream open(String name) throws IOException;
    }

    /** A model file, or what is wrong with it. */
    public static final class Entry {
        public final String name;
        /** Null where {@link #problem} says why. */
        public final ModelFile file;
        public final GhostFaceException problem;

        private Entry(String name, ModelFile file, GhostFaceException problem) {
            this.name = name;
            this.file = file;
            this.problem = problem;
        }
    }

    private final List<Entry> embedders = new ArrayList<>();
    private final List<Entry> detectors = new ArrayList<>();

    private ModelFolder() {}

    /**
     * Look at every file. One that is damaged or has no card counts as an embedder with a problem, so that the settings
     * can show it.
     *
     * @throws ModelFileException the folder cannot be read
     */
    public static ModelFolder read(Source source) {
        ModelFolder folder = new ModelFolder();
        try {
            String[] names = source.list();
            Arrays.sort(names);
            for (String name : names) {
                if (name.endsWith(".tflite") || name.endsWith(".onnx")) {
                    Entry entry = entry(source, name);
                    boolean detector = entry.file != null && entry.file.card.kind.equals("detector");
                    (detector ? folder.detectors : folder.embedders).add(entry);
                }
            }
        } catch (IOException error) {
            throw new ModelFileException("the models of the app cannot be listed: " + error.getMessage(), error);
        }
        return folder;
    }

    private static Entry entry(Source source, String name) throws IOException {
        try (InputStream stream = source.open(name)) {
            return new Entry(name, ModelFile.read(stream, name), null);
        } catch (GhostFaceException problem) {
            return new Entry(name, null, problem);
        }
    }

    /** Embedders, and files with a problem, by name. */
    public List<Entry> embedders() {
        return embedders;
    }

    /**
     * The embedder of a name.
     *
     * @param name empty for the first that is in order
     * @throws MissingModelException no such file, or none at all
     * @throws GhostFaceException    what is wrong with it
     */
    public ModelFile embedder(String name) {
        GhostFaceException problem = null;
        for (Entry entry : embedders) {
            if (!name.isEmpty() && !entry.name.equals(name)) {
                continue;
            }
            if (entry.file != null) {
                return entry.file;
            }
            problem = problem == null ? entry.problem : problem;
        }
        throw problem != null ? problem : new MissingModelException(name.isEmpty()
                ? "assets/models holds no embedder" : "assets/models/" + name + " is not there");
    }

    /** @throws MissingModelException the app was built without a detector */
    public ModelFile detector() {
        if (detectors.isEmpty()) {
            throw new MissingModelException("assets/models holds no detector");
        }
        return detectors.get(0).file;
    }
}
