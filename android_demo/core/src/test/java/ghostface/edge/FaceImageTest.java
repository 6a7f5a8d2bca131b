package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.ImageException;
import org.junit.jupiter.api.Test;

/** Pictures from bytes and from packed pixels, turned upright as {@code Image.open} of Python does. */
class FaceImageTest {
    private static final JsonObject GOLDEN = Golden.read("pictures");

    @Test
    void exifOrientations() {
        JsonObject oriented = GOLDEN.getAsJsonObject("oriented");
        FaceImage image = Golden.picture(oriented.get("picture"));
        for (JsonElement item : oriented.getAsJsonArray("upright")) {
            FaceImage expected = Golden.picture(item.getAsJsonObject().get("picture"));
            FaceImage found = image.upright(item.getAsJsonObject().get("orientation").getAsInt());
            assertEquals(expected.width, found.width);
            assertArrayEquals(expected.pixels(), found.pixels());
        }
    }

    @Test
    void whatIsTransparentIsLaidOnWhite() {
        JsonObject transparent = GOLDEN.getAsJsonObject("transparent");
        FaceImage expected = Golden.picture(transparent.get("picture"));
        double[] numbers = Golden.numbers(transparent.get("argb"));
        int[] argb = new int[numbers.length];
        for (int i = 0; i < argb.length; i++) {
            argb[i] = (int) (long) numbers[i];
        }
        FaceImage found = FaceImage.ofArgb(argb, expected.width, expected.height, "bitmap");
        assertArrayEquals(expected.pixels(), found.pixels());
    }

    @Test
    void numbersThatDoNotFit() {
        ImageException error =
                assertThrows(ImageException.class, () -> FaceImage.ofRgb(new byte[11], 2, 2, "photo.jpg"));
        assertEquals("photo.jpg: 11 bytes are no RGB picture of 2 x 2 pixels", error.getMessage());
        error = assertThrows(ImageException.class, () -> FaceImage.ofArgb(new int[3], 2, 2, "bitmap"));
        assertEquals("bitmap: 3 pixels are no picture of 2 x 2 pixels", error.getMessage());
        assertThrows(ImageException.class, () -> FaceImage.ofRgb(new byte[0], 0, 5, "nothing"));
        assertThrows(ImageException.class, () -> FaceImage.ofRgb(new byte[6], -1, -2, "negative"));
        // 2^32 pixels are 0 in 32 bits
        assertThrows(ImageException.class, () -> FaceImage.ofArgb(new int[0], 65536, 65536, "overflow"));
    }
}
