package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.errors.ThresholdException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** A card means in Java what it means in Python, and what Python refuses is refused in the same words. */
class ModelCardTest {
    private static final JsonObject GOLDEN = Golden.read("cards");
    private static final String TEXT = GOLDEN.get("card").getAsString();

    @Test
    void everyFieldOfAGoodCard() {
        for (JsonElement element : GOLDEN.getAsJsonArray("good")) {
            JsonObject expected = element.getAsJsonObject();
            ModelCard card = ModelCard.fromJson(expected.toString());
            assertEquals(expected.get("kind").getAsString(), card.kind);
            assertEquals(expected.get("model_id").getAsString(), card.modelId);
            assertEquals(expected.get("name").getAsString(), card.name);
            assertEquals(expected.get("architecture").getAsString(), card.architecture);
            assertEquals(expected.get("precision").getAsString(), card.precision);
            assertEquals(expected.get("converter").getAsString(), card.converter);
            assertEquals(expected.get("licence").getAsString(), card.licence);
            assertEquals(expected.get("alignment").getAsString(), card.alignment);
            assertEquals(expected.has("compute") ? expected.get("compute").getAsString() : "", card.compute);
            assertEquals(expected.get("embedding_size").getAsInt(), card.embeddingSize);
            JsonObject input = expected.getAsJsonObject("input");
            assertEquals(input.get("height").isJsonNull() ? null : input.get("height").getAsInt(), card.input.height);
            assertEquals(input.get("width").isJsonNull() ? null : input.get("width").getAsInt(), card.input.width);
            assertEquals(input.get("layout").getAsString(), card.input.layout);
            assertEquals(input.get("colour_order").getAsString(), card.input.colourOrder);
            assertEquals(input.get("mean").getAsDouble(), card.input.mean);
            assertEquals(input.get("scale").getAsDouble(), card.input.scale);
            JsonObject source = expected.getAsJsonObject("source");
            assertEquals(source.get("file").getAsString(), card.source.file);
            assertEquals(source.get("sha256").getAsString(), card.source.sha256);
            assertEquals(source.get("size").getAsLong(), card.source.size);
            assertEquals(card.kind.equals("embedder") ? 112 : 0, card.cropSize());
            assertThresholds(expected.getAsJsonArray("thresholds"), card.thresholds);
        }
    }

    private static void assertThresholds(JsonArray expected, List<Threshold> thresholds) {
        assertEquals(expected.size(), thresholds.size());
        for (int i = 0; i < thresholds.size(); i++) {
            JsonObject entry = expected.get(i).getAsJsonObject();
            Threshold threshold = thresholds.get(i);
            assertEquals(entry.get("fmr").getAsDouble(), threshold.fmr);
            assertEquals(entry.get("similarity").getAsDouble(), threshold.similarity);
            assertEquals(entry.get("detector").getAsString(), threshold.detector);
            assertEquals(entry.get("fnmr").getAsDouble(), threshold.fnmr);
            assertEquals(entry.get("impostor_pairs").getAsLong(), threshold.impostorPairs);
            assertEquals(entry.get("genuine_pairs").getAsLong(), threshold.genuinePairs);
            assertEquals(entry.get("dataset").getAsString(), threshold.dataset);
            assertEquals(entry.has("people") ? entry.get("people").getAsLong() : null, threshold.people);
            assertEquals(number(entry, "fmr_high"), threshold.fmrHigh);
            assertEquals(number(entry, "similarity_low"), threshold.similarityLow);
            assertEquals(number(entry, "similarity_high"), threshold.similarityHigh);
        }
    }

    private static Double number(JsonObject entry, String field) {
        return entry.has(field) ? entry.get(field).getAsDouble() : null;
    }

