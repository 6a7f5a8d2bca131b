package ghostface.edge.runtime;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.TensorInfo;
import ghostface.edge.ModelCard;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelFileException;
import ghostface.edge.errors.OptionException;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * An {@code .onnx} file on ONNX Runtime's CPU kernels, with the settings of {@code ghostface_edge/runtime/onnx.py}.
 * {@link #run} may be called from several threads at once: ONNX Runtime's own is thread-safe.
 */
public final class OnnxSession implements Session {
    private final ModelFile file;
    private final int threads;
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final String input;
    private final int[] shape;
    private final boolean oneByOne;
    /** Runs hold it for reading, {@link #close} for writing: no run may lose its model half-way. */
    private final ReadWriteLock open = new ReentrantReadWriteLock();
    private boolean closed;

    /**
     * @param threads of one inference; see {@link Sessions#defaultThreads}
     * @throws ModelFileException no ONNX model, or one for batches of a fixed size above 1
     * @throws OptionException    a TFLite file, or a senseless number of threads
     */
    public OnnxSession(ModelFile file, int threads) {
        if (!file.format.equals("onnx")) {
            throw new OptionException("ONNX Runtime does not run " + file.name + ", a TFLite file");
        }
        this.file = file;
        this.threads = Sessions.checkThreads(threads);
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL); // what matters is raised
            // What was checked as ONNX must not be read as ONNX Runtime's own format, whatever its bytes look like.
            options.addConfigEntry("session.load_model_format", "ONNX");
            // An idle pool must not burn the core that detection or the camera needs.
            options.addConfigEntry("session.intra_op.allow_spinning", "0");
            // On x86-64 without VNNI, the fast kernel for uint8 x int8 overflows in 16 bits: wrong embeddings.
            options.addConfigEntry("session.x64quantprecision", "1");
            session = environment.createSession(file.bytes(), options);
        } catch (OrtException error) {
            throw new ModelFileException("ONNX Runtime cannot load " + file.name + ": " + firstLine(error), error);
        }
        boolean usable = false;
        try {
            Collection<NodeInfo> inputs = session.getInputInfo().values();
            Collection<NodeInfo> outputs = session.getOutputInfo().values();
            if (inputs.size() != 1 || outputs.isEmpty() || !areFloats(inputs) || !areFloats(outputs)) {
                throw new ModelFileException(file.name + " is no network with one float32 input and float32 outputs");
            }
            NodeInfo only = inputs.iterator().next();
            input = only.getName();
            long[] declared = ((TensorInfo) only.getInfo()).getShape(); // symbolic sizes are negative
            long batch = declared.length == 0 ? 0 : declared[0];
            if (batch >= 0 && batch != 1) {
                throw new ModelFileException(file.name + " is built for batches of " + batch
                        + "; a face model takes one picture or any number");
            }
            oneByOne = batch == 1;
            shape = new int[declared.length];
            for (int axis = 0; axis < shape.length; axis++) {
                shape[axis] = axis == 0 || declared[axis] < 0 ? -1 : (int) Math.min(declared[axis], Integer.MAX_VALUE);
            }
            usable = true;
        } catch (OrtException error) {
            throw new ModelFileException("ONNX Runtime cannot load " + file.name + ": " + firstLine(error), error);
        } finally {
            if (!usable) {
                close();
            }
        }
    }

    @Override
    public ModelCard card() {
        return file.card;
    }

    @Override
    public String file() {
        return file.name;
    }

    @Override
    public String sha256() {
        return file.sha256;
    }

    @Override
    public String runtime() {
        return "onnx";
    }

    @Override
    public String version() {
        return "onnxruntime " + environment.getVersion();
    }

    @Override
    public int threads() {
        return threads;
    }

    @Override
    public Tensor[] run(Tensor tensor) {
        Sessions.checkInput(tensor, shape, file.name);
        open.readLock().lock();
        try {
            if (closed) {
                throw new InferenceException(file.name + " was closed");
            }
            int pictures = tensor.shape()[0];
            if (!oneByOne || pictures == 1) {
                return outputs(tensor);
            }
            Tensor[][] rows = new Tensor[pictures][];
            for (int row = 0; row < pictures; row++) {
                rows[row] = outputs(picture(tensor, row));
            }
            return concatenated(rows);
        } finally {
            open.readLock().unlock();
        }
    }

    @Override
    public void close() {
        open.writeLock().lock();
        try {
            if (!closed) {
                closed = true;
                session.close();
            }
        } catch (OrtException error) {
            throw new InferenceException("ONNX Runtime cannot close " + file.name + ": " + firstLine(error), error);
        } finally {
            open.writeLock().unlock();
        }
    }

    private Tensor[] outputs(Tensor tensor) {
        int[] sizes = tensor.shape();
        long[] longs = new long[sizes.length];
        for (int axis = 0; axis < sizes.length; axis++) {
            longs[axis] = sizes[axis];
        }
        try (OnnxTensor given = OnnxTensor.createTensor(environment, FloatBuffer.wrap(tensor.values), longs);
                OrtSession.Result result = session.run(Collections.singletonMap(input, given))) {
            List<Tensor> outputs = new ArrayList<>();
            for (Map.Entry<String, OnnxValue> output : result) {
                outputs.add(copied((OnnxTensor) output.getValue()));
            }
            return outputs.toArray(new Tensor[0]);
        } catch (OrtException error) {
            throw new InferenceException("ONNX Runtime failed on " + file.name + ": " + firstLine(error), error);
        }
    }

    private static Tensor copied(OnnxTensor tensor) {
        FloatBuffer buffer = tensor.getFloatBuffer();
        float[] values = new float[buffer.remaining()];
        buffer.get(values);
        long[] sizes = tensor.getInfo().getShape();
        int[] shape = new int[sizes.length];
        for (int axis = 0; axis < sizes.length; axis++) {
            shape[axis] = (int) sizes[axis];
        }
        return new Tensor(values, shape);
    }

    private static Tensor picture(Tensor batch, int row) {
        int[] shape = batch.shape();
        int size = batch.values.length / shape[0];
        shape[0] = 1;
        return new Tensor(Arrays.copyOfRange(batch.values, row * size, (row + 1) * size), shape);
    }

    /** The outputs of each picture, put together along the first axis. */
    private Tensor[] concatenated(Tensor[][] rows) {
        Tensor[] outputs = new Tensor[rows[0].length];
        for (int output = 0; output < outputs.length; output++) {
            int[] shape = rows[0][output].shape();
            int size = rows[0][output].values.length;
            float[] values = new float[rows.length * size];
            for (int row = 0; row < rows.length; row++) {
                if (shape.length == 0 || !Arrays.equals(rows[row][output].shape(), shape)) {
                    throw new InferenceException("ONNX Runtime failed on " + file.name
                            + ": its outputs have no shape of their own for each picture");
                }
                System.arraycopy(rows[row][output].values, 0, values, row * size, size);
            }
            shape[0] *= rows.length;
            outputs[output] = new Tensor(values, shape);
        }
        return outputs;
    }

    private static boolean areFloats(Collection<NodeInfo> nodes) {
        for (NodeInfo node : nodes) {
            if (!(node.getInfo() instanceof TensorInfo) || ((TensorInfo) node.getInfo()).type != OnnxJavaType.FLOAT) {
                return false;
            }
        }
        return true;
    }

    private static String firstLine(Exception error) {
        return String.valueOf(error.getMessage()).trim().split("\n", 2)[0];
    }
}
