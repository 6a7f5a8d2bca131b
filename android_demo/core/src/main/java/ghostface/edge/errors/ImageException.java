package ghostface.edge.errors;

/** A source that cannot become an RGB picture; names the source and the reason. */
public class ImageException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public ImageException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ImageException(String message, Throwable cause) {
        super(message, cause);
    }
}
