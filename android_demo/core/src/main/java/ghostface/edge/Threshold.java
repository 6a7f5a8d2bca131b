package ghostface.edge;

/** A decision threshold with the measurement behind it; see {@code Threshold} in {@code ghostface_edge/types.py}. */
public final class Threshold {
    /** False-match rate: the share of impostor comparisons at or above {@link #similarity}. */
    public final double fmr;
    /** Cosine similarity from which on two faces are called the same person. */
    public final double similarity;
    /** Detector (and mode) whose landmarks aligned the faces of the measurement. */
    public final String detector;
    /** False-non-match rate at this threshold: the share of genuine comparisons below it. */
    public final double fnmr;

    public Threshold(double fmr, double similarity, String detector, double fnmr) {
        this.fmr = fmr;
        this.similarity = similarity;
        this.detector = detector;
        this.fnmr = fnmr;
    }
}
