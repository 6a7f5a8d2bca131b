package ghostface.edge.runtime;

import ghostface.edge.errors.ModelInputException;
import java.util.Arrays;

/** Float32 numbers in a shape, row-major. */
public final class Tensor {
    /** The numbers themselves, not a copy. */
    public final float[] values;
    private final int[] shape;

    /** @throws ModelInputException the shape does not have as many places as there are numbers */
    public Tensor(float[] values, int... shape) {
        long places = 1;
        for (int size : shape) {
            places *= size;
        }
        if (places != values.length) {
            throw new ModelInputException(values.length + " numbers do not fill " + Arrays.toString(shape));
        }
        this.values = values;
        this.shape = shape.clone();
    }

    public int[] shape() {
        return shape.clone();
    }
}
