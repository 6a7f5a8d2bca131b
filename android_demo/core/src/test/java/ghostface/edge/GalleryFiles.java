package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.zip.Deflater;

/** Templates and searches as {@code android_demo/vectors/gallery.py} writes and reads them. */
final class GalleryFiles {
    private GalleryFiles() {
    }

    /** Rows of packed float32 numbers. */
    static Template[] templates(JsonElement packed, int size, ModelIdentity model) {
        byte[] bytes = Golden.unpacked(packed);
        Template[] templates = new Template[bytes.length / (4 * size)];
        for (int row = 0; row < templates.length; row++) {
            float[] values = new float[size];
            ByteBuffer.wrap(bytes, 4 * size * row, 4 * size).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
            templates[row] = new Template(values, model);
        }
        return templates;
    }

    /** What {@link #templates} takes. */
    static String packed(Template... templates) {
        StringBuilder all = new StringBuilder();
        for (Template template : templates) {
            all.append(latin(template));
        }
        Deflater deflater = new Deflater();
        deflater.setInput(all.toString().getBytes(StandardCharsets.ISO_8859_1));
        deflater.finish();
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        byte[] buffer = new byte[8192];
        while (!deflater.finished()) {
            compressed.write(buffer, 0, deflater.deflate(buffer));
        }
        deflater.end();
        return Base64.getEncoder().encodeToString(compressed.toByteArray());
    }

    /** The bytes of a template in a gallery file, one character a byte. */
    static String latin(Template template) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * template.size()).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(template.embedding());
        return new String(bytes.array(), StandardCharsets.ISO_8859_1);
    }

    /**
     * Everybody whom Python finds, in its order, with its similarities: in double, with room for a NumPy that adds in
     * another order; MatchingTest leaves none.
     */
    static void assertFinds(Gallery gallery, JsonObject expected) {
        ModelIdentity model = new ModelIdentity(gallery.modelId, "float32", "yunet");
        Template[] probes = templates(expected.get("probes"), expected.get("size").getAsInt(), model);
        for (JsonElement element : expected.getAsJsonArray("found")) {
            JsonObject search = element.getAsJsonObject();
            JsonArray matches = search.getAsJsonArray("matches");
            JsonArray found = found(gallery, probes, search);
            assertEquals(matches.size(), found.size());
            for (int place = 0; place < matches.size(); place++) {
                JsonArray one = matches.get(place).getAsJsonArray();
                JsonArray other = found.get(place).getAsJsonArray();
                for (int column : new int[] {0, 1, 3}) {
                    assertEquals(one.get(column), other.get(column), () -> search.get("probe") + ": " + found);
                }
                assertEquals(one.get(2).getAsDouble(), other.get(2).getAsDouble(), 1e-14);
            }
        }
    }

    /** What a search finds, where {@code search} says which. */
    static JsonArray found(Gallery gallery, Template[] probes, JsonObject search) {
        JsonElement threshold = search.get("threshold");
        List<Match> matches = gallery.search(probes[search.get("probe").getAsInt()], search.get("top_k").getAsInt(),
                threshold.isJsonNull() ? null : Double.valueOf(threshold.getAsDouble()));
        JsonArray found = new JsonArray();
        for (Match match : matches) {
            JsonArray values = new JsonArray();
            values.add(match.name);
            values.add(match.templateId);
            values.add(match.similarity);
            values.add(match.match);
            found.add(values);
        }
        return found;
    }
}
