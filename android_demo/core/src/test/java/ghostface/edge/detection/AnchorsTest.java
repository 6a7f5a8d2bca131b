package ghostface.edge.detection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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

    /** Those of the first picture, and those of the second one in another scale. */
    private static Anchors both() {
        double[] scale = Golden.numbers(GOLDEN.get("scale"));
        return Anchors.decode(grids(0), LEAST).and(Anchors.decode(grids(1), LEAST).rescaled(scale[0], scale[1]));
    }

    @Test
    void decodedAnchors() {
        Anchors anchors = both();
        assertEquals(GOLDEN.get("first").getAsInt(), Anchors.decode(grids(0), LEAST).count);
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

    /** The score, or the overlap, of the second anchor rises a little above what counts: 0.3, or an IoU of 0.4. */
    @Test
    void noAnchorComesIntoABlendWithAJump() {
        for (double[] second : new double[][] {{0.30001, 8}, {0.9, 4.001}}) {
            Tensor[] grids = empty();
            float[] values = grids[0].values;
            double[] scores = {0.8, second[0]};
            double[] heights = {10, second[1]};
            for (int cell = 0; cell < 2; cell++) { // boxes from (0, 0), 10 pixels wide
                double height = heights[cell];
                values[16 * cell] = values[16 * cell + 1] = (float) Math.log(scores[cell] / (1 - scores[cell]));
                values[16 * cell + 2] = (float) (5.0 / 8 - cell);
                values[16 * cell + 3] = (float) (height / 2 / 8);
                values[16 * cell + 4] = (float) Math.log(10.0 / 8);
                values[16 * cell + 5] = (float) Math.log(height / 8);
                for (int i = 6; i < 16; i++) {
                    values[16 * cell + i] = cell * (i % 2 == 0 ? 100 / 8f - cell : 100 / 8f); // (0, 0), (100, 100)
                }
            }
            Anchors anchors = Anchors.decode(grids, 0.3);
            assertEquals(2, anchors.count);
            assertEquals(second[1] / 10, anchors.overlap(0, 1), 1e-6);
            double weight = 0.5 * 0.6;
            double other = (second[0] - 0.3) * (second[1] / 10 - 0.4);
            for (float number : anchors.blended(0)) {
                assertEquals(100 * other / (weight + other), number, 1e-4);
                assertTrue(number > 0 && number < 0.03);
            }
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
        Anchors anchors = Anchors.decode(grids, 0.3);
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
        Anchors anchors = Anchors.decode(grids, 0.3);
        assertEquals(1, anchors.scores[0], 1e-6);
        assertEquals(2 * 4 * Math.exp(10), anchors.boxes[2] - anchors.boxes[0], 0.1);
    }

    @Test
    void nothingReachesTheFloor() {
        Anchors anchors = Anchors.decode(empty(), 0.3);
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

    /** Those of one of the two pictures. */
    private static Tensor[] grids(int picture) {
        Tensor[] grids = new Tensor[3];
        for (int i = 0; i < grids.length; i++) {
            double[] shape = Golden.numbers(GOLDEN.getAsJsonArray("shapes").get(i));
            float[] values = new float[(int) (shape[1] * shape[2] * shape[3])];
            ByteBuffer bytes = ByteBuffer.wrap(Golden.unpacked(GOLDEN.getAsJsonArray("grids").get(i)));
            bytes.position(4 * picture * values.length);
            bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
            grids[i] = new Tensor(values, 1, (int) shape[1], (int) shape[2], (int) shape[3]);
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
