package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.detection.View;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Resampling, against OpenCV's results and formulas. */
class PicturesTest {
    private static final JsonObject GOLDEN = Golden.read("pictures");

    @Test
    void aHalfIsTheMeanOfFour() {
        FaceImage image = noise(8, 5, 1);
        byte[] pixels = image.pixels();
        FaceImage half = Pictures.halved(image);
        assertEquals(4, half.width);
        assertEquals(2, half.height); // the fifth row is left out
        for (int place = 0; place < 24; place++) {
            int corner = place / 12 * 48 + place % 12 / 3 * 6 + place % 3;
            int sum = 0;
            for (int from : new int[] {corner, corner + 3, corner + 24, corner + 27}) {
                sum += pixels[from] & 255;
            }
            assertEquals((int) Math.floor(sum / 4.0 + 0.5), half.pixels()[place] & 255);
        }
    }

    @Test
    void interpolatingToTheSameSizeCopies() {
        FaceImage image = noise(7, 5, 4);
        assertArrayEquals(image.pixels(), Pictures.interpolated(image, 7, 5).pixels());
    }

    @Test
    void shrunkIsWhatAViewShows() {
        FaceImage image = noise(21, 34, 5);
        assertSame(image, Pictures.shrunk(image, 34));
        assertArrayEquals(new View(image).shrunk(10).pixels.pixels(), Pictures.shrunk(image, 10).pixels());
    }

    @Test
    void warpedPicturesAreThoseOfTheFormula() {
        JsonObject warped = GOLDEN.getAsJsonObject("warped");
        FaceImage image = Golden.picture(warped.get("picture"));
        for (JsonElement item : warped.getAsJsonArray("results")) {
            JsonObject result = item.getAsJsonObject();
            double[] matrix = Golden.numbers(result.get("matrix"));
            assertSamePixels(
                    Golden.picture(result.get("picture")), Pictures.warp(image, matrix, result.get("size").getAsInt()));
        }
    }

    @Test
    void theIdentityCopiesAndAHalfPixelIsTheMean() {
        FaceImage image = noise(9, 9, 2);
        assertArrayEquals(image.pixels(), Pictures.warp(image, new double[] {1, 0, 0, 0, 1, 0}, 9).pixels());
        byte[] moved = Pictures.warp(image, new double[] {1, 0, 0.5, 0, 1, 0}, 9).pixels();
        byte[] pixels = image.pixels();
        for (int place = 0; place < pixels.length; place++) {
            int here = pixels[place] & 255;
            int left = place % 27 < 3 ? 0 : pixels[place - 3] & 255; // black beyond the border
            assertEquals((int) Math.rint((here + left) / 2.0), moved[place] & 255);
        }
    }

    @Test
    void whatLiesFarAwayIsBlack() {
        FaceImage image = noise(9, 9, 3);
        for (double shift : new double[] {-10, 10, 1e9, -1e9, 1e15}) {
            for (byte value : Pictures.warp(image, new double[] {1, 0, shift, 0, 1, 0}, 9).pixels()) {
                assertEquals(0, value);
            }
        }
    }

    private static FaceImage noise(int width, int height, long seed) {
        byte[] pixels = new byte[3 * width * height];
        new Random(seed).nextBytes(pixels);
        return FaceImage.ofRgb(pixels, width, height, "noise");
    }

    /** Within one grey level everywhere, as the formulas promise; equal all but everywhere. */
    static void assertSamePixels(FaceImage expected, FaceImage found) {
        assertEquals(expected.width, found.width);
        assertEquals(expected.height, found.height);
        byte[] a = expected.pixels();
        byte[] b = found.pixels();
        int unequal = 0;
        for (int place = 0; place < a.length; place++) {
            int away = Math.abs((a[place] & 255) - (b[place] & 255));
            assertTrue(away <= 1, "pixel " + place / 3 + " differs by " + away + " grey levels");
            unequal += away;
        }
        assertTrue(unequal <= a.length / 1000, unequal + " of " + a.length + " values differ by one grey level");
    }
}
