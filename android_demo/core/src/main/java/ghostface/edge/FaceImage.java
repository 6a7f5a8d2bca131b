package ghostface.edge;

import ghostface.edge.errors.ImageException;

/**
 * An upright RGB picture: 3 bytes a pixel, red first, rows from the top.
 *
 * <p>A photo of 50 million pixels takes 150 MB, as much again while {@link #upright} turns it; the numbers that
 * {@link #ofArgb} takes are another 200 MB. Nothing else copies it. Decode such a photo at half its size or less, as
 * the app does: {@code YuNet} looks at 1280 pixels a side at most.
 */
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
     * A picture of packed pixels, as Android's {@code Bitmap.getPixels} gives them; what is transparent is laid on
     * white.
     *
     * @param argb width * height numbers: alpha, red, green, blue from the highest byte down, not premultiplied
     * @throws ImageException the numbers do not fit
     */
    public static FaceImage ofArgb(int[] argb, int width, int height, String source) {
        if (width < 1 || height < 1 || argb.length != (long) width * height || argb.length > Integer.MAX_VALUE / 3) {
            throw new ImageException(source + ": " + argb.length + " pixels are no picture of " + width + " x " + height
                    + " pixels");
        }
        byte[] rgb = new byte[3 * argb.length];
        int place = 0;
        for (int pixel : argb) {
            int alpha = pixel >>> 24;
            rgb[place++] = onWhite(pixel >> 16 & 255, alpha);
            rgb[place++] = onWhite(pixel >> 8 & 255, alpha);
            rgb[place++] = onWhite(pixel & 255, alpha);
        }
        return new FaceImage(rgb, width, height, source);
    }

    private static byte onWhite(int value, int alpha) {
        return (byte) (alpha == 255 ? value : (value * alpha + 255 * (255 - alpha) + 127) / 255);
    }

    /**
     * The picture turned upright.
     *
     * @param orientation as EXIF (2.32, tag 274) states it, 1 to 8; anything else counts as upright
     */
    public FaceImage upright(int orientation) {
        switch (orientation) {
            case 2:
                return turned(0, true);
            case 3:
                return turned(180, false);
            case 4:
                return turned(180, true);
            case 5:
                return turned(90, true);
            case 6:
                return turned(90, false);
            case 7:
                return turned(270, true);
            case 8:
                return turned(270, false);
            default:
                return this;
        }
    }

    private FaceImage turned(int rotation, boolean mirrored) {
        Turn turn = new Turn(width, height, rotation, mirrored);
        byte[] result = new byte[pixels.length];
        int from = 0;
        for (int y = 0; y < height; y++) {
            int to = 3 * (turn.start + y * turn.down);
            for (int x = 0; x < width; x++) {
                result[to] = pixels[from++];
                result[to + 1] = pixels[from++];
                result[to + 2] = pixels[from++];
                to += 3 * turn.across;
            }
        }
        return new FaceImage(result, turn.width, turn.height, source);
    }

    /** The bytes themselves, not a copy: not to be changed. */
    public byte[] pixels() {
        return pixels;
    }
}
