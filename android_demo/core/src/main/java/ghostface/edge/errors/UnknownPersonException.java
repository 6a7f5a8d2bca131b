package ghostface.edge.errors;

/** The gallery holds nobody of that name. */
public class UnknownPersonException extends GalleryException {
    /** @param message what was wrong, with what, and what to do */
    public UnknownPersonException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public UnknownPersonException(String message, Throwable cause) {
        super(message, cause);
    }
}
