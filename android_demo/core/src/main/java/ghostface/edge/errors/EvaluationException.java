package ghostface.edge.errors;

/** Samples, or results of a benchmark, that cannot be what they should be. */
public class EvaluationException extends GhostFaceException {
    /** @param message what was wrong, with what, and what to do */
    public EvaluationException(String message) {
        super(message);
    }

    /**
     * @param message what was wrong, with what, and what to do
     * @param cause   what the library below reported
     */
    public EvaluationException(String message, Throwable cause) {
        super(message, cause);
    }
}
