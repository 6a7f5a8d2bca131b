package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Similarities and decisions are those of Python. */
class MatchingTest {
    private static final JsonObject GOLDEN = Golden.read("matching");
    private static final ModelIdentity MODEL = new ModelIdentity("a", "float32", "yunet");

    private static List<Template> templates() {
        List<Template> templates = new ArrayList<>();
        for (JsonElement packed : GOLDEN.getAsJsonArray("templates")) {
            float[] embedding = new float[GOLDEN.get("size").getAsInt()];
            ByteBuffer.wrap(Golden.unpacked(packed)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(embedding);
            templates.add(new Template(embedding, MODEL));
        }
        return templates;
    }

    @Test
    void similaritiesInPairs() {
        List<Template> templates = templates();
        JsonArray rows = GOLDEN.getAsJsonArray("similarities");
        for (int a = 0; a < templates.size(); a++) {
            for (int b = 0; b < templates.size(); b++) {
                double expected = rows.get(a).getAsJsonArray().get(b).getAsDouble();
                assertEquals(expected, Matching.similarity(templates.get(a), templates.get(b))); // to the last bit
            }
            assertEquals(1.0, Matching.similarity(templates.get(a), templates.get(a))); // not a digit less
        }
    }

    @Test
    void anAngleByHand() {
        assertEquals(0.6, Matching.cosine(new float[] {1, 0}, new float[] {3, 4}), 1e-15);
        assertEquals(-0.6, Matching.cosine(new float[] {1, 0}, new float[] {-3, 4}), 1e-15);
        assertEquals(0, Matching.cosine(new float[] {1, 0}, new float[] {0, 2}));
    }

    @Test
    void decisionsAtTheLimit() {
        for (JsonElement element : GOLDEN.getAsJsonArray("decisions")) {
            JsonObject decision = element.getAsJsonObject();
            double similarity = decision.get("similarity").getAsDouble();
            double threshold = decision.get("threshold").getAsDouble();
            Verification result = Matching.decide(similarity, threshold);
            assertEquals(decision.get("match").getAsBoolean(), result.match);
            assertEquals(similarity, result.similarity);
            assertEquals(threshold, result.threshold);
            assertNull(result.fmr);
        }
    }

    @Test
    void aMeasuredThresholdStatesItsRate() {
        for (JsonElement element : GOLDEN.getAsJsonArray("measured")) {
            JsonObject decision = element.getAsJsonObject();
            Threshold threshold = new Threshold(decision.get("fmr").getAsDouble(),
                    decision.get("threshold").getAsDouble(), "yunet", 0.06, 1000, 200, "LFW", null, null, null, null);
            Verification result = Matching.decide(decision.get("similarity").getAsDouble(), threshold);
            assertEquals(decision.get("match").getAsBoolean(), result.match);
            assertEquals(decision.get("fmr").getAsDouble(), result.fmr);
        }
    }

    @Test
    void whatCannotBeCompared() {
        for (JsonElement element : GOLDEN.getAsJsonArray("errors")) {
            JsonObject pair = element.getAsJsonObject();
            GhostFaceException error = assertThrows(
                    GhostFaceException.class, () -> Matching.similarity(template(pair, "a"), template(pair, "b")));
            boolean mismatch = pair.get("error").getAsString().equals("ModelMismatchError");
            assertEquals(mismatch ? ModelMismatchException.class : OptionException.class, error.getClass());
            assertEquals(pair.get("message").getAsString(), error.getMessage());
        }
        Template good = new Template(new float[] {3, 4}, MODEL);
        for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            Template bad = new Template(new float[] {1, value}, MODEL);
            OptionException error = assertThrows(OptionException.class, () -> Matching.similarity(good, bad));
            assertEquals("an embedding of model 'a' is zero or not finite", error.getMessage());
        }
    }

    private static Template template(JsonObject pair, String side) {
        JsonObject template = pair.getAsJsonObject(side);
        return new Template(Golden.floats(template.get("embedding")),
                new ModelIdentity(template.get("model").getAsString(), "float32", ""));
    }

    @Test
    void aLimitThatIsNoSimilarity() {
        List<Double> limits = new ArrayList<>();
        for (JsonElement element : GOLDEN.getAsJsonArray("limits")) {
            limits.add(element.getAsJsonObject().get("threshold").getAsDouble());
        }
        limits.add(Double.NaN);
        for (double limit : limits) {
            OptionException error = assertThrows(OptionException.class, () -> Matching.decide(0.5, limit));
            assertTrue(error.getMessage().endsWith(" is not a similarity between -1 and 1"), error.getMessage());
        }
    }
}
