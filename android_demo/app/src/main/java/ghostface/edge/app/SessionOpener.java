package ghostface.edge.app;

import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.Session;

/** Loads a model into a runtime: TensorFlow Lite on a phone. */
public interface SessionOpener {
    /**
     * @param threads of one inference
     * @throws ghostface.edge.errors.ModelFileException the runtime does not take the model
     */
    Session open(ModelFile file, int threads);
}
