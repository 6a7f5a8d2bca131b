package ghostface.edge;

import ghostface.edge.errors.ImageException;
import java.nio.ByteBuffer;

/**
 * A camera frame in Android's {@code YUV_420_888}: a plane of luma and two of chroma at half the width and height (odd
 * sizes rounded up), each with strides of its own.
 *
 * <p>The colours are those of JFIF, which camera2 delivers: BT.601, full range. Each sample of chroma colours its
 * square of four pixels.
 */
public final class YuvImage {
    /** One plane, as {@code android.media.Image.Plane} has it. */
    public static final class Plane {
        final ByteBuffer buffer;
        final int rowStride;
        final int pixelStride;

        /**
         * @param buffer      the samples, from index 0 to the buffer's limit whatever its position; read in {@link
         *                    YuvImage#toRgb} only
         * @param rowStride   bytes from a sample to the one below
         * @param pixelStride bytes from a sample to the next
         */
        public Plane(ByteBuffer buffer, int rowStride, int pixelStride) {
            this.buffer = buffer;
            this.rowStride = rowStride;
            this.pixelStride = pixelStride;
        }
    }

    // The factors of JFIF 1.02, section 7 (ITU-R BT.601, full range), in 1/65536.
    private static final int RED_V = 91881; // 1.402
    private static final int GREEN_U = 22554; // 0.344136
    private static final int GREEN_V = 46802; // 0.714136
    private static final int BLUE_U = 116130; // 1.772
    private static final int HALF = 1 << 15;

    private final Plane y;
    private final Plane u;
    private final Plane v;
    private final int left;
    private final int top;
    private final int width;
    private final int height;

    /**
     * A whole frame.
     *
     * @throws ImageException the planes are too small for the size
     */
    public YuvImage(int width, int height, Plane y, Plane u, Plane v) {
        this(width, height, y, u, v, 0, 0, width, height);
    }

    /**
     * A frame of which a rectangle counts, as {@code Image.getCropRect()} gives it.
     *
     * @param right  one beyond the last column
     * @param bottom one beyond the last row
     * @throws ImageException the planes are too small for the size, or the rectangle is empty or leaves the frame
     */
    public YuvImage(
            int width, int height, Plane y, Plane u, Plane v, int left, int top, int right, int bottom) {
        if (left < 0 || top < 0 || right > width || bottom > height || left >= right || top >= bottom) {
            throw new ImageException("camera frame: the rectangle from (" + left + ", " + top + ") to (" + right + ", "
                    + bottom + ") is empty or leaves the frame of " + width + " x " + height + " pixels");
        }
        check("Y", y, width, height);
        check("U", u, half(width), half(height));
        check("V", v, half(width), half(height));
        this.y = y;
        this.u = u;
        this.v = v;
        this.left = left;
        this.top = top;
        this.width = right - left;
        this.height = bottom - top;
    }

    /** The last row may end with its last sample: Android's buffers hold no padding there. */
    private static void check(String name, Plane plane, int columns, int rows) {
        long row = (columns - 1L) * plane.pixelStride + 1;
        long bytes = (rows - 1L) * plane.rowStride + row;
        if (plane.pixelStride < 1 || plane.rowStride < row || plane.buffer.limit() < bytes) {
            throw new ImageException("camera frame: plane " + name + " of " + plane.buffer.limit()
                    + " bytes, row stride " + plane.rowStride + ", pixel stride " + plane.pixelStride
                    + " does not hold " + columns + " x " + rows + " samples");
        }
    }

    private static int half(int side) {
        return (side + 1) / 2;
    }

    /**
     * The frame as an upright RGB picture.
     *
     * @param rotation degrees clockwise that turn the frame upright: 0, 90, 180 or 270
     * @param mirrored whether left and right then change places, as in the preview of a front camera
     * @throws ghostface.edge.errors.OptionException another rotation
     */
    public FaceImage toRgb(int rotation, boolean mirrored) {
        Turn turn = new Turn(width, height, rotation, mirrored);
        byte[] rgb = new byte[3 * width * height];
        int firstChroma = left / 2;
        int chromaWidth = (left + width - 1) / 2 - firstChroma + 1;
        Row lumas = new Row(y, left, width);
        Row us = new Row(u, firstChroma, chromaWidth);
        Row vs = new Row(v, firstChroma, chromaWidth);
        // What a row of chroma adds to the luma of the two rows that it colours.
        int[] reds = new int[chromaWidth];
        int[] greens = new int[chromaWidth];
        int[] blues = new int[chromaWidth];
        int odd = left & 1;
        int step = 3 * turn.across;
        for (int row = 0; row < height; row++) {
            int line = top + row;
            if (row == 0 || (line & 1) == 0) {
                us.read(line / 2);
                vs.read(line / 2);
                for (int i = 0; i < chromaWidth; i++) {
                    int cb = (us.bytes[i * us.stride] & 255) - 128;
                    int cr = (vs.bytes[i * vs.stride] & 255) - 128;
                    reds[i] = RED_V * cr + HALF >> 16;
                    greens[i] = HALF - GREEN_U * cb - GREEN_V * cr >> 16;
                    blues[i] = BLUE_U * cb + HALF >> 16;
                }
            }
            lumas.read(line);
            byte[] luma = lumas.bytes;
            int lumaStep = lumas.stride;
            int place = 3 * (turn.start + row * turn.down);
            int from = 0;
            for (int x = odd; x < width + odd; x++, from += lumaStep, place += step) {
                int value = luma[from] & 255;
                int chroma = x >> 1;
                rgb[place] = clamped(value + reds[chroma]);
                rgb[place + 1] = clamped(value + greens[chroma]);
                rgb[place + 2] = clamped(value + blues[chroma]);
            }
        }
        return FaceImage.ofRgb(rgb, turn.width, turn.height, "camera frame");
    }

    private static byte clamped(int value) {
        return (byte) Math.max(0, Math.min(value, 255));
    }

    /** A part of one row at a time: single bytes of a direct buffer are slow to read. */
    private static final class Row {
        final byte[] bytes;
        final int stride;
        private final ByteBuffer buffer;
        private final int rowStride;
        private final int offset;

        Row(Plane plane, int first, int count) {
            stride = plane.pixelStride;
            rowStride = plane.rowStride;
            offset = first * stride;
            bytes = new byte[(count - 1) * stride + 1];
            buffer = plane.buffer.duplicate(); // a position of its own
        }

        void read(int row) {
            buffer.position(row * rowStride + offset);
            buffer.get(bytes);
        }
    }
}
