package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.errors.GalleryException;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.errors.UnknownPersonException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.logging.Logger;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The gallery on real SQLite files, and its searches against Python's. */
class GalleryTest {
    private static final ModelIdentity MODEL = new ModelIdentity("net-a", "float32", "yunet");
    private static final ModelIdentity OTHER = new ModelIdentity("net-b", "float32", "yunet");
    private static final int IMPATIENT = 50;

    @TempDir
    Path folder;

    private String path;

    @BeforeEach
    void chooseFile() {
        String odd = "people ?#%20";
        try {
            path = folder.resolve(odd + " é.db").toString();
        } catch (InvalidPathException error) {  // file names of the POSIX locale are ASCII
            path = folder.resolve(odd + ".db").toString();
        }
    }

    private Gallery open() {
        return Gallery.open(path, MODEL, JdbcDatabase::open);
    }

    private static Template unit(ModelIdentity model, double... values) {
        double square = 0;
        for (double value : values) {
            square += value * value;
        }
        float[] embedding = new float[values.length];
        for (int index = 0; index < values.length; index++) {
            embedding[index] = (float) (values[index] / Math.sqrt(square));
        }
        return new Template(embedding, model);
    }

    private static Template unit(double... values) {
        return unit(MODEL, values);
    }

    private static Template[] noise(int count, int size, long seed) {
        Random random = new Random(seed);
        Template[] templates = new Template[count];
        for (int row = 0; row < count; row++) {
            double[] values = new double[size];
            for (int index = 0; index < size; index++) {
                values[index] = random.nextGaussian();
            }
            templates[row] = unit(values);
        }
        return templates;
    }

    private static List<String> names(List<Match> matches) {
        List<String> names = new ArrayList<>();
        for (Match match : matches) {
            names.add(match.name);
        }
        return names;
    }

