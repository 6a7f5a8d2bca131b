package ghostface.edge.errors;

/** The file is missing, damaged, truncated, or no model at all. */
public class ModelFileException extends ModelException {
    /** @param message what was wrong, with what, and what to do */
    public ModelFileException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public ModelFileException(String message, Throwable cause) {
        super(message, cause);
    }
}
