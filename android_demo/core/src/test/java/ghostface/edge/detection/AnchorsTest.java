package ghostface.edge.detection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.Golden;
import ghostface.edge.runtime.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Decoding, suppression and blending, against those of Python. */
class AnchorsTest {
    private static final JsonObject GOLDEN = Golden.read("detection").getAsJsonObject("anchors");
    private static final double LEAST = GOLDEN.get("least").getAsDouble();
    private static final Tensor[] GRIDS = grids();

    /** Those of the first picture, and those of the second one in another scale. */
    private static Anchors both() {
        double[] scale = Golden.numbers(GOLDEN.get("scale"));
        return Anchors.decode(GRIDS, 0, LEAST).and(Anchors.decode(GRIDS, 1, LEAST).rescaled(scale[0], scale[1]));
    }

    @Test
    void decodedAnchors() {
        Anchors anchors = both();
        assertEquals(GOLDEN.get("first").getAsInt(), Anchors.decode(GRIDS, 0, LEAST).count);
        assertNear(Golden.floats(GOLDEN.get("scores")), Arrays.copyOf(anchors.scores, anchors.count));
        assertNear(Golden.floats(GOLDEN.get("boxes")), Arrays.copyOf(anchors.boxes, 4 * anchors.count));
        assertNear(Golden.floats(GOLDEN.get("landmarks")), Arrays.copyOf(anchors.landmarks, 10 * anchors.count));
    }

    @Test
    void nonMaximumSuppression() {
        for (JsonElement item : GOLDEN.getAsJsonArray("best")) {
            JsonObject best = item.getAsJsonObject();
            double[] indices = Golden.numbers(best.get("indices"));
            int[] found = both().best(best.get("least").getAsDouble(), best.get("overlap").getAsDouble());
            assertArrayEquals(indices, Arrays.stream(found).asDoubleStream().toArray(), best.toString());
        }
    }

    @Test
    void overlaps() {
        Anchors anchors = both();
        JsonArray expected = GOLDEN.getAsJsonArray("overlaps");
        for (int index = 0; index < expected.size(); index++) {
            float[] overlaps = Golden.floats(expected.get(index));
            assertEquals(overlaps.length, anchors.count);
            for (int other = 0; other < overlaps.length; other++) {
                assertEquals(overlaps[other], anchors.overlap(index, other), 1e-5);
            }
        }
    }

    @Test
    void blendedLandmarks() {
        JsonArray expected = GOLDEN.getAsJsonArray("blended");
        for (int index = 0; index < expected.size(); index++) {
            assertNear(Golden.floats(expected.get(index)), both().blended(index));
        }
    }

    @Test
    void boxesWithoutAreaOverlapNothing() {
        Tensor[] grids = empty();
        for (int cell = 0; cell < 2; cell++) {
            float[] values = grids[0].values;
            values[16 * cell] = values[16 * cell + 1] = 5;
            values[16 * cell + 2] = 1 - cell; // both at the same place
            values[16 * cell + 4] = values[16 * cell + 5] = -200;
            values[16 * cell + 6] = cell;
        }
        Anchors anchors = Anchors.decode(grids, 0, 0.3);
        assertEquals(2, anchors.count);
        assertEquals(0, anchors.overlap(0, 1));
        assertEquals(0, anchors.overlap(0, 0));
        assertArrayEquals(anchors.landmarks(0), anchors.blended(0));
        assertArrayEquals(new int[] {0, 1}, anchors.best(0.3, 0.3)); // equal scores keep their order
    }

    @Test
    void aHugeSideIsCutOff() {
        Tensor[] grids = empty();
        grids[0].values[0] = grids[0].values[1] = 30;
        grids[0].values[4] = grids[0].values[5] = 1e5f;
        Anchors anchors = Anchors.decode(grids, 0, 0.3);
        assertEquals(1, anchors.scores[0], 1e-6);
        assertEquals(2 * 4 * Math.exp(10), anchors.boxes[2] - anchors.boxes[0], 0.1);
    }

    @Test
    void nothingReachesTheFloor() {
        Anchors anchors = Anchors.decode(empty(), 0, 0.3);
        assertEquals(0, anchors.count);
        assertEquals(0, anchors.best(0.3, 0.3).length);
        assertEquals(0, anchors.detections().size());
    }

    /** Grids for a picture of 32 x 32 pixels that shows nothing. */
    private static Tensor[] empty() {
        Tensor[] grids = new Tensor[3];
        for (int i = 0; i < grids.length; i++) {
            int side = 32 / Anchors.STRIDES[i];
            float[] values = new float[side * side * 16];
            Arrays.fill(values, -9);
            grids[i] = new Tensor(values, 1, side, side, 16);
        }
        return grids;
    }

    private static Tensor[] grids() {
        Tensor[] grids = new Tensor[3];
        for (int i = 0; i < grids.length; i++) {
            ByteBuffer bytes = ByteBuffer.wrap(Golden.unpacked(GOLDEN.getAsJsonArray("grids").get(i)));
            float[] values = new float[bytes.capacity() / 4];
            bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
            double[] shape = Golden.numbers(GOLDEN.getAsJsonArray("shapes").get(i));
            grids[i] = new Tensor(values, (int) shape[0], (int) shape[1], (int) shape[2], (int) shape[3]);
        }
        return grids;
    }

    /** Within 1e-6 of the largest. */
    private static void assertNear(float[] expected, float[] found) {
        float largest = 1;
        for (float number : expected) {
            largest = Math.max(largest, Math.abs(number));
        }
        assertArrayEquals(expected, found, 1e-6f * largest);
    }
}
