package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import ghostface.edge.DatabaseException;
import ghostface.edge.Gallery;
import ghostface.edge.Match;
import ghostface.edge.ModelIdentity;
import ghostface.edge.Template;
import ghostface.edge.errors.GalleryException;
import ghostface.edge.errors.OptionException;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.zip.InflaterInputStream;
import org.junit.Assume;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** The gallery's promises on Android's own SQLite. */
@RunWith(RobolectricTestRunner.class)
public class AndroidDatabaseTest {
    private static final ModelIdentity MODEL = new ModelIdentity("golden-net", "float32", "yunet");

    @Rule
    public final TemporaryFolder temporary = new TemporaryFolder();

    private File file;

    @Before
    public void begin() throws Exception {
        file = new File(temporary.getRoot(), "people.db");
    }

    @Test
    public void whoWasRemovedLeavesNoByte() throws Exception {
        Template ada = noise(1);
        byte[] trace = trace(ada);
        try (Gallery gallery = open()) {
            gallery.enroll("Grace", noise(2));
            gallery.enroll("Ada Lovelace", ada);
            assertTrue("the test finds what is there", inFiles(trace) && inFiles("Ada Lovelace".getBytes()));
            gallery.remove("Ada Lovelace");
            assertFalse(inFiles(trace));
            assertFalse(inFiles("Ada Lovelace".getBytes()));
            assertTrue(gallery.contains("Grace"));
        }
        assertFalse(inFiles(trace));
    }

    @Test
    public void anEnrolmentIsAllOrNothing() {
        try (Gallery gallery = open()) {
            Template bad = new Template(new float[128], MODEL);
            assertThrows(OptionException.class, () -> gallery.enroll("Ada", noise(1), bad));
            assertEquals(0, gallery.size());
        }
    }

    @Test
    public void whatWasEnrolledIsThereAfterClosing() {
        try (Gallery gallery = open()) {
            gallery.enroll("Zoe\u0308", noise(1));
        }
        try (Gallery gallery = open()) {
            assertTrue(gallery.contains("Zo\u00eb"));
            assertEquals(1, gallery.search(noise(1), 1).get(0).similarity, 1e-6);
        }
    }

    @Test
    public void aFileOfPythonGivesWhatPythonFinds() throws Exception {
        File generated = new File("../golden/generated");
        File theirs = new File(generated, "gallery-python.db");
        Assume.assumeTrue(
                "SKIPPED: android_demo/golden/generated is absent: python android_demo/vectors makes it",
                theirs.exists());
        Files.copy(theirs.toPath(), file.toPath());
        JsonObject expected;
        try (Reader reader = new FileReader(new File(generated, "gallery-python.json"))) {
            expected = JsonParser.parseReader(reader).getAsJsonObject();
        }
        ByteBuffer probes = ByteBuffer.wrap(new InflaterInputStream(new ByteArrayInputStream(
                Base64.getDecoder().decode(expected.get("probes").getAsString()))).readAllBytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        int size = expected.get("size").getAsInt();
        int compared = 0;
        try (Gallery gallery = open()) {
            assertEquals(expected.getAsJsonArray("people").size(), gallery.people().size());
            for (JsonElement element : expected.getAsJsonArray("found")) {
                JsonObject search = element.getAsJsonObject();
                float[] probe = new float[size];
                probes.position(4 * size * search.get("probe").getAsInt());
                probes.asFloatBuffer().get(probe);
                JsonElement threshold = search.get("threshold");
                List<Match> found = gallery.search(
                        new Template(probe, MODEL), search.get("top_k").getAsInt(),
                        threshold.isJsonNull() ? null : threshold.getAsDouble());
                JsonArray matches = search.getAsJsonArray("matches");
                assertEquals(matches.size(), found.size());
                for (int i = 0; i < found.size(); i++) {
                    JsonArray match = matches.get(i).getAsJsonArray();
                    assertEquals(match.get(0).getAsString(), found.get(i).name);
                    assertEquals(match.get(2).getAsDouble(), found.get(i).similarity, 1e-6);
                    compared++;
                }
            }
        }
        assertTrue("something was compared", compared > 10);
    }

    @Test
    public void aFileThatIsNoDatabaseIsLeftAsItIs() throws Exception {
        byte[] text = "These are notes, and no database at all. ".repeat(100).getBytes(StandardCharsets.UTF_8);
        Files.write(file.toPath(), text);
        GalleryException error = assertThrows(GalleryException.class, this::open);
        assertTrue(error.getMessage(), error.getMessage().contains("not a gallery"));
        assertEquals(text.length, Files.readAllBytes(file.toPath()).length);
    }

    @Test
    public void afterClosingItSaysSo() {
        Gallery gallery = open();
        gallery.close();
        gallery.close();
        GalleryException error = assertThrows(GalleryException.class, gallery::people);
        assertTrue(error.getMessage(), error.getMessage().endsWith("the gallery is closed"));
    }

    @Test
    public void aBrokenTransactionChangesNothing() throws Exception {
        Files.createFile(file.toPath());
        try (ghostface.edge.Database database = AndroidDatabase.open(file.getPath())) {
            database.execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)");
            assertThrows(DatabaseException.class, () -> database.transaction(() -> {
                database.execute("INSERT INTO t VALUES (?, ?, ?)", 1L, "b", new byte[] {2});
                database.execute("INSERT INTO nowhere VALUES (1)");
                return null;
            }));
            database.execute("INSERT INTO t VALUES (?, ?, ?)", 3L, "d", new byte[] {4});
            database.query("SELECT a, b, c, NULL, 0.5 FROM t", row -> {
                assertEquals(3L, row[0]);
                assertEquals("d", row[1]);
                assertEquals(4, ((byte[]) row[2])[0]);
                assertEquals(null, row[3]);
                assertEquals(0.5, row[4]);
            });
            database.query("SELECT count(*) FROM t WHERE b = ?", row -> assertEquals(1L, row[0]), "d");
        }
    }

