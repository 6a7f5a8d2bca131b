package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelInputException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.OnnxSession;
import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Embeddings on the real runtime are those of Python's formulas. */
class EmbedderTest {
    private static final JsonObject GOLDEN = Golden.read("embedding");

    private static List<FaceImage> crops(JsonObject golden) {
        List<FaceImage> crops = new ArrayList<>();
        golden.getAsJsonArray("crops").forEach(picture -> crops.add(Golden.picture(picture)));
        return crops;
    }

    @Test
    void tensorsToTheLastBit() {
        for (JsonElement element : GOLDEN.getAsJsonArray("tensors")) {
            JsonObject golden = element.getAsJsonObject();
            ModelCard.InputSpec spec = ModelCard.fromJson(golden.get("card").getAsString()).input;
            for (boolean mirrored : new boolean[] {false, true}) {
                Tensor tensor = Embedder.inputTensor(crops(golden), spec, mirrored);
                boolean planes = spec.layout.equals("NCHW");
                assertArrayEquals(planes ? new int[] {2, 3, 4, 4} : new int[] {2, 4, 4, 3}, tensor.shape());
                float[] expected = new float[tensor.values.length];
                FloatBuffer packed = ByteBuffer.wrap(Golden.unpacked(golden.get(mirrored ? "mirrored" : "plain")))
                        .order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
                assertEquals(expected.length, packed.remaining());
                packed.get(expected);
                assertArrayEquals(expected, tensor.values, 0);
            }
        }
    }

    /** These networks compute without rounding, so even the integers leave no room. */
    @Test
    void embeddingsOfTheSmallNetworks() {
        List<FaceImage> crops = crops(GOLDEN);
        for (JsonElement element : GOLDEN.getAsJsonArray("networks")) {
            JsonObject network = element.getAsJsonObject();
            String name = network.get("name").getAsString();
            ModelFile file = ModelFile.of(Golden.unpacked(network.get("model")), name);
            try (Session session = new OnnxSession(file, 1)) {
                for (int batch = 1; batch <= 4; batch++) {
                    for (boolean flip : new boolean[] {false, true}) {
                        float[][] embeddings = new Embedder(session, flip, batch).embed(crops);
                        assertCosines(network.getAsJsonArray(flip ? "flip" : "plain"), embeddings, 1e-7);
                    }
                }
            }
        }
    }

    @Test
    void embeddingsOfNetworksOfFullSize() {
        JsonObject golden = Golden.parse(Golden.generated("embedding.json"));
        for (JsonElement element : golden.getAsJsonArray("networks")) {
            JsonObject network = element.getAsJsonObject();
            ModelFile file = ModelFile.read(Golden.generated(network.get("file").getAsString()).toFile());
            try (Session session = new OnnxSession(file, 1)) {
                double bound = file.card.precision.equals("int8") ? 1e-4 : 1e-5;
                assertCosines(network.getAsJsonArray("plain"), new Embedder(session).embed(crops(golden)), bound);
            }
        }
    }

    private static void assertCosines(JsonArray expected, float[][] embeddings, double bound) {
        assertEquals(expected.size(), embeddings.length);
        for (int row = 0; row < embeddings.length; row++) {
            float[] wanted = Golden.floats(expected.get(row));
            assertEquals(wanted.length, embeddings[row].length);
            double length = 0;
            double product = 0;
            for (int at = 0; at < wanted.length; at++) {
                length += (double) embeddings[row][at] * embeddings[row][at];
                product += (double) embeddings[row][at] * wanted[at];
            }
            assertEquals(1, Math.sqrt(length), 1e-6);
            assertTrue(product >= 1 - bound, "cosine 1 - " + (1 - product) + " of face " + row);
        }
    }

    @Test
    void noCropsNoEmbeddings() {
        assertEquals(0, new Embedder(new FixedSession(32, new float[0])).embed(Collections.emptyList()).length);
    }

    @Test
    void manyThreadsGetTheResultsOfOne() {
        ModelFile file = ModelFile.of(
                Golden.unpacked(GOLDEN.getAsJsonArray("networks").get(0).getAsJsonObject().get("model")), "m");
        List<FaceImage> crops = crops(GOLDEN);
        try (Session session = new OnnxSession(file, 2)) {
            Embedder embedder = new Embedder(session);
            float[][] alone = embedder.embed(crops);
            IntStream.range(0, 64).parallel().forEach(call -> {
                int which = call % crops.size();
                float[][] found = embedder.embed(Collections.singletonList(crops.get(which)));
                assertArrayEquals(alone[which], found[0], 1e-6f);
            });
        }
    }

    @Test
    void aCropOfAnotherSize() {
        FaceImage small = FaceImage.ofRgb(new byte[96 * 112 * 3], 96, 112, "crop");
        ModelInputException error = assertThrows(ModelInputException.class,
                () -> new Embedder(new FixedSession(32, new float[0])).embed(Collections.singletonList(small)));
        assertEquals("model 'ghost modules' takes crops of 112 x 112 pixels, got 96 x 112", error.getMessage());
    }

    @Test
    void outputsThatAreNoEmbeddings() {
        assertFault("model 'ghost modules' gave NaN or infinity", values(Float.NaN));
        assertFault("model 'ghost modules' gave NaN or infinity", values(Float.NEGATIVE_INFINITY));
        assertFault("model 'ghost modules' gave a zero vector, which has no direction to compare", values(0));
        assertFault("model 'ghost modules' gave a zero vector, which has no direction to compare", values(1e-8f));
        assertFault("model 'ghost modules' gave an output of shape (1, 31) for 1 faces, its card promises 32 numbers "
                + "per face", new float[31]);
    }

    private static float[] values(float value) {
        float[] values = new float[32];
        Arrays.fill(values, value);
        return values;
    }

    private static void assertFault(String message, float[] output) {
        FaceImage crop = FaceImage.ofRgb(new byte[112 * 112 * 3], 112, 112, "crop");
        Embedder embedder = new Embedder(new FixedSession(output.length, output));
        InferenceException error =
                assertThrows(InferenceException.class, () -> embedder.embed(Collections.singletonList(crop)));
        assertEquals(message, error.getMessage());
    }

    @Test
    void theLengthOfAnEmbeddingIsLostNotItsDirection() {
        FaceImage crop = FaceImage.ofRgb(new byte[112 * 112 * 3], 112, 112, "crop");
        float[] huge = new float[32];
        huge[0] = 3e30f;
        huge[1] = -4e30f; // their squares are no float32
        float[] found = new Embedder(new FixedSession(32, huge)).embed(Collections.singletonList(crop))[0];
        assertEquals(0.6, found[0], 1e-7);
        assertEquals(-0.8, found[1], 1e-7);
    }

    @Test
    void whatIsNoEmbedder() {
        Session detector = new FixedSession(0, new float[0]) {
            @Override
            public ModelCard card() {
                return ModelCard.fromJson(Golden.read("cards").getAsJsonArray("good").get(2).toString());
            }
        };
        ModelCardException error = assertThrows(ModelCardException.class, () -> new Embedder(detector));
        assertEquals("model 'né' is a detector, not an embedder", error.getMessage());
        OptionException none =
                assertThrows(OptionException.class, () -> new Embedder(new FixedSession(32, new float[0]), false, 0));
        assertEquals("batch=0 is not a number of crops: use 1 or more", none.getMessage());
    }
}
