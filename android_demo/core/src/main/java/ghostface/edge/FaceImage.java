package ghostface.edge;

import ghostface.edge.errors.ImageException;

/** An upright RGB picture: 3 bytes a pixel, red first, rows from the top. */
public final class FaceImage {
    public final int width;
    public final int height;
    /** Where it came from, for messages. */
    public final String source;
    private final byte[] pixels;

    private FaceImage(byte[] pixels, int width, int height, String source) {
        this.pixels = pixels;
        this.width = width;
        this.height = height;
        this.source = source;
    }

    /**
     * A picture on bytes that the caller promises not to change: a camera frame is too large to copy for nothing.
     *
     * @param pixels width * height * 3 bytes: red, green, blue
     * @throws ImageException the numbers do not fit
     */
    public static FaceImage ofRgb(byte[] pixels, int width, int height, String source) {
        if (width < 1 || height < 1 || pixels.length != 3L * width * height) {
            throw new ImageException(source + ": " + pixels.length + " bytes are no RGB picture of " + width + " x "
                    + height + " pixels");
        }
        return new FaceImage(pixels, width, height, source);
    }

    /**
     * A picture of packed pixels, as Android's {@code Bitmap.getPixels} gives them; transparent parts are laid on white.
     *
     * @param argb width * height numbers: alpha, red, green, blue from the highest byte down, not premultiplied
     * @throws ImageException the numbers do not fit
     */
    public static FaceImage ofArgb(int[] argb, int width, int height, String source) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The picture turned upright.
     *
     * @param orientation of EXIF, 1 to 8; anything else counts as upright
     */
    public FaceImage upright(int orientation) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** The bytes themselves, not a copy: not to be changed. */
    public byte[] pixels() {
        return pixels;
    }
}
