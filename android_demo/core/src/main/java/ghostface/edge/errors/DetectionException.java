package ghostface.edge.errors;

/** A detector was misconfigured, or returned something that is not a detection. */
public class DetectionException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public DetectionException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public DetectionException(String message, Throwable cause) {
        super(message, cause);
    }
}
