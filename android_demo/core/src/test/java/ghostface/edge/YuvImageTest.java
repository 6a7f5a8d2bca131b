package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.YuvImage.Plane;
import ghostface.edge.errors.ImageException;
import ghostface.edge.errors.OptionException;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

/** Camera frames of every layout, against a formula in NumPy. */
class YuvImageTest {
    @Test
    void everyLayoutRotationAndRectangle() {
        for (JsonElement item : Golden.read("camera").getAsJsonArray("frames")) {
            JsonObject frame = item.getAsJsonObject();
            double[] crop = Golden.numbers(frame.get("crop"));
            YuvImage image = new YuvImage(
                    frame.get("width").getAsInt(), frame.get("height").getAsInt(),
                    plane(frame.get("y")), plane(frame.get("u")), plane(frame.get("v")),
                    (int) crop[0], (int) crop[1], (int) crop[2], (int) crop[3]);
            for (JsonElement turned : frame.getAsJsonArray("results")) {
                JsonObject result = turned.getAsJsonObject();
                assertWithinOneLevel(
                        Golden.picture(result.get("picture")),
                        image.toRgb(result.get("rotation").getAsInt(), result.get("mirrored").getAsBoolean()));
            }
        }
    }

    @Test
    void everyColour() {
        // 256 x 256 chroma samples hold every pair; the luma varies with them.
        int size = 512;
        byte[] luma = new byte[size * size];
        byte[] us = new byte[size * size / 4];
        byte[] vs = new byte[size * size / 4];
        for (int place = 0; place < luma.length; place++) {
            luma[place] = (byte) (place * 31 + place / size * 7);
        }
        for (int place = 0; place < us.length; place++) {
            us[place] = (byte) (place % 256);
            vs[place] = (byte) (place / 256);
        }
        byte[] rgb = new YuvImage(
                        size, size, new Plane(ByteBuffer.wrap(luma), size, 1), new Plane(ByteBuffer.wrap(us), 256, 1),
                        new Plane(ByteBuffer.wrap(vs), 256, 1))
                .toRgb(0, false)
                .pixels();
        for (int place = 0; place < luma.length; place++) {
            int y = luma[place] & 255;
            double cb = place % size / 2 - 128;
            double cr = place / size / 2 - 128;
            assertEquals(clipped(y + 1.402 * cr), rgb[3 * place] & 255, 0.51);
            assertEquals(clipped(y - 0.344136 * cb - 0.714136 * cr), rgb[3 * place + 1] & 255, 0.51);
            assertEquals(clipped(y + 1.772 * cb), rgb[3 * place + 2] & 255, 0.51);
        }
    }

    @Test
    void theBuffersPositionIsNeitherReadNorMoved() {
        ByteBuffer luma = ByteBuffer.allocateDirect(4).put(new byte[] {10, 20, 30, 40});
        ByteBuffer chroma = ByteBuffer.allocateDirect(1).put((byte) 128);
        Plane grey = new Plane(chroma, 1, 1);
        byte[] rgb = new YuvImage(2, 2, new Plane(luma, 2, 1), grey, grey).toRgb(0, false).pixels();
        assertEquals(10, rgb[0]);
        assertEquals(40, rgb[11]);
        assertEquals(4, luma.position());
        assertEquals(1, chroma.position());
    }

    @Test
    void framesThatContradictThemselves() {
        Plane luma = new Plane(ByteBuffer.allocate(8 * 6), 8, 1);
        Plane chroma = new Plane(ByteBuffer.allocate(8 * 2 + 7), 8, 2);
        new YuvImage(8, 6, luma, chroma, chroma); // fits exactly
        assertMessage("plane U of 22 bytes, row stride 8, pixel stride 2 does not hold 4 x 3 samples",
                () -> new YuvImage(8, 6, luma, new Plane(ByteBuffer.allocate(22), 8, 2), chroma));
        assertMessage("plane Y of 48 bytes, row stride 8, pixel stride 1 does not hold 8 x 7 samples",
                () -> new YuvImage(8, 7, luma, chroma, chroma));
        assertMessage("plane V of 64 bytes, row stride 6, pixel stride 2 does not hold 4 x 3 samples",
                () -> new YuvImage(8, 6, luma, chroma, new Plane(ByteBuffer.allocate(64), 6, 2)));
        assertMessage("plane V of 64 bytes, row stride 8, pixel stride 0 does not hold 4 x 3 samples",
                () -> new YuvImage(8, 6, luma, chroma, new Plane(ByteBuffer.allocate(64), 8, 0)));
        int[][] rectangles = {{-1, 0, 8, 6}, {0, -1, 8, 6}, {0, 0, 9, 6}, {0, 0, 8, 7}, {4, 0, 4, 6}, {0, 5, 8, 5}};
        for (int[] at : rectangles) {
            assertMessage("is empty or leaves the frame of 8 x 6 pixels",
                    () -> new YuvImage(8, 6, luma, chroma, chroma, at[0], at[1], at[2], at[3]));
        }
        assertMessage("is empty or leaves the frame of 0 x 0 pixels",
                () -> new YuvImage(0, 0, luma, chroma, chroma));
        assertThrows(OptionException.class, () -> new YuvImage(8, 6, luma, chroma, chroma).toRgb(45, false));
    }

    private static void assertMessage(String end, org.junit.jupiter.api.function.Executable made) {
        String message = assertThrows(ImageException.class, made).getMessage();
        assertTrue(message.startsWith("camera frame: ") && message.endsWith(end), message);
    }

    private static double clipped(double value) {
        return Math.max(0, Math.min(255, value));
    }

    private static Plane plane(JsonElement element) {
        JsonObject plane = element.getAsJsonObject();
        byte[] bytes = Golden.unpacked(plane.get("bytes"));
        ByteBuffer buffer = ByteBuffer.allocateDirect(bytes.length); // as Android's
        buffer.put(bytes);
        return new Plane(buffer, plane.get("rowStride").getAsInt(), plane.get("pixelStride").getAsInt());
    }

    private static void assertWithinOneLevel(FaceImage expected, FaceImage found) {
        assertEquals(expected.width, found.width);
        assertEquals(expected.height, found.height);
        for (int place = 0; place < expected.pixels().length; place++) {
            assertEquals(expected.pixels()[place] & 255, found.pixels()[place] & 255, 1, "value " + place);
        }
    }
}
