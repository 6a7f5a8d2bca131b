package ghostface.edge.errors;

/** A gallery file that cannot be opened, read or written. */
public class GalleryException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public GalleryException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public GalleryException(String message, Throwable cause) {
        super(message, cause);
    }
}
