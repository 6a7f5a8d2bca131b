package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.OptionException;
import org.junit.jupiter.api.Test;

/** The similarity transform and the aligned crop, against those of Python. */
class AlignmentTest {
    private static final JsonObject GOLDEN = Golden.read("alignment");

    @Test
    void transforms() {
        for (JsonElement item : GOLDEN.getAsJsonArray("transforms")) {
            JsonObject expected = item.getAsJsonObject();
            Landmarks landmarks = new Landmarks(Golden.floats(expected.get("landmarks")));
            double[] matrix = Alignment.similarityTransform(landmarks);
            assertNear(Golden.numbers(expected.get("matrix")), matrix);
            assertNear(Golden.numbers(expected.get("inverse")), Alignment.inverse(matrix));
            double[] points = Golden.numbers(expected.get("landmarks"));
            assertNear(Golden.numbers(expected.get("mapped")), Alignment.mapped(points, matrix));
        }
    }

    @Test
    void landmarksOnTheTemplateStay() {
        double[] template = Alignment.arcfaceTemplate();
        float[] points = new float[template.length];
        for (int i = 0; i < points.length; i++) {
            points[i] = (float) template[i];
        }
        double[] matrix = Alignment.similarityTransform(new Landmarks(points));
        assertArrayEquals(new double[] {1, 0, 0, 0, 1, 0}, matrix, 1e-5);
    }

    @Test
    void crops() {
        JsonObject crops = GOLDEN.getAsJsonObject("crops");
        FaceImage image = Golden.picture(crops.get("picture"));
        for (JsonElement item : crops.getAsJsonArray("results")) {
            JsonObject result = item.getAsJsonObject();
            Landmarks landmarks = new Landmarks(Golden.floats(result.get("landmarks")));
            int size = result.get("size").getAsInt();
            FaceImage crop = Alignment.align(image, landmarks, size);
            PicturesTest.assertSamePixels(Golden.picture(result.get("picture")), crop);
            assertArrayEquals(
                    Alignment.align(image, landmarks, 112).pixels(), Alignment.align(image, landmarks).pixels());
        }
    }

    @Test
    void landmarksThatDefineNoCrop() {
        FaceImage image = FaceImage.ofRgb(new byte[3 * 80 * 70], 80, 70, "photo.jpg");
        for (JsonElement item : GOLDEN.getAsJsonArray("errors")) {
            JsonObject expected = item.getAsJsonObject();
            Landmarks landmarks = new Landmarks(Golden.floats(expected.get("landmarks")));
            String message = expected.get("message").getAsString();
            AlignmentException error =
                    assertThrows(AlignmentException.class, () -> Alignment.align(image, landmarks), message);
            assertEquals(message, error.getMessage());
        }
    }

    @Test
    void landmarksThatAreNoNumbers() {
        for (float strange : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            Landmarks landmarks = new Landmarks(38, 51, 73, 51, 56, 71, strange, 92, 70, 92);
            AlignmentException error =
                    assertThrows(AlignmentException.class, () -> Alignment.similarityTransform(landmarks));
            assertEquals("the landmarks hold NaN or infinity", error.getMessage());
        }
    }

    @Test
    void senselessSizes() {
        FaceImage image = FaceImage.ofRgb(new byte[3], 1, 1, "photo.jpg");
        Landmarks landmarks = new Landmarks(38, 51, 73, 51, 56, 71, 41, 92, 70, 92);
        for (int size : new int[] {0, -1, 4097}) {
            assertEquals(
                    "size=" + size + " is not a number of pixels: use 1 to 4096",
                    assertThrows(OptionException.class, () -> Alignment.align(image, landmarks, size)).getMessage());
        }
    }

    /** Within 1e-6 of the largest. */
    private static void assertNear(double[] expected, double[] found) {
        double largest = 1;
        for (double number : expected) {
            largest = Math.max(largest, Math.abs(number));
        }
        assertArrayEquals(expected, found, 1e-6 * largest);
    }
}
