package ghostface.edge;

/** Resampling as OpenCV computes it, so that networks see on a phone what they see in Python. */
public final class Pictures {
    private Pictures() {}

    /**
     * The picture at most {@code longest} pixels wide and high, by the mean over areas (OpenCV's {@code INTER_AREA});
     * the picture itself where it is no larger.
     */
    public static FaceImage shrunk(FaceImage image, int longest) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The square of {@code size} pixels that a transform cuts out of a picture, bilinearly, black beyond its border
     * (OpenCV's {@code warpAffine}).
     *
     * @param matrix photo to square, 6 numbers as {@link Alignment#similarityTransform} returns them
     */
    public static FaceImage warp(FaceImage image, double[] matrix, int size) {
        throw new UnsupportedOperationException("not written yet");
    }
}
