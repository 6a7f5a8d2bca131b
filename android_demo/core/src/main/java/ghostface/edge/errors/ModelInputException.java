package ghostface.edge.errors;

/** A tensor has the wrong shape or value range for the model. */
public class ModelInputException extends ModelException {
    /** @param message what was wrong, with what, and what to do */
    public ModelInputException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ModelInputException(String message, Throwable cause) {
        super(message, cause);
    }
}
