package ghostface.edge.detection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.Box;
import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.Golden;
import ghostface.edge.Landmarks;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.NoFaceException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The contract of detectors, their order, and the main face. */
class DetectionsTest {
    private static final Landmarks POINTS = new Landmarks(1, 1, 3, 1, 2, 2, 1, 3, 3, 3);

    @Test
    void theMainFaceIsThatOfPython() {
        for (JsonElement item : Golden.read("detection").getAsJsonArray("main")) {
            JsonObject photo = item.getAsJsonObject();
            List<Detection> found = new ArrayList<>();
            for (JsonElement box : photo.getAsJsonArray("boxes")) {
                float[] sides = Golden.floats(box);
                found.add(face(sides[0], sides[1], sides[2], sides[3]));
            }
            FaceImage image = blank(photo.get("width").getAsInt(), photo.get("height").getAsInt());
            assertSame(found.get(photo.get("main").getAsInt()), Detections.mainFace(image, found));
        }
    }

    @Test
    void theFirstOfEquals() {
        List<Detection> found = Arrays.asList(face(10, 10, 20, 20), face(10, 10, 20, 20));
        assertSame(found.get(0), Detections.mainFace(blank(50, 50), found));
        // In a corner, nothing of the area is left.
        List<Detection> corner = Arrays.asList(face(-5, -5, 5, 5), face(-50, -50, 0, 0));
        assertSame(corner.get(0), Detections.mainFace(blank(50, 50), corner));
    }

    @Test
    void noFace() {
        NoFaceException error = assertThrows(
                NoFaceException.class, () -> Detections.mainFace(blank(4, 3), Collections.emptyList()));
        assertEquals("no face found in photo.jpg (4 x 3 pixels)", error.getMessage());
    }

    @Test
    void theLargestComesFirst() {
        Detection small = face(0, 0, 5, 5);
        Detection large = face(0, 0, 50, 50);
        Detection middle = face(0, 0, 9, 9);
        Detection other = face(10, 10, 15, 15);
        assertEquals(
                Arrays.asList(large, middle, small, other), // equals keep their order
                Detections.checked(Arrays.asList(small, large, other, middle), "detector"));
    }

    @Test
    void brokenContracts() {
        float nan = Float.NaN;
        float infinity = Float.POSITIVE_INFINITY;
        List<Detection> broken = Arrays.asList(
                new Detection(new Box(0, 0, 9, 9), 0.9f, new Landmarks(1, 1, 3, 1, 2, nan, 1, 3, 3, 3)),
                new Detection(new Box(0, 0, 9, 9), 0.9f, new Landmarks(1, 1, 3, 1, 2, 2, 1, 3, 3, -infinity)),
                face(5, 0, 5, 9),
                face(0, 9, 9, 0),
                face(0, 0, infinity, 9),
                face(nan, 0, 9, 9),
                new Detection(new Box(0, 0, 9, 9), 1.1f, POINTS),
                new Detection(new Box(0, 0, 9, 9), -0.1f, POINTS),
                new Detection(new Box(0, 0, 9, 9), nan, POINTS));
        for (Detection item : broken) {
            String message = assertThrows(
                            DetectionException.class,
                            () -> Detections.checked(Collections.singletonList(item), "mine"))
                    .getMessage();
            assertTrue(message.startsWith("detector 'mine' returned "), message);
        }
    }

    private static Detection face(float x1, float y1, float x2, float y2) {
        return new Detection(new Box(x1, y1, x2, y2), 0.9f, POINTS);
    }

    private static FaceImage blank(int width, int height) {
        return FaceImage.ofRgb(new byte[3 * width * height], width, height, "photo.jpg");
    }
}
