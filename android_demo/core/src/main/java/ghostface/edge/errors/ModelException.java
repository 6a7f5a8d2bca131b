package ghostface.edge.errors;

/** Anything that is wrong with a model, its file or its tensors. */
public class ModelException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public ModelException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
