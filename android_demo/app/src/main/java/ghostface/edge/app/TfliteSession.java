package ghostface.edge.app;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelFileException;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Sessions;
import ghostface.edge.runtime.Tensor;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.tensorflow.lite.DataType;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.TensorFlowLite;

/**
 * A {@code .tflite} file on TensorFlow Lite. Where the processor has fp16 arithmetic, XNNPACK computes float16 files so.
 */
public final class TfliteSession implements Session {
    /** The shapes for which an interpreter is kept ready: the detector looks at a photo, a small view and faces. */
    private static final int KEPT = 4;

    private final ModelFile file;
    private final int threads;
    private final ByteBuffer model;
    private final int[] declared;
    /** By the sizes of the input; the one that was not used for longest is first. */
    private final LinkedHashMap<String, Interpreter> ready = new LinkedHashMap<>(KEPT, 0.75f, true);

    /** @throws ModelFileException the runtime does not take the model */
    public TfliteSession(ModelFile file, int threads) {
        this.file = file;
        this.threads = Sessions.checkThreads(threads);
        this.model = ByteBuffer.allocateDirect(file.bytes().length).order(ByteOrder.nativeOrder());
        model.put(file.bytes());
        rewind(model);
        try {
            Interpreter first = create();
            int[] shape = first.getInputTensor(0).shape();
            ready.put(Arrays.toString(shape), first);
            first.allocateTensors();
            check(first);
            declared = first.getInputTensor(0).shapeSignature().clone();
            declared[0] = -1;  // a batch runs picture by picture
        } catch (ModelFileException error) {
            close();
            throw error;
        } catch (IllegalArgumentException | IllegalStateException error) {
            close();
            throw new ModelFileException("TensorFlow Lite cannot load " + file.name + ": " + error.getMessage(), error);
        } catch (UnsatisfiedLinkError error) {
            throw new ModelFileException("TensorFlow Lite does not run on this phone (" + System.getProperty("os.arch")
                    + "): it needs an ARM processor, and memory pages of 4 KB: " + error.getMessage(), error);
        }
    }

    private Interpreter create() {
        return new Interpreter(model, new Interpreter.Options().setNumThreads(threads));
    }

    private void check(Interpreter interpreter) {
        int inputs = interpreter.getInputTensorCount();
        if (inputs != 1) {
            throw new ModelFileException(file.name + " has " + inputs + " inputs; a face model has one");
        }
        boolean floats = interpreter.getInputTensor(0).dataType() == DataType.FLOAT32;
        for (int i = 0; i < interpreter.getOutputTensorCount(); i++) {
            floats &= interpreter.getOutputTensor(i).dataType() == DataType.FLOAT32;
        }
        if (!floats) {
            throw new ModelFileException(
                    file.name + " takes or gives integers; convert it without --integer-io");
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
        return "litert";
    }

    @Override
    public String version() {
        return "tensorflow-lite " + TensorFlowLite.runtimeVersion();
    }

    @Override
    public int threads() {
        return threads;
    }

    @Override
    public synchronized Tensor[] run(Tensor input) {
        Sessions.checkInput(input, declared, file.name);
        int[] shape = input.shape();
        int batch = shape[0];
        shape[0] = 1;
        int size = input.values.length / batch;
        String key = Arrays.toString(shape);
        try {
            Interpreter interpreter = interpreter(key, shape);
            FloatBuffer picture = floats(size);
            FloatBuffer[] outputs = new FloatBuffer[interpreter.getOutputTensorCount()];
            Map<Integer, Object> places = new HashMap<>();
            float[][] results = new float[outputs.length][];
            for (int i = 0; i < outputs.length; i++) {
                outputs[i] = floats(interpreter.getOutputTensor(i).numElements());
                places.put(i, outputs[i]);
                results[i] = new float[batch * outputs[i].capacity()];
            }
            for (int row = 0; row < batch; row++) {
                rewind(picture);
                picture.put(input.values, row * size, size);
                rewind(picture);
                for (FloatBuffer output : outputs) {
                    rewind(output);
                }
                interpreter.runForMultipleInputsOutputs(new Object[] {picture}, places);
                for (int i = 0; i < outputs.length; i++) {
                    rewind(outputs[i]);
                    outputs[i].get(results[i], row * outputs[i].capacity(), outputs[i].capacity());
                }
            }
            Tensor[] tensors = new Tensor[outputs.length];
            for (int i = 0; i < tensors.length; i++) {
                int[] found = interpreter.getOutputTensor(i).shape().clone();
                found[0] = batch;
                tensors[i] = new Tensor(results[i], found);
            }
            return tensors;
        } catch (IllegalArgumentException | IllegalStateException error) {
            Interpreter broken = ready.remove(key);  // in what state it is, nobody knows
            if (broken != null) {
                broken.close();
            }
            throw new InferenceException("TensorFlow Lite failed on " + file.name + ": " + error.getMessage(), error);
        }
    }

    private Interpreter interpreter(String key, int[] shape) {
        Interpreter found = ready.get(key);
        if (found == null) {
            if (ready.size() == KEPT) {
                String oldest = ready.keySet().iterator().next();
                ready.remove(oldest).close();
            }
            found = create();
            ready.put(key, found);
            found.resizeInput(0, shape);
            found.allocateTensors();
        }
        return found;
    }

    /** As any buffer: in newer Android each kind has a {@code rewind} of its own, which Android 8 does not know. */
    private static void rewind(Buffer buffer) {
        buffer.rewind();
    }

    private static FloatBuffer floats(int count) {
        return ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }

    @Override
    public synchronized void close() {
        for (Interpreter interpreter : ready.values()) {
            interpreter.close();
        }
        ready.clear();
    }
}
