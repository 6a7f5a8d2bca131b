package ghostface.edge.errors;

/** The model file carries no model card, or one that cannot be trusted. */
public class ModelCardException extends ModelException {
    /** @param message what was wrong, with what, and what to do */
    public ModelCardException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ModelCardException(String message, Throwable cause) {
        super(message, cause);
    }
}
