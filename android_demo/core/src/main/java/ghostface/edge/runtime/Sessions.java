package ghostface.edge.runtime;

import ghostface.edge.errors.ModelInputException;
import ghostface.edge.errors.OptionException;
import java.util.Arrays;

/** The checks that every runtime makes. */
public final class Sessions {
    /** More threads than any of these networks can use. */
    public static final int MOST_THREADS = 256;

    private Sessions() {}

    /** The CPUs that this process may use, at most 4: these networks are too small to gain from more. */
    public static int defaultThreads() {
        return Math.min(Runtime.getRuntime().availableProcessors(), 4);
    }

    /** @throws OptionException not from 1 to {@link #MOST_THREADS} */
    public static int checkThreads(int threads) {
        if (threads < 1 || threads > MOST_THREADS) {
            throw new OptionException("threads=" + threads + " is not a number of threads: use 1 to " + MOST_THREADS);
        }
        return threads;
    }

    /**
     * Refuse a tensor that a model does not take.
     *
     * @param shape the model's; -1 stands for any size of at least 1
     * @param name  of the model
     * @throws ModelInputException another shape
     */
    public static void checkInput(Tensor tensor, int[] shape, String name) {
        int[] found = tensor.shape();
        boolean fits = found.length == shape.length;
        for (int axis = 0; fits && axis < shape.length; axis++) {
            fits = found[axis] >= 1 && (shape[axis] == -1 || shape[axis] == found[axis]);
        }
        if (!fits) {
            throw new ModelInputException(name + " takes an input of shape " + shown(shape) + ", got " + shown(found));
        }
    }

    /** A shape as Python writes it; -1 stands for any size. */
    public static String shown(int[] shape) {
        return Arrays.toString(shape).replace("-1", "any").replace('[', '(').replace(']', ')');
    }
}
