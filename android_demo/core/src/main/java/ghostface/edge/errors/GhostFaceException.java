package ghostface.edge.errors;

/**
 * Root of every error that this library raises on purpose; catch it to catch them all.
 *
 * <p>The tree and the names are those of {@code ghostface_edge/errors.py}, with Exception for Error:
 *
 * <pre>
 * GhostFaceException
 *  +- OptionException            an argument that makes no sense
 *  +- ImageException             a source that is not a usable picture
 *  +- DetectionException         a detector that breaks its contract
 *  |   +- NoFaceException        a face was asked for and none was found
 *  +- AlignmentException         landmarks that define no similarity transform
 *  +- ModelException
 *  |   +- ModelFileException     missing, damaged, truncated, not a model
 *  |   +- ModelCardException     no model card, or one that contradicts itself
 *  |   +- ModelInputException    a tensor of the wrong shape
 *  |   +- InferenceException     the runtime failed, or gave NaN, infinity or a zero vector
 *  |   +- ModelMismatchException embeddings of two different models were to be compared
 *  +- ThresholdException         the model card holds no threshold for this request
 *  +- GalleryException           a gallery file that cannot be opened, read or written
 *  |   +- UnknownPersonException
 *  +- EvaluationException        samples or results of a benchmark that make no sense
 * </pre>
 */
public abstract class GhostFaceException extends RuntimeException {
    GhostFaceException(String message) {
        super(message);
    }

    GhostFaceException(String message, Throwable cause) {
        super(message, cause);
    }
}
