package ghostface.edge.errors;

/** The runtime failed, or its output is not finite or not normalisable. */
public class InferenceException extends ModelException {
    /** @param message what was wrong, with what, and what to do */
    public InferenceException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public InferenceException(String message, Throwable cause) {
        super(message, cause);
    }
}
