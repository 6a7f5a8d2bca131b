package ghostface.edge.errors;

/** Landmarks from which no similarity transform can be computed. */
public class AlignmentException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public AlignmentException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public AlignmentException(String message, Throwable cause) {
        super(message, cause);
    }
}
