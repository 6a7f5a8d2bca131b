package ghostface.edge;

/** One face as a detector reports it. */
public final class Detection {
    /** Extent of the face, pixels of the upright photo. */
    public final Box box;
    /** Confidence of the detector, 0 to 1. */
    public final float score;
    public final Landmarks landmarks;

    public Detection(Box box, float score, Landmarks landmarks) {
        this.box = box;
        this.score = score;
        this.landmarks = landmarks;
    }
}
