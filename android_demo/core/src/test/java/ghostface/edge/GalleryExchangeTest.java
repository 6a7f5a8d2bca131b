package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Test;

/** Gallery files that Python wrote, and files for Python to read: see {@code android_demo/vectors/gallery.py}. */
class GalleryExchangeTest {
    private static final ModelIdentity MODEL = new ModelIdentity("golden-net", "float32", "yunet");

    @Test
    void aFileOfPythonIsReadAndWritten() throws IOException {
        Path theirs = Golden.generated("gallery-python.db");
        JsonObject expected = Golden.parse(Golden.generated("gallery-python.json"));
        JsonObject removed = expected.getAsJsonObject("removed");
        int size = expected.get("size").getAsInt();
        Template[] erased = GalleryFiles.templates(removed.get("templates"), size, MODEL);
        assertErased(theirs, removed.getAsJsonArray("names"), erased);

        Path ours = Golden.GENERATED.resolve("gallery-java.db");
        Files.copy(theirs, ours, StandardCopyOption.REPLACE_EXISTING);
        try (Gallery gallery = Gallery.open(ours.toString(), MODEL, JdbcDatabase::open)) {
            assertEquals(expected.get("people"), people(gallery));
            GalleryFiles.assertFinds(gallery, expected);
            assertFalse(gallery.contains(removed.getAsJsonArray("names").get(0).getAsString()));

            Template[] probes = GalleryFiles.templates(expected.get("probes"), size, MODEL);
            String known = gallery.people().get(2).name;
            String gone = gallery.people().get(0).name;
            Template only = probes[0]; // of whom is removed: the first of the templates
            assertEquals(gone, gallery.search(only, 1).get(0).name);
            gallery.enroll(known, probes[3]);
            gallery.enroll("Jáva \uD83D\uDE80", probes[4],
                    new Template(probes[5].embedding(), new ModelIdentity("golden-net", "float16", "yunet")));
            gallery.enroll("removed by Java", probes[6]);
            gallery.remove(gone, "removed by Java");
            JsonArray names = new JsonArray();
            names.add(gone);
            names.add("removed by Java");
            writeExpectation(gallery, "gallery-java.json", expected, names, only);
        }
    }

    @Test
    void aNewFileForPython() throws IOException {
        JsonObject given = Golden.parse(Golden.generated("gallery-python.json"));
        Template[] probes = GalleryFiles.templates(given.get("probes"), given.get("size").getAsInt(), MODEL);
        Path ours = Golden.GENERATED.resolve("gallery-java-new.db");
        for (String part : new String[] {"", "-wal", "-shm"}) {
            Files.deleteIfExists(Golden.GENERATED.resolve("gallery-java-new.db" + part));
        }
        try (Gallery gallery = Gallery.open(ours.toString(), MODEL, JdbcDatabase::open)) {
            gallery.enroll("Zoe\u0308", probes[1], probes[2]);
            gallery.enroll("ｆｕｌｌ", probes[3], probes[2]);
            gallery.enroll("\uD83D\uDE80", probes[3]);
            gallery.enroll("\uD83D\uDE80 \uD83D\uDE80", probes[5]);
            gallery.enroll("removed by Java", probes[7]);
            gallery.remove("removed by Java");
            JsonArray names = new JsonArray();
            names.add("removed by Java");
            writeExpectation(gallery, "gallery-java-new.json", given, names, probes[7]);
        }
    }

    private static JsonArray people(Gallery gallery) {
        JsonArray people = new JsonArray();
        for (Person person : gallery.people()) {
            JsonObject values = new JsonObject();
            values.addProperty("name", person.name);
            values.addProperty("templates", person.templates);
            values.addProperty("enrolled_at", person.enrolledAt);
            values.addProperty("updated_at", person.updatedAt);
            people.add(values);
        }
        return people;
    }

    private static void writeExpectation(Gallery gallery, String file, JsonObject given, JsonArray names,
            Template removed) throws IOException {
        JsonObject expectation = new JsonObject();
        expectation.add("people", people(gallery));
        expectation.add("size", given.get("size"));
        expectation.add("probes", given.get("probes"));
        Template[] probes = GalleryFiles.templates(given.get("probes"), given.get("size").getAsInt(), MODEL);
        JsonArray searches = new JsonArray();
        for (JsonElement element : given.getAsJsonArray("found")) {
            JsonObject search = element.deepCopy().getAsJsonObject();
            search.add("matches", GalleryFiles.found(gallery, probes, search));
            searches.add(search);
        }
        expectation.add("found", searches);
        JsonObject erased = new JsonObject();
        erased.add("names", names);
        erased.addProperty("templates", GalleryFiles.packed(removed));
        expectation.add("removed", erased);
        Files.writeString(Golden.GENERATED.resolve(file), expectation.toString());
        assertErased(Path.of(gallery.path), names, removed);
    }

    private static void assertErased(Path file, JsonArray names, Template... templates) throws IOException {
        String disk = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        assertTrue(disk.length() > 4096);
        for (JsonElement name : names) {
            byte[] bytes = name.getAsString().getBytes(StandardCharsets.UTF_8);
            assertFalse(disk.contains(new String(bytes, StandardCharsets.ISO_8859_1)), name::toString);
        }
        for (Template template : templates) {
            assertFalse(disk.contains(GalleryFiles.latin(template).substring(0, 32)));
        }
    }
}
