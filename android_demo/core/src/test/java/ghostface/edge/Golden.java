package ghostface.edge;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Base64;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;
import org.junit.jupiter.api.Assumptions;

/** What {@code python android_demo/vectors} wrote: results of Python, or of a formula in NumPy, to compare with. */
public final class Golden {
    /** Files that the command makes and the repository does not hold. */
    public static final Path GENERATED = Paths.get("..", "golden", "generated");

    private Golden() {}

    /** {@code golden/NAME.json}. */
    public static JsonObject read(String name) {
        return parse(Paths.get("..", "golden", name + ".json"));
    }

    /** A file of {@link #GENERATED}; where it is absent the test is skipped. */
    public static Path generated(String file) {
        Path path = GENERATED.resolve(file);
        Assumptions.assumeTrue(
                Files.exists(path),
                "android_demo/golden/generated/" + file + " is absent: python android_demo/vectors makes it");
        return path;
    }

    public static JsonObject parse(Path path) {
        try (Reader reader = Files.newBufferedReader(path, StandardCharsets.UTF_8)) {
            return JsonParser.parseReader(reader).getAsJsonObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    /** A picture as {@code packing.picture} writes it. */
    public static FaceImage picture(JsonElement element) {
        JsonObject picture = element.getAsJsonObject();
        int width = picture.get("width").getAsInt();
        int height = picture.get("height").getAsInt();
        return FaceImage.ofRgb(unpacked(picture.get("zlib")), width, height, "golden picture");
    }

    /** Bytes as {@code packing.packed} writes them. */
    public static byte[] unpacked(JsonElement text) {
        Inflater inflater = new Inflater();
        inflater.setInput(Base64.getDecoder().decode(text.getAsString()));
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        byte[] buffer = new byte[8192];
        try {
            while (!inflater.finished()) {
                int count = inflater.inflate(buffer);
                if (count == 0 && !inflater.finished()) {
                    throw new IllegalStateException("cut short");
                }
                bytes.write(buffer, 0, count);
            }
        } catch (DataFormatException error) {
            throw new IllegalStateException(error);
        } finally {
            inflater.end();
        }
        return bytes.toByteArray();
    }

    /** All numbers of an array, however deeply nested, in order. */
    public static double[] numbers(JsonElement element) {
        if (!element.isJsonArray()) {
            return new double[] {element.getAsDouble()};
        }
        JsonArray array = element.getAsJsonArray();
        double[][] parts = new double[array.size()][];
        int count = 0;
        for (int i = 0; i < parts.length; i++) {
            parts[i] = numbers(array.get(i));
            count += parts[i].length;
        }
        double[] all = new double[count];
        int filled = 0;
        for (double[] part : parts) {
            System.arraycopy(part, 0, all, filled, part.length);
            filled += part.length;
        }
        return all;
    }

    /** The same as float32. */
    public static float[] floats(JsonElement element) {
        double[] numbers = numbers(element);
        float[] floats = new float[numbers.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) numbers[i];
        }
        return floats;
    }
}
