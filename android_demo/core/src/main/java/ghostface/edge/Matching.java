package ghostface.edge;

import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;

/** How alike two faces are, and whether that is enough. */
public final class Matching {
    private Matching() {}

    /** Cosine of the angle between two vectors of one length, computed in double, within -1 and 1. */
    public static double cosine(float[] a, float[] b) {
        return cosine(dot(a, b), dot(a, a), dot(b, b));
    }

    /** The same of products that were computed before: of the two, and of each with itself. */
    static double cosine(double ab, double aa, double bb) {
        return Math.min(Math.max(ab / Math.sqrt(aa * bb), -1), 1);
    }

    /** Sum of products in double, added up as NumPy does it: so similarities are Python's to the last bit. */
    static double dot(float[] a, float[] b) {
        return dot(a, b, 0, a.length);
    }

    /** NumPy's pairwise sum: eight sums side by side, of at most 128 numbers; of more, the sum of both halves. */
    private static double dot(float[] a, float[] b, int begin, int end) {
        int count = end - begin;
        if (count > 128) {
            int middle = begin + count / 2 / 8 * 8;
            return dot(a, b, begin, middle) + dot(a, b, middle, end);
        }
        double total = 0;
        int at = begin;
        if (count >= 8) {
            double t0 = 0;
            double t1 = 0;
            double t2 = 0;
            double t3 = 0;
            double t4 = 0;
            double t5 = 0;
            double t6 = 0;
            double t7 = 0;
            for (; at + 8 <= end; at += 8) {
                t0 += (double) a[at] * b[at];
                t1 += (double) a[at + 1] * b[at + 1];
                t2 += (double) a[at + 2] * b[at + 2];
                t3 += (double) a[at + 3] * b[at + 3];
                t4 += (double) a[at + 4] * b[at + 4];
                t5 += (double) a[at + 5] * b[at + 5];
                t6 += (double) a[at + 6] * b[at + 6];
                t7 += (double) a[at + 7] * b[at + 7];
            }
            total = t0 + t1 + (t2 + t3) + (t4 + t5 + (t6 + t7));
        }
        for (; at < end; at++) {
            total += (double) a[at] * b[at];
        }
        return total;
    }

    /**
     * Cosine similarity of two templates, -1 to 1.
     *
     * @throws ModelMismatchException their embeddings come from different models
     * @throws OptionException        an embedding that is zero or not finite
     */
    public static double similarity(Template a, Template b) {
        if (!a.model.modelId.equals(b.model.modelId) || a.size() != b.size()) {
            throw new ModelMismatchException(
                    "embeddings of different models do not compare: " + origin(a) + " and " + origin(b));
        }
        return cosine(direction(a), direction(b));
    }

    /**
     * The similarity from which on two faces count as the same person: the number itself, where it is one.
     *
     * @throws OptionException not a number between -1 and 1
     */
    public static double cutoff(double threshold) {
        if (!(threshold >= -1 && threshold <= 1)) {
            throw new OptionException(
                    "threshold " + Text.general(threshold) + " is not a similarity between -1 and 1");
        }
        return threshold;
    }

    /** Say whether a similarity is enough, by a measured threshold. */
    public static Verification decide(double similarity, Threshold threshold) {
        double cutoff = cutoff(threshold.similarity);
        return new Verification(similarity, cutoff, threshold.fmr, similarity >= cutoff);
    }

    /**
     * Say whether a similarity is enough, by one of the caller's own, whose false-match rate nobody knows.
     *
     * @throws OptionException the threshold is not a similarity
     */
    public static Verification decide(double similarity, double threshold) {
        double cutoff = cutoff(threshold);
        return new Verification(similarity, cutoff, null, similarity >= cutoff);
    }

    private static float[] direction(Template template) {
        float[] embedding = template.embedding();
        boolean zero = true;
        boolean finite = true;
        for (float value : embedding) {
            zero &= value == 0;
            finite &= !Float.isNaN(value) && !Float.isInfinite(value);
        }
        if (zero || !finite) {
            throw new OptionException(
                    "an embedding of model " + Text.quoted(template.model.modelId) + " is zero or not finite");
        }
        return embedding;
    }

    private static String origin(Template template) {
        return Text.quoted(template.model.modelId) + " (" + template.size() + " numbers)";
    }
}
