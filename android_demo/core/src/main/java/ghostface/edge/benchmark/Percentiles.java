package ghostface.edge.benchmark;

import ghostface.edge.errors.EvaluationException;
import java.util.Arrays;

/** Percentiles as NumPy computes them: between two samples, a straight line. */
public final class Percentiles {
    private final double[] sorted;

    private Percentiles(double[] sorted) {
        this.sorted = sorted;
    }

    /**
     * Of some numbers in any order, which are copied.
     *
     * @throws EvaluationException there are none, or one is not finite
     */
    public static Percentiles of(double... values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);  // NaN comes last
        int last = sorted.length - 1;
        if (last < 0 || Double.isNaN(sorted[last]) || Double.isInfinite(sorted[last]) || Double.isInfinite(sorted[0])) {
            throw new EvaluationException("percentiles are of one or more finite numbers");
        }
        return new Percentiles(sorted);
    }

    /** @param percent 0 (the least) to 100 (the largest) */
    public double at(double percent) {
        if (!(percent >= 0 && percent <= 100)) {
            throw new EvaluationException("percentile " + percent + " is not between 0 and 100");
        }
        double place = percent / 100 * (sorted.length - 1);
        int below = (int) place;
        double a = sorted[below];
        double b = sorted[Math.min(below + 1, sorted.length - 1)];
        double part = place - below;
        return part < 0.5 ? a + (b - a) * part : b - (b - a) * (1 - part);  // never beyond b, whatever is rounded
    }

    /** The middle one, or the mean of the two in the middle. */
    public double median() {
        return at(50);
    }
}
