package ghostface.edge;

/** Which model made an embedding. Embeddings compare only where {@link #modelId} is the same. */
public final class ModelIdentity {
    /** Name of the embedding space: architecture and checkpoint, whatever the file format or precision. */
    public final String modelId;
    /** Numerical form of the file that ran: float32, float16, int8 ... */
    public final String precision;
    /** Whose landmarks aligned the face, such as {@code yunet}; empty for crops that came aligned. */
    public final String detector;

    public ModelIdentity(String modelId, String precision, String detector) {
        this.modelId = modelId;
        this.precision = precision;
        this.detector = detector;
    }
}