    /** Everything of a gallery that is on the disk, as Latin-1: one character a byte. */
    private String disk() throws IOException {
        StringBuilder text = new StringBuilder();
        for (String part : new String[] {"", "-wal", "-shm"}) {
            Path file = Path.of(path + part);
            if (Files.exists(file)) {
                text.append(new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1));
            }
        }
        return text.toString();
    }

    private void sql(String... statements) throws SQLException {
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + Path.of(path).toUri());
                Statement statement = connection.createStatement()) {
            for (String text : statements) {
                statement.execute(text);
            }
        }
    }

    /** Opens databases that tell of each question before they put it. */
    private static Database.Opener watched(Consumer<String> watcher) {
        return file -> {
            Database database = JdbcDatabase.open(file);
            return new Database() {
                @Override
                public void execute(String sql, Object... values) {
                    database.execute(sql, values);
                }

                @Override
                public void query(String sql, RowHandler rows, String... values) {
                    watcher.accept(sql);
                    database.query(sql, rows, values);
                }

                @Override
                public <T> T transaction(Supplier<T> work) {
                    return database.transaction(work);
                }

                @Override
                public void close() {
                    database.close();
                }
            };
        };
    }

    private static void assertMessage(String part, Throwable error) {
        assertTrue(error.getMessage().contains(part), () -> error.getMessage() + "\n  does not say: " + part);
    }

    @Nested
    class Python {
        @Test
        void namesAreCleanedAlike() {
            for (JsonElement element : Golden.read("gallery").getAsJsonArray("names")) {
                JsonObject expected = element.getAsJsonObject();
                String name = expected.get("name").getAsString();
                if (expected.has("clean")) {
                    assertEquals(expected.get("clean").getAsString(), Gallery.cleanName(name));
                } else {
                    OptionException error = assertThrows(OptionException.class, () -> Gallery.cleanName(name));
                    assertEquals(expected.get("error").getAsString(), error.getMessage());
                }
            }
        }

        @Test
        void searchesFindTheSame() throws IOException {
            for (JsonElement element : Golden.read("gallery").getAsJsonArray("searches")) {
                JsonObject search = element.getAsJsonObject();
                int size = search.get("size").getAsInt();
                try (Gallery gallery = open()) {
                    for (JsonElement person : search.getAsJsonArray("people")) {
                        JsonElement rows = person.getAsJsonObject().get("templates");
                        gallery.enroll(person.getAsJsonObject().get("name").getAsString(),
                                GalleryFiles.templates(rows, size, MODEL));
                    }
                    GalleryFiles.assertFinds(gallery, search);
                }
                Files.delete(Path.of(path));
            }
        }
    }

    @Nested
    class Enrolment {
        @Test
        void whatWasEnrolledIsThereAfterReopening() {
            Template[] faces = noise(3, 64, 0);
            try (Gallery gallery = open()) {
                gallery.enroll("ada", faces[0]);
                gallery.enroll("bob", faces[1], faces[2]);
            }
            try (Gallery gallery = open()) {
                List<Person> people = gallery.people();
                assertEquals(2, gallery.size());
                assertEquals("ada", people.get(0).name);
                assertEquals(2, people.get(1).templates);
                assertTrue(gallery.contains("ada"));
                assertFalse(gallery.contains("eve"));
                assertFalse(gallery.contains(" "));
                assertEquals(List.of("bob"), names(gallery.search(faces[2], 1)));
                assertEquals(path, gallery.path);
            }
        }

        @Test
        void thePersonComesBack() throws InterruptedException {
            Instant before = Instant.now();
            try (Gallery gallery = open()) {
                Person person = gallery.enroll("ada", unit(1, 0), unit(0, 1));
                assertEquals(2, person.templates);
                assertEquals(person.enrolledAt, person.updatedAt);
                assertTrue(person.enrolledAt.matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z"));
                Instant enrolled = Instant.parse(person.enrolledAt);
                assertFalse(enrolled.isBefore(before.minusMillis(1)) || enrolled.isAfter(Instant.now()));
                Thread.sleep(2);
                Person later = gallery.enroll("ada", unit(1, 1));
                assertEquals(3, later.templates);
                assertEquals(person.enrolledAt, later.enrolledAt);
                assertTrue(later.updatedAt.compareTo(person.updatedAt) > 0);
            }
        }

        @Test
        void nothingIsKeptOfAnEnrolmentThatFails() {
            try (Gallery gallery = open()) {
                for (Template bad : new Template[] {
                    unit(1, 0, 0), unit(OTHER, 1, 0), new Template(new float[] {2, 0}, MODEL), null}) {
                    assertThrows(GhostFaceException.class, () -> gallery.enroll("ada", unit(1, 0), bad));
                }
                assertEquals(List.of(), gallery.people());
                assertMessage("no face was given for 'ada'; enrol at least one",
                        assertThrows(OptionException.class, () -> gallery.enroll("ada")));
            }
        }

        @Test
        void anotherSizeThanTheGallerys() {
            try (Gallery gallery = open()) {
                gallery.enroll("ada", unit(1, 0));
                String words = "an embedding of 3 numbers does not compare with others of 2, although both name one "
                        + "model";
                assertEquals(words, assertThrows(
                        ModelMismatchException.class, () -> gallery.enroll("bob", unit(1, 0, 0))).getMessage());
                assertEquals(words, assertThrows(
                        ModelMismatchException.class, () -> gallery.search(unit(1, 0, 0), 1)).getMessage());
                assertEquals(1, gallery.size());
            }
        }

        @Test
        void senselessEmbeddings() {
            float nan = Float.NaN;
            float infinity = Float.POSITIVE_INFINITY;
            try (Gallery gallery = open()) {
                for (float[] values : new float[][] {
                    {0, 0}, {2, 0}, {0.999f, 0}, {nan, 1}, {infinity, 0}, {1e30f, 1e30f}, {}}) {
                    Template bad = new Template(values, MODEL);
                    assertMessage("length 1",
                            assertThrows(OptionException.class, () -> gallery.enroll("ada", bad)));
                    assertMessage("length 1", assertThrows(OptionException.class, () -> gallery.search(bad, 1)));
                }
            }
        }

        @Test
        void senselessNamesBeyondJson() {
            for (String name : new String[] {null, "a\ud800", "\udc00\ud800"}) {
                assertMessage("name", assertThrows(OptionException.class, () -> Gallery.cleanName(name)));
            }
            assertMessage("'a\\ud800'", assertThrows(OptionException.class, () -> Gallery.cleanName("a\ud800")));
        }

        @Test
        void twoSpellingsOfOneNameAreOnePerson() {
            try (Gallery gallery = open()) {
                gallery.enroll("Zoe\u0308", unit(1, 0));
                assertEquals(2, gallery.enroll("Zo\u00eb", unit(1, 0)).templates);
                assertTrue(gallery.contains("Zoe\u0308"));
                gallery.remove("Zoe\u0308");
                assertEquals(0, gallery.size());
            }
        }
    }

    @Nested
    class Search {
        @Test
        void anEmptyGallery() {
            try (Gallery gallery = open()) {
                assertEquals(List.of(), gallery.search(unit(1, 0), 5));
            }
        }

        @Test
        void byHand() {
            try (Gallery gallery = open()) {
                gallery.enroll("ada", unit(0, 1), unit(3, 4), unit(3, 4)); // 0 and 0.6, of which the first counts
                gallery.enroll("bob", unit(4, 3)); // 0.8
                gallery.enroll("eve", unit(-1, 0)); // -1
                List<Match> found = gallery.search(unit(1, 0), 5, 0.6);
                assertEquals(List.of("bob", "ada", "eve"), names(found));
                long[] ids = {4, 2, 5};
                double[] similarities = {0.8, 0.6, -1};
                for (int place = 0; place < 3; place++) {
                    Match match = found.get(place);
                    assertEquals(ids[place], match.templateId);
                    assertEquals(similarities[place], match.similarity, 1e-7);
                    assertEquals(match.similarity >= 0.6, match.match);
                    assertNull(gallery.search(unit(1, 0), 5).get(place).match);
                }
                assertTrue(gallery.search(unit(0, 1), 1, 1.0).get(0).match); // inclusive
            }
        }

        @Test
        void theSimilarityIsTheOneOfAComparison() {
            Template[] crowd = noise(300, 512, 1);
            try (Gallery gallery = open()) {
                gallery.enroll("crowd", crowd);
                for (Template probe : noise(10, 512, 2)) {
                    Match match = gallery.search(probe, 1).get(0);
                    double best = -2;
                    for (Template template : crowd) {
                        best = Math.max(best, Matching.similarity(template, probe));
                    }
                    assertEquals(best, match.similarity, 0);
                    assertEquals(best, Matching.similarity(crowd[(int) match.templateId - 1], probe), 0);
                }
            }
        }

        @Test
        void senselessArguments() {
            try (Gallery gallery = open()) {
                assertEquals("top_k 0 is not a positive whole number",
                        assertThrows(OptionException.class, () -> gallery.search(unit(1, 0), 0)).getMessage());
                for (double threshold : new double[] {1.5, -1.5, Double.NaN}) {
                    assertMessage("threshold",
                            assertThrows(OptionException.class, () -> gallery.search(unit(1, 0), 1, threshold)));
                }
                assertThrows(OptionException.class, () -> gallery.search(null, 1));
            }
        }

        @Test
        void searchesSeeEveryWrite() {
            try (Gallery one = open(); Gallery two = open()) {
                assertEquals(List.of(), two.search(unit(1, 0), 5));
                one.enroll("ada", unit(1, 0));
                assertEquals(List.of("ada"), names(one.search(unit(1, 0), 5)));
                assertEquals(List.of("ada"), names(two.search(unit(1, 0), 5)));
                two.enroll("bob", unit(0, 1));
                assertEquals(List.of("ada", "bob"), names(one.search(unit(1, 0), 5)));
                one.remove("ada");
                assertEquals(List.of("bob"), names(two.search(unit(1, 0), 5)));
                assertEquals(List.of("bob"), names(one.search(unit(1, 0), 5)));
            }
        }

        @Test
        void nothingIsReadAgainWithoutAWrite() {
            int[] reads = {0};
            Database.Opener counting = watched(sql -> reads[0] += sql.contains("embedding") ? 1 : 0);
            try (Gallery gallery = Gallery.open(path, MODEL, counting)) {
                gallery.enroll("ada", noise(10, 64, 0));
                gallery.search(noise(1, 64, 1)[0], 1);
                int before = reads[0];
                assertTrue(before > 0);
                gallery.search(noise(1, 64, 2)[0], 1);
                gallery.people();
                assertEquals(before, reads[0]);
            }
        }

        @Test
        void somebodyWritesWhileItIsRead() {
            boolean[] written = {false};
            try (Gallery other = open();
                    Gallery gallery = Gallery.open(path, MODEL, watched(sql -> {
                        if (sql.contains("ORDER BY person.name, template.id") && !written[0]) { // after the count
                            written[0] = true;
                            other.enroll("bob", unit(0, 1));
                        }
                    }))) {
                other.enroll("ada", unit(1, 0));
                assertEquals(List.of("ada", "bob"), names(gallery.search(unit(1, 0), 5)));
                assertTrue(written[0]);
            }
        }
    }

    @Nested
    class Removal {
        @Test
        void anUnknownPerson() {
            try (Gallery gallery = open()) {
                gallery.enroll("ada", unit(1, 0));
                assertEquals(path + ": nobody is called 'eve'. Nobody was removed", assertThrows(
                        UnknownPersonException.class, () -> gallery.remove("ada", "eve")).getMessage());
                assertTrue(gallery.contains("ada"));
                assertMessage("no name was given", assertThrows(OptionException.class, () -> gallery.remove()));
                gallery.remove("ada", "ada");
                assertEquals(0, gallery.size());
                gallery.enroll("bob", unit(1, 0));
                assertEquals(2, gallery.search(unit(1, 0), 1).get(0).templateId); // an id is never used twice
            }
        }

        @Test
        void noByteOfTheRemovedIsLeft() throws IOException {
            Template[] templates = noise(200, 128, 3);
            Random random = new Random(3);
            List<String> names = new ArrayList<>();
            String before;
            String whileOpen;
            try (Gallery gallery = open()) {
                for (int number = 0; number < 100; number++) { // pages are split all the time
                    int mixed = number * 77 % 100;
                    char[] tail = new char[random.nextInt(80)];
                    Arrays.fill(tail, 'x');
                    names.add(String.format("person-%03d-%s", mixed, new String(tail)));
                    gallery.enroll(names.get(number), templates[2 * number], templates[2 * number + 1]);
                }
                before = disk();
                gallery.remove(names.subList(30, 69).toArray(new String[0]));
                gallery.remove(names.get(69));
                whileOpen = disk();
            }
            for (String after : new String[] {whileOpen, disk()}) {
                for (int number = 0; number < 100; number++) {
                    boolean gone = number >= 30 && number < 70;
                    String bytes = GalleryFiles.latin(templates[2 * number]).substring(200, 232);
                    assertTrue(before.contains(names.get(number)) && before.contains(bytes));
                    assertEquals(!gone, after.contains(names.get(number)));
                    assertEquals(!gone, after.contains(bytes));
                }
            }
        }

        @Test
        void whileSomebodyReadsTheOldState() throws Exception {
            Template[] faces = noise(2, 64, 0);
            try (Gallery gallery = Gallery.open(path, MODEL, JdbcDatabase::open, IMPATIENT)) {
                gallery.enroll("ada", faces[0]);
                gallery.enroll("bob", faces[1]);
                Database reader = JdbcDatabase.open(path);
                reader.execute("BEGIN");
                reader.query("SELECT count(*) FROM person", row -> { });
                GalleryException error = assertThrows(GalleryException.class, () -> gallery.remove("ada"));
                assertMessage("the removal is done, but bytes of the removed are still", error);
                assertEquals(List.of("bob"), names(gallery.search(faces[0], 5)));
                assertTrue(disk().contains(GalleryFiles.latin(faces[0])));
                reader.close();
            }
            Gallery.open(path, null, JdbcDatabase::open).close();
            assertFalse(disk().contains(GalleryFiles.latin(faces[0])));
            assertFalse(disk().contains("ada"));
        }

        @Test
        void leftoversThatCannotBeErasedDoNotKeepTheGalleryShut() throws SQLException {
            try (Gallery gallery = open()) {
                gallery.enroll("bob", unit(1, 0));
            }
            sql("UPDATE gallery SET leftovers = 1");
            Database writer = JdbcDatabase.open(path);
            writer.execute("BEGIN IMMEDIATE");
            List<String> warnings = new ArrayList<>();
            Logger log = Logger.getLogger(Gallery.class.getName());
            log.setFilter(record -> {
                warnings.add(record.getMessage());
                return false;
            });
            try (Gallery gallery = Gallery.open(path, MODEL, JdbcDatabase::open, IMPATIENT)) {
                assertTrue(gallery.contains("bob"));
            } finally {
                log.setFilter(null);
            }
            assertEquals(1, warnings.size());
            assertTrue(warnings.get(0).contains("bytes of the removed are still in the file"), warnings.get(0));
            writer.close();
        }
    }

    @Nested
    class Models {
        @Test
        void anotherModelIsRefused() {
            try (Gallery gallery = open()) {
                for (Throwable error : new Throwable[] {
                    assertThrows(ModelMismatchException.class, () -> Gallery.open(path, OTHER, JdbcDatabase::open)),
                    assertThrows(ModelMismatchException.class, () -> gallery.enroll("ada", unit(OTHER, 1, 0))),
                    assertThrows(ModelMismatchException.class, () -> gallery.search(unit(OTHER, 1, 0), 1))}) {
                    assertEquals(path + " holds templates of model 'net-a', and this face is of 'net-b'. Embeddings of "
                            + "different models do not compare: use the gallery's model, or another gallery",
                            error.getMessage().replace("was opened with", "this face is of"));
                }
            }
        }

        @Test
        void anExistingGalleryOpensWithoutAModelAndWithAnotherPrecision() {
            open().close();
            for (ModelIdentity model : new ModelIdentity[] {null, new ModelIdentity("net-a", "int8", "scrfd")}) {
                try (Gallery gallery = Gallery.open(path, model, JdbcDatabase::open)) {
                    assertEquals("net-a", gallery.modelId);
                }
            }
        }

        @Test
        void aNewGalleryNeedsAModel() throws IOException {
            assertEquals(path + ": no such gallery. It is made when somebody is enrolled", assertThrows(
                    GalleryException.class, () -> Gallery.open(path, null, JdbcDatabase::open)).getMessage());
            assertFalse(Files.exists(Path.of(path)));
            Files.createFile(Path.of(path));
            assertMessage("not a gallery yet", assertThrows(
                    GalleryException.class, () -> Gallery.open(path, null, JdbcDatabase::open)));
            assertEquals(0, Files.size(Path.of(path)));
            open().close();
        }
    }

    @Nested
    class BadFiles {
        private GalleryException refused(String file) {
            assertThrows(GalleryException.class, () -> Gallery.open(file, null, JdbcDatabase::open));
            return assertThrows(GalleryException.class, () -> Gallery.open(file, MODEL, JdbcDatabase::open));
        }

        @Test
        void places() throws Exception {
            assertEquals(folder + ": not a file", refused(folder.toString()).getMessage());
            assertMessage("x.db: its folder does not exist", refused(folder.resolve("no/x.db").toString()));
            assertMessage("cannot be opened", refused("a\0.db"));
            assertMessage("/proc/people.db: ", refused("/proc/people.db"));
            Path pipe = folder.resolve("pipe.db");
            assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
            assertEquals(pipe + ": not a file", refused(pipe.toString()).getMessage());
        }

        @Test
        void aNewFileIsItsOwnersOnly() throws IOException {
            open().close();
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(Path.of(path))));
        }

        @Test
        void aTextFile() throws IOException {
            String diary = "Dear diary, ".repeat(100);
            Files.writeString(Path.of(path), diary);
            assertEquals(path + ": not a gallery. Name another file", refused(path).getMessage());
            assertEquals(diary, Files.readString(Path.of(path)));
        }

        @Test
        void theDatabaseOfAnotherProgramIsLeftAlone() throws Exception {
            sql("CREATE TABLE bookmark (url TEXT)");
            byte[] before = Files.readAllBytes(Path.of(path));
            assertEquals(path + ": an SQLite database, but not a gallery. Name another file",
                    refused(path).getMessage());
            assertArrayEquals(before, Files.readAllBytes(Path.of(path)));
            assertEquals(1, folder.toFile().list().length);
        }

        @Test
        void aNewerVersion() throws SQLException {
            open().close();
            sql("PRAGMA user_version = 2");
            assertEquals(path + ": a gallery of version 2, and this program knows version 1. Update ghostface-edge",
                    refused(path).getMessage());
        }

        @ParameterizedTest
        @CsvSource(delimiter = '|', value = {
            "DELETE FROM gallery | which model",
            "UPDATE gallery SET model_id = x'00' | which model",
            "UPDATE template SET embedding = x'0000' WHERE id = 1 | templates are of 2 to 8 bytes",
            "UPDATE template SET embedding = x'00000000ff' | not 1 numbers",
            "UPDATE template SET embedding = zeroblob(8) WHERE id = 1 | length 1",
            "UPDATE template SET embedding = x'0000c07f00000000' WHERE id = 1 | length 1",
            "UPDATE template SET embedding = 'abcdefgh' WHERE id = 1 | not 2 numbers",
            "UPDATE person SET name = x'616461' | not 2 numbers",
            "UPDATE template SET person_id = 99 WHERE id = 1 | 1 templates belong to nobody",
            "UPDATE template SET person_id = 99 | 2 templates belong to nobody",
            "DROP TABLE template | no such table",
        })
        void aSenselessContent(String damage, String words) throws SQLException {
            try (Gallery gallery = open()) {
                gallery.enroll("ada", unit(1, 0), unit(0, 1));
            }
            sql(damage);
            assertMessage(words, assertThrows(GalleryException.class, () -> {
                try (Gallery gallery = open()) {
                    gallery.search(unit(1, 0), 1);
                }
            }));
        }

        @ParameterizedTest
        @ValueSource(strings = {"NULL", "'text'", "12345678", "zeroblob(5)"})
        void aTemplateThatIsNoVector(String value) throws SQLException {
            try (Gallery gallery = open()) {
                gallery.enroll("ada", unit(1, 0));
            }
            sql("DROP TABLE template",
                    "CREATE TABLE template (id INTEGER PRIMARY KEY, person_id, embedding, precision, detector, "
                            + "enrolled_at)",
                    "INSERT INTO template VALUES (1, 1, " + value + ", '', '', '')");
            try (Gallery gallery = open()) {
                assertMessage("damaged",
                        assertThrows(GalleryException.class, () -> gallery.enroll("bob", unit(0, 1))));
                assertMessage("damaged",
                        assertThrows(GalleryException.class, () -> gallery.search(unit(0, 1), 1)));
                assertFalse(gallery.contains("bob"));
            }
        }

        @Test
        void manyDamagedFilesEndInOurErrorOrANormalResult() throws IOException {
            Template[] faces = noise(60, 64, 0);
            try (Gallery gallery = open()) {
                for (int number = 0; number < faces.length; number++) {
                    gallery.enroll("person " + number, faces[number]);
                }
            }
            byte[] sound = Files.readAllBytes(Path.of(path));
            Random random = new Random(5);
            int failed = 0;
            for (int round = 0; round < 200; round++) {
                byte[] data = sound.clone();
                for (int change = random.nextInt(5); change >= 0; change--) {
                    data[random.nextInt(random.nextBoolean() ? 100 : data.length)] = (byte) random.nextInt(256);
                }
                String victim = folder.resolve("victim" + round).toString();
                Files.write(Path.of(victim), random.nextInt(5) > 0 ? data
                        : Arrays.copyOf(data, random.nextInt(data.length)));
                try (Gallery gallery = Gallery.open(victim, null, JdbcDatabase::open)) {
                    gallery.search(faces[0], 5);
                    gallery.people();
                    gallery.enroll("new", faces[0]);
                } catch (GalleryException | ModelMismatchException error) {
                    failed++;
                }
            }
            assertTrue(failed > 30 && failed < 200, failed + " of 200"); // both outcomes are exercised
        }

        @Test
        void heldByAnotherProgram() {
            Gallery gallery = Gallery.open(path, MODEL, JdbcDatabase::open, IMPATIENT);
            Database writer = JdbcDatabase.open(path);
            writer.execute("BEGIN IMMEDIATE");
            assertEquals(path + ": another program has held the gallery for 10 s. Try again when it is done",
                    assertThrows(GalleryException.class, () -> gallery.enroll("ada", unit(1, 0))).getMessage());
            assertEquals(0, gallery.size()); // reading goes on
            writer.close();
            assertEquals(1, gallery.enroll("ada", unit(1, 0)).templates);
            gallery.close();
        }

        @Test
        void heldByAnotherProgramBeforeItIsAGallery() {
            Database writer = JdbcDatabase.open(path);
            writer.execute("BEGIN IMMEDIATE");
            assertMessage("another program has held the gallery", assertThrows(
                    GalleryException.class, () -> Gallery.open(path, MODEL, JdbcDatabase::open, IMPATIENT)));
            writer.close();
            open().close();
        }

        @Test
        void aFullDisk() {
            Database.Opener small = file -> {
                Database database = JdbcDatabase.open(file);
                database.query("PRAGMA max_page_count = 40", row -> { });
                return database;
            };
            try (Gallery gallery = Gallery.open(path, MODEL, small)) {
                gallery.enroll("ada", noise(10, 512, 0));
                assertEquals(path + ": the disk is full", assertThrows(
                        GalleryException.class, () -> gallery.enroll("bob", noise(100, 512, 1))).getMessage());
                assertFalse(gallery.contains("bob"));
                assertEquals(11, gallery.enroll("ada", noise(1, 512, 2)).templates);
            }
        }

        @Test
        void aClosedGallery() {
            Gallery gallery = open();
            gallery.close();
            gallery.close();
            for (Runnable use : new Runnable[] {
                gallery::people, gallery::size, () -> gallery.contains("ada"), () -> gallery.enroll("ada", unit(1, 0)),
                () -> gallery.search(unit(1, 0), 1), () -> gallery.remove("ada")}) {
                assertEquals(path + ": the gallery is closed",
                        assertThrows(GalleryException.class, use::run).getMessage());
            }
        }
    }

    @Nested
    class Concurrency {
        @Test
        void oneGalleryForManyThreads() throws Exception {
            Template[] faces = noise(40, 64, 0);
            ExecutorService pool = Executors.newFixedThreadPool(4);
            try (Gallery gallery = open()) {
                List<Future<?>> workers = new ArrayList<>();
                for (int worker = 0; worker < 4; worker++) {
                    int first = worker;
                    workers.add(pool.submit(() -> {
                        for (int number = first; number < faces.length; number += 4) {
                            gallery.enroll("p" + number, faces[number]);
                            assertEquals(List.of("p" + number), names(gallery.search(faces[number], 1)));
                            if (number % 10 == 0) {
                                gallery.remove("p" + number);
                            }
                        }
                    }));
                }
                for (Future<?> worker : workers) {
                    worker.get();
                }
                assertEquals(36, gallery.size());
            } finally {
                pool.shutdown();
            }
        }

        @Test
        void oneNewFileForManyGalleries() throws Exception {
            ExecutorService pool = Executors.newFixedThreadPool(6);
            try {
                List<Future<?>> workers = new ArrayList<>();
                for (int worker = 0; worker < 6; worker++) {
                    String name = "p" + worker;
                    workers.add(pool.submit(() -> {
                        try (Gallery gallery = open()) {
                            gallery.enroll(name, unit(1, 0));
                            gallery.enroll("shared", unit(0, 1));
                        }
                    }));
                }
                for (Future<?> worker : workers) {
                    worker.get();
                }
            } finally {
                pool.shutdown();
            }
            try (Gallery gallery = open()) {
                assertEquals(7, gallery.size());
                assertEquals(6, gallery.people().get(6).templates);
            }
        }
    }
}