    /** SQLite then rolls back by itself, and a second time is an error that must not hide the first. */
    @Test
    public void aFullDiskIsToldAsSuchAndChangesNothing() throws Exception {
        Files.createFile(file.toPath());
        try (ghostface.edge.Database database = AndroidDatabase.open(file.getPath())) {
            database.execute("CREATE TABLE t (a BLOB)");
            database.query("PRAGMA max_page_count = 4", row -> {});
            DatabaseException error = assertThrows(DatabaseException.class, () -> database.transaction(() -> {
                database.execute("INSERT INTO t VALUES (?)", new byte[100]);
                database.execute("INSERT INTO t VALUES (?)", new byte[100_000]);
                return null;
            }));
            assertTrue(error.getMessage(), error.getMessage().contains("full"));
            database.query("SELECT count(*) FROM t", row -> assertEquals(0L, row[0]));
            database.transaction(() -> {
                database.execute("INSERT INTO t VALUES (?)", new byte[100]);
                return null;
            });
            database.query("SELECT count(*) FROM t", row -> assertEquals(1L, row[0]));
        }
    }

    private Gallery open() {
        return Gallery.open(file.getPath(), MODEL, AndroidDatabase::open);
    }

    private static Template noise(int seed) {
        Random random = new Random(seed);
        float[] embedding = new float[128];
        double square = 0;
        for (int i = 0; i < embedding.length; i++) {
            embedding[i] = (float) random.nextGaussian();
            square += embedding[i] * embedding[i];
        }
        for (int i = 0; i < embedding.length; i++) {
            embedding[i] /= (float) Math.sqrt(square);
        }
        return new Template(embedding, MODEL);
    }

    /** Bytes by which the file can be searched for a template. */
    private static byte[] trace(Template template) {
        ByteBuffer bytes = ByteBuffer.allocate(32).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(template.embedding(), 40, 8);
        return bytes.array();
    }

    /** Whether the file or its log holds some bytes. */
    private boolean inFiles(byte[] wanted) throws Exception {
        String text = new String(wanted, StandardCharsets.ISO_8859_1);
        for (File part : temporary.getRoot().listFiles()) {
            if (new String(Files.readAllBytes(part.toPath()), StandardCharsets.ISO_8859_1).contains(text)) {
                return true;
            }
        }
        return false;
    }
}
