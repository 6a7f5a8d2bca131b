package ghostface.edge.runtime;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.ModelFileException;
import ghostface.edge.errors.OptionException;

/** An {@code .onnx} file on ONNX Runtime's CPU kernels. */
public final class OnnxSession implements Session {
    /**
     * @param threads of one inference; see {@link Sessions#defaultThreads}
     * @throws ModelFileException no ONNX model, or one for batches of a fixed size above 1
     * @throws OptionException    a senseless number of threads
     */
    public OnnxSession(ModelFile file, int threads) {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public ModelCard card() {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public String file() {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public String sha256() {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public String runtime() {
        return "onnx";
    }

    @Override
    public String version() {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public int threads() {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public Tensor[] run(Tensor input) {
        throw new UnsupportedOperationException("not written yet");
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException("not written yet");
    }
}
