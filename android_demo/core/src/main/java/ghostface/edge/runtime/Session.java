package ghostface.edge.runtime;

import ghostface.edge.ModelCard;

/** A loaded model. Safe to share between threads. */
public interface Session extends AutoCloseable {
    /** The card that travels in the model's file. */
    ModelCard card();

    /** Name of the file, without folders. */
    String file();

    /** Of the file's bytes, hexadecimal. */
    String sha256();

    /** {@code onnx} or {@code litert}, as in Python. */
    String runtime();

    /** The runtime library and its version, for reports. */
    String version();

    /** Number of threads that one call may use. */
    int threads();

    /**
     * Run the model on one tensor in the card's layout; any number of pictures, and for detectors of any multiple of 32
     * in height and width. Outputs come in the model's order.
     *
     * @throws ghostface.edge.errors.ModelInputException the tensor has the wrong shape
     * @throws ghostface.edge.errors.InferenceException  the runtime failed
     */
    Tensor[] run(Tensor input);

    /** Frees the model; nothing else is raised. */
    @Override
    void close();
}
