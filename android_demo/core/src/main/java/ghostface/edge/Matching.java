package ghostface.edge;

import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;

/** How alike two faces are, and whether that is enough. */
public final class Matching {
    private Matching() {
    }

    /** Cosine of the angle between two vectors of one length, computed in double, within -1 and 1. */
    public static double cosine(float[] a, float[] b) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Cosine similarity of two templates, -1 to 1.
     *
     * @throws ModelMismatchException their embeddings come from different models
     * @throws OptionException        an embedding that is zero or not finite
     */
    public static double similarity(Template a, Template b) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The similarity itself, where it is one.
     *
     * @throws OptionException not a number between -1 and 1
     */
    public static double cutoff(double threshold) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** Say whether a similarity is enough, by a measured threshold. */
    public static Verification decide(double similarity, Threshold threshold) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Say whether a similarity is enough, by one of the caller's own, whose false-match rate nobody knows.
     *
     * @throws OptionException the threshold is not a similarity
     */
    public static Verification decide(double similarity, double threshold) {
        throw new UnsupportedOperationException("not written yet");
    }
}
