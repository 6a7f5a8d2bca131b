package ghostface.edge.errors;

/** Embeddings of different models cannot be compared. */
public class ModelMismatchException extends ModelException {
    /** @param message what was wrong, with what, and what to do */
    public ModelMismatchException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ModelMismatchException(String message, Throwable cause) {
        super(message, cause);
    }
}