    @TestFactory
    List<DynamicTest> whatIsWrongWithACardIsSaidAsInPython() {
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonElement element : GOLDEN.getAsJsonArray("changes")) {
            JsonObject change = element.getAsJsonObject();
            String old = change.get("old").getAsString();
            int at = TEXT.indexOf(old);
            String text = TEXT.substring(0, at) + change.get("new").getAsString() + TEXT.substring(at + old.length());
            String changed = change.get("new").getAsString();
            String title = old + " -> " + changed.substring(0, Math.min(changed.length(), 40));
            tests.add(DynamicTest.dynamicTest(title, () -> assertFault(change, text)));
        }
        for (JsonElement element : GOLDEN.getAsJsonArray("whole")) {
            JsonObject whole = element.getAsJsonObject();
            String text = whole.get("text").getAsString();
            String title = "whole: " + text.substring(0, Math.min(text.length(), 40));
            tests.add(DynamicTest.dynamicTest(title, () -> assertFault(whole, text)));
        }
        return tests;
    }

    private static void assertFault(JsonObject expected, String text) {
        if (expected.has("fault")) {
            ModelCardException error = assertThrows(ModelCardException.class, () -> ModelCard.fromJson(text));
            assertBegins(expected.get("fault").getAsString(), error.getMessage());
        } else {
            ModelCard.fromJson(text);
        }
    }

    private static void assertBegins(String beginning, String message) {
        assertTrue(message.startsWith(beginning), () -> message + " does not begin with " + beginning);
    }

    /** Python's JSON has them, and its number of digits knows no end; either way such a card is none. */
    @Test
    void numbersThatAreNone() {
        for (String number : new String[] {"NaN", "Infinity", "-Infinity", "1e999", "9".repeat(5000)}) {
            String text = TEXT.replace("127.5", number);
            ModelCardException error = assertThrows(ModelCardException.class, () -> ModelCard.fromJson(text));
            assertBegins("the model card is not ", error.getMessage());
        }
    }

    @Test
    void thresholdsAreFoundByRateAndDetector() {
        ModelCard card = ModelCard.fromJson(TEXT);
        for (JsonElement element : GOLDEN.getAsJsonArray("thresholds")) {
            JsonObject asked = element.getAsJsonObject();
            double fmr = asked.get("fmr").getAsDouble();
            String detector = asked.get("detector").getAsString();
            if (asked.has("fault")) {
                ThresholdException error =
                        assertThrows(ThresholdException.class, () -> card.threshold(fmr, detector));
                assertEquals(asked.get("fault").getAsString(), error.getMessage());
            } else {
                assertEquals(asked.get("similarity").getAsDouble(), card.threshold(fmr, detector).similarity);
            }
        }
    }

    @Test
    void aCardWithoutThresholds() {
        JsonObject values = GOLDEN.getAsJsonArray("good").get(0).getAsJsonObject().deepCopy();
        values.add("thresholds", new JsonArray());
        ModelCard card = ModelCard.fromJson(values.toString());
        ThresholdException error = assertThrows(ThresholdException.class, () -> card.threshold(1e-3, "fixed"));
        assertEquals(GOLDEN.getAsJsonObject("without").get("fault").getAsString(), error.getMessage());
    }

    @Test
    void aSenselessRate() {
        ModelCard card = ModelCard.fromJson(TEXT);
        for (double fmr : new double[] {0, 1, 2, -0.1, Double.NaN, Double.POSITIVE_INFINITY}) {
            OptionException error = assertThrows(OptionException.class, () -> card.threshold(fmr, "fixed"));
            assertTrue(error.getMessage().endsWith(" is not a rate between 0 and 1"), error.getMessage());
        }
    }

    @Test
    void anIdentityIsTextThatAFileCanHold() {
        ModelIdentity identity = ModelCard.fromJson(TEXT).identity("yunet");
        assertEquals("ghost-modules-1", identity.modelId);
        assertEquals("float32", identity.precision);
        assertEquals("yunet", identity.detector);
        // JSON can hold half a character, UTF-8 cannot.
        ModelCard half = ModelCard.fromJson(TEXT.replace("\"ghost-modules-1\"", "\"\\ud800\""));
        assertThrows(OptionException.class, () -> half.identity("yunet"));
    }

    @Test
    void numbersAsInTheMessagesOfPython() {
        double[] values = {0, 1e-4, 1e-5, 1.5e-5, 0.1, 1, 123456, 1234567, 1e22, -0.25, 1.0 / 3, 0.0009999999};
        String[] expected = {"0", "0.0001", "1e-05", "1.5e-05", "0.1", "1", "123456", "1.23457e+06", "1e+22", "-0.25",
            "0.333333", "0.001"};
        for (int i = 0; i < values.length; i++) {
            assertEquals(expected[i], Text.general(values[i]));
        }
    }
}
