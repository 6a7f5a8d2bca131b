package ghostface.edge;

/** The answer to "are these two the same person?". */
public final class Verification {
    /** Cosine similarity, -1 to 1. */
    public final double similarity;
    /** Similarity from which on the answer is yes. */
    public final double threshold;
    /** False-match rate at which the threshold was measured; null for a threshold of the caller's own. */
    public final Double fmr;
    /** {@code similarity >= threshold}. */
    public final boolean match;

    public Verification(double similarity, double threshold, Double fmr, boolean match) {
        this.similarity = similarity;
        this.threshold = threshold;
        this.fmr = fmr;
        this.match = match;
    }
}
