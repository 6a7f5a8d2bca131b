package ghostface.edge.errors;

/** The model card has no threshold for the requested FMR and detector. */
public class ThresholdException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public ThresholdException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ThresholdException(String message, Throwable cause) {
        super(message, cause);
    }
}
