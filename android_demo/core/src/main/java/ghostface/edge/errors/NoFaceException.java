package ghostface.edge.errors;

/** A face was asked for and the detector found none. */
public class NoFaceException extends DetectionException {
    /** @param message what was wrong, with what, and what to do */
    public NoFaceException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public NoFaceException(String message, Throwable cause) {
        super(message, cause);
    }
}
