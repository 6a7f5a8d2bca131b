package ghostface.edge.errors;

/** An argument outside its range; names the argument, the value and the range. */
public class OptionException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public OptionException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public OptionException(String message, Throwable cause) {
        super(message, cause);
    }
}
