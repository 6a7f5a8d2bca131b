package ghostface.edge;

import ghostface.edge.errors.OptionException;
import java.nio.charset.StandardCharsets;

/** Which model made an embedding. Embeddings compare only where {@link #modelId} is the same. */
public final class ModelIdentity {
    /** Name of the embedding space: architecture and checkpoint, whatever the file format or precision. */
    public final String modelId;
    /** Numerical form of the file that ran: float32, float16, int8 ... */
    public final String precision;
    /** Whose landmarks aligned the face, such as {@code yunet}; empty for crops that came aligned. */
    public final String detector;

    /** @throws OptionException a text that UTF-8 cannot hold, and so no gallery file */
    public ModelIdentity(String modelId, String precision, String detector) {
        this.modelId = writable(modelId, "model_id");
        this.precision = writable(precision, "precision");
        this.detector = writable(detector, "detector");
    }

    private static String writable(String text, String name) {
        if (text == null || !StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new OptionException(name + " of a model is not text that a file can hold");
        }
        return text;
    }
}
