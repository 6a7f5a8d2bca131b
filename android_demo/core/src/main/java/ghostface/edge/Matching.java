package ghostface.edge;

import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;

/** How alike two faces are, and whether that is enough. */
public final class Matching {
    private Matching() {}

    /** Cosine of the angle between two vectors of one length, computed in double, within -1 and 1. */
    public static double cosine(float[] a, float[] b) {
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int at = 0; at < a.length; at++) {
            double x = a[at];
            double y = b[at];
            ab += x * y;
            aa += x * x;
            bb += y * y;
        }
        return Math.min(Math.max(ab / Math.sqrt(aa * bb), -1), 1);
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
