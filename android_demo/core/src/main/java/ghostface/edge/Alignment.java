package ghostface.edge;

/** Five landmarks to the 112x112 ArcFace crop; see {@code ghostface_edge/alignment.py}. */
public final class Alignment {
    /** Side of the aligned crop in pixels. */
    public static final int CROP_SIZE = 112;

    private Alignment() {}

    /**
     * The similarity transform (rotation, uniform scale, translation) that maps the points of a face onto the ArcFace
     * template with the least squared error.
     *
     * @return 6 numbers a, b, x, c, d, y: a point (p, q) of the photo lies at (a p + b q + x, c p + d q + y) in the crop
     * @throws ghostface.edge.errors.AlignmentException points that are not finite, coincide, or lie on one line
     */
    public static double[] similarityTransform(Landmarks landmarks) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** The transform that undoes another. */
    public static double[] inverse(double[] matrix) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** Points (x and y in turn) after a transform. */
    public static double[] mapped(double[] points, double[] matrix) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** {@link #align(FaceImage, Landmarks, int)} to {@link #CROP_SIZE} pixels. */
    public static FaceImage align(FaceImage image, Landmarks landmarks) {
        return align(image, landmarks, CROP_SIZE);
    }

    /**
     * Warp a face to the ArcFace template, bilinearly; what lies beyond the photo is black.
     *
     * @param size side of the crop in pixels, 1 to 4096; the template is scaled with it
     * @return size x size pixels
     * @throws ghostface.edge.errors.AlignmentException as {@link #similarityTransform}, or the face lies wholly
     *                                                  outside the photo
     * @throws ghostface.edge.errors.OptionException    a size out of range
     */
    public static FaceImage align(FaceImage image, Landmarks landmarks, int size) {
        throw new UnsupportedOperationException("not written yet");
    }
}
