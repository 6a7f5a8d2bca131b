package ghostface.edge;

import java.nio.ByteBuffer;

/**
 * A camera frame in Android's {@code YUV_420_888}: a plane of luma and two of chroma at half the width and height, each
 * with a stride of its own; BT.601, full range, as camera2 delivers it.
 */
public final class YuvImage {
    /** One plane, as {@code android.media.Image.Plane} has it. */
    public static final class Plane {
        final ByteBuffer buffer;
        final int rowStride;
        final int pixelStride;

        /** @param buffer samples from index 0 on, whatever its position; read during {@link YuvImage#toRgb} only */
        public Plane(ByteBuffer buffer, int rowStride, int pixelStride) {
            this.buffer = buffer;
            this.rowStride = rowStride;
            this.pixelStride = pixelStride;
        }
    }

    /**
     * A whole frame.
     *
     * @throws ghostface.edge.errors.ImageException the planes are too small for the size
     */
    public YuvImage(int width, int height, Plane y, Plane u, Plane v) {
        this(width, height, y, u, v, 0, 0, width, height);
    }

    /**
     * A frame of which a rectangle counts, as {@code Image.getCropRect()} gives it.
     *
     * @throws ghostface.edge.errors.ImageException the planes are too small, or the rectangle leaves the frame
     */
    public YuvImage(
            int width, int height, Plane y, Plane u, Plane v, int left, int top, int right, int bottom) {}

    /**
     * The frame as an upright RGB picture.
     *
     * @param rotation degrees clockwise that turn the frame upright: 0, 90, 180 or 270
     * @param mirrored whether left and right then change places, as in the preview of a front camera
     * @throws ghostface.edge.errors.OptionException another rotation
     */
    public FaceImage toRgb(int rotation, boolean mirrored) {
        throw new UnsupportedOperationException("not written yet");
    }
}
