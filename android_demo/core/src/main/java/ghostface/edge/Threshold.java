package ghostface.edge;

/** A decision threshold with the measurement behind it. */
public final class Threshold {
    /** False-match rate: the share of impostor comparisons at or above {@link #similarity}. */
    public final double fmr;
    /** Cosine similarity from which on two faces are called the same person. */
    public final double similarity;
    /** Detector (and mode) whose landmarks aligned the faces of the measurement. */
    public final String detector;
    /** False-non-match rate at this threshold: the share of genuine comparisons below it. */
    public final double fnmr;
    /** Number of impostor comparisons measured. */
    public final long impostorPairs;
    /** Number of genuine comparisons measured. */
    public final long genuinePairs;
    /** What was compared. */
    public final String dataset;
    /** Number of people in the comparisons; null where nobody counted them. */
    public final Long people;
    /** Upper end of the 95 % interval of the false-match rate at {@link #similarity}; null where it is unknown. */
    public final Double fmrHigh;
    /** Lower end of the 95 % interval of the similarity at which the rate is {@link #fmr}; null likewise. */
    public final Double similarityLow;
    /** Its upper end. */
    public final Double similarityHigh;

    public Threshold(double fmr, double similarity, String detector, double fnmr, long impostorPairs, long genuinePairs,
            String dataset, Long people, Double fmrHigh, Double similarityLow, Double similarityHigh) {
        this.fmr = fmr;
        this.similarity = similarity;
        this.detector = detector;
        this.fnmr = fnmr;
        this.impostorPairs = impostorPairs;
        this.genuinePairs = genuinePairs;
        this.dataset = dataset;
        this.people = people;
        this.fmrHigh = fmrHigh;
        this.similarityLow = similarityLow;
        this.similarityHigh = similarityHigh;
    }
}
