package ghostface.edge;

import ghostface.edge.errors.GalleryException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.errors.UnknownPersonException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.text.Normalizer;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Supplier;
import java.util.logging.Logger;

/**
 * Who was enrolled: templates of people in one SQLite file, searched exactly. The format of the file, and what is
 * promised, are those of {@code ghostface_edge/gallery.py}: a file written there opens here, and the other way round.
 * Exports are left to Python.
 *
 * <p>One object may be used by several threads, and one file by several processes, each with an object of its own.
 */
public final class Gallery implements AutoCloseable {
    static final long APPLICATION_ID = 0x47464E45;
    static final long SCHEMA_VERSION = 1;
    static final int MAX_NAME = 200;
    static final int BUSY_SECONDS = 10;

    private static final Logger LOG = Logger.getLogger(Gallery.class.getName());

    private static final String[] SCHEMA = {
        "CREATE TABLE gallery (model_id TEXT NOT NULL, leftovers INTEGER NOT NULL DEFAULT 0)",
        "CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, enrolled_at TEXT NOT NULL, "
                + "updated_at TEXT NOT NULL)",
        "CREATE TABLE template (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                + "person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE, embedding BLOB NOT NULL, "
                + "precision TEXT NOT NULL, detector TEXT NOT NULL, enrolled_at TEXT NOT NULL)",
        "CREATE INDEX template_person ON template (person_id)",
    };
    private static final String[] SETTINGS = {
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
        "temp_store = MEMORY",  // VACUUM copies the gallery, and templates must not be left in a temporary folder
        "cell_size_check = ON",
    };

    // One statement, so that it is one state of the file, whatever other processes do.
    private static final String KIND = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
            + "FROM pragma_application_id, pragma_user_version";
    private static final String PEOPLE = "SELECT person.name, count(template.id), person.enrolled_at, "
            + "person.updated_at FROM person LEFT JOIN template ON template.person_id = person.id ";
    // CROSS JOIN keeps SQLite to this order of loops, in which the rows come sorted: a sort would copy every embedding.
    private static final String TEMPLATES = "SELECT name, template.id, embedding "
            + "FROM person CROSS JOIN template ON template.person_id = person.id ORDER BY person.name, template.id";
    private static final String SIZES = "SELECT count(*), min(length(embedding)), max(length(embedding)) FROM template";

    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'", Locale.ROOT).withZone(ZoneOffset.UTC);

    private static final double LENGTH_ERROR = 1e-5;  // embeddings are normalised in float32: within 1e-6

    /** Parts of SQLite's messages, and what to say in their place. */
    private static final String[][] ADVICE = {
        {"closed", "the gallery is closed"},
        {"locked", "another program has held the gallery for " + BUSY_SECONDS + " s. Try again when it is done"},
        {
            "readonly",
            "not writable. The file and its folder must be, because SQLite keeps its log beside the file",
        },
        {
            "unable to open",
            "cannot be opened. Its folder must be writable, because SQLite keeps its log beside the file",
        },
        {"not a database", "not a gallery. Name another file"},
        {"malformed", "damaged. Restore a copy of the file, or import an export into a new gallery"},
        {"full", "the disk is full"},
    };

    /** Absolute path of the file. */
    public final String path;
    /** The only model whose embeddings it takes. */
    public final String modelId;

    private final Database database;
    private final int patience;
    private final Object lock = new Object();
    private GalleryIndex index;

    /** A database becomes a gallery: settings, and the schema in an empty file. Another file is left as it is. */
    private Gallery(String path, ModelIdentity model, Database database, int patience) {
        this.path = path;
        this.database = database;
        this.patience = patience;
        pragma("busy_timeout = " + patience);
        boolean isNew = isNew();
        if (isNew && model == null) {
            throw new GalleryException(
                    path + ": an empty file, not a gallery yet. It becomes one when somebody is enrolled");
        }
        for (String setting : SETTINGS) {
            pragma(setting);
        }
        turnWalOn();
        if (isNew) {
            database.transaction(() -> {
                if (isNew()) {  // and no other process came first
                    create(model);
                }
                return null;
            });
        }
        List<Object[]> found = rows("SELECT model_id FROM gallery");
        if (found.size() != 1 || !(found.get(0)[0] instanceof String)) {
            throw new GalleryException(path + ": damaged: it does not say which model it belongs to");
        }
        modelId = (String) found.get(0)[0];
        if (model != null) {
            requireModel(model.modelId, "was opened with");
        }
    }

    /**
     * Open a gallery file, or create it.
     *
     * @param path   the file; its folder must exist and be writable
     * @param model  the model whose embeddings are to be kept: a new gallery is bound to its {@code modelId}. Null: an
     *               existing gallery opens as what it is
     * @param opener opens SQLite files, such as {@code JdbcDatabase::open}
     * @throws GalleryException       not a gallery, damaged, of a newer version, not writable, or held by another
     *                                program
     * @throws ModelMismatchException the gallery belongs to another model
     */
    public static Gallery open(String path, ModelIdentity model, Database.Opener opener) {
        return open(path, model, opener, 1000 * BUSY_SECONDS);
    }

    /** @param patience how long to wait for other programs, milliseconds */
    static Gallery open(String path, ModelIdentity model, Database.Opener opener, int patience) {
        String full = requireFile(path, model != null);
        return explained(full, () -> {
            Database database = opener.open(full);
            try {
                Gallery gallery = new Gallery(full, model, database, patience);
                gallery.finishRemoval();
                return gallery;
            } catch (RuntimeException | Error error) {
                database.close();
                throw error;
            }
        });
    }

    /** Close the file; closing twice does no harm. */
    @Override
    public void close() {
        run(() -> {
            database.close();
            index = null;
            return null;
        });
    }

    /** Number of people. */
    public int size() {
        return run(() -> (int) number(row("SELECT count(*) FROM person")[0]));
    }

    /** Whether somebody of this name is enrolled. */
    public boolean contains(String name) {
        String clean;
        try {
            clean = cleanName(name);
        } catch (OptionException error) {
            return false;
        }
        return run(() -> personId(clean) != null);
    }

    /** Everybody, sorted by name. */
    public List<Person> people() {
        return run(() -> people("GROUP BY person.id ORDER BY person.name"));
    }

    /**
     * Add templates to a person, who is created if new: all of them in one transaction, or none.
     *
     * @param name  who; 1 to 200 characters on one line, kept in Unicode form NFC
     * @param faces at least one; of a face, its {@link Face#template}
     * @return the person with all templates enrolled so far
     * @throws OptionException        a senseless name, no face, or an embedding that is not finite or not of length 1
     * @throws ModelMismatchException an embedding of another model
     * @throws GalleryException       the file cannot be written
     */
    public Person enroll(String name, Template... faces) {
        String clean = cleanName(name);
        if (faces.length == 0) {
            throw new OptionException("no face was given for " + Text.quoted(clean) + "; enrol at least one");
        }
        for (Template face : faces) {
            checked(face);
        }
        return write(() -> {
            add(clean, faces, TIME.format(Instant.now()));
            return people("WHERE person.name = ? GROUP BY person.id", clean).get(0);
        });
    }

    /**
     * Delete people and every byte of their templates; all of them, or none. The file is rewritten, so removing many
     * people in one call is much faster than one by one.
     *
     * @throws UnknownPersonException somebody is not in the gallery; nobody was removed
     * @throws GalleryException       the file cannot be written. Or another program is still reading: then the people
     *                                are removed, but their bytes are erased only when the gallery is opened next, or
     *                                somebody else is removed
     */
    public void remove(String... names) {
        Set<String> wanted = new LinkedHashSet<>();
        for (String name : names) {
            wanted.add(cleanName(name));
        }
        if (wanted.isEmpty()) {
            throw new OptionException("no name was given; name at least one person to remove");
        }
        synchronized (lock) {
            write(() -> {
                for (String name : wanted) {
                    Long person = personId(name);
                    if (person == null) {
                        throw new UnknownPersonException(
                                path + ": nobody is called " + Text.quoted(name) + ". Nobody was removed");
                    }
                    database.execute("DELETE FROM person WHERE id = ?", person);
                }
                database.execute("UPDATE gallery SET leftovers = 1");
                return null;
            });
            eraseLeftovers();
        }
    }

    /** {@link #search(Template, int, Double)} without a threshold. */
    public List<Match> search(Template face, int topK) {
        return search(face, topK, null);
    }

    /**
     * The people most like a face. Every template is compared; a person counts with the best of theirs.
     *
     * @param face      of a face, its {@link Face#template}
     * @param topK      most people to return
     * @param threshold fills {@code match} of the result; it hides nobody. Of a {@link Threshold}, its
     *                  {@code similarity}; null: no decision is asked for
     * @return sorted by similarity, best first; people of the same similarity by name. Empty for an empty gallery
     * @throws OptionException        {@code topK}, {@code threshold} or the embedding makes no sense
     * @throws ModelMismatchException the embedding is of another model
     * @throws GalleryException       the file cannot be read
     */
    public List<Match> search(Template face, int topK, Double threshold) {
        if (topK < 1) {
            throw new OptionException("top_k " + topK + " is not a positive whole number");
        }
        Double least = threshold == null ? null : Double.valueOf(Matching.cutoff(threshold));
        float[] query = checked(face);
        return currentIndex().search(query, topK, least);
    }

    /**
     * A person's name as galleries keep it, in Unicode form NFC.
     *
     * @throws OptionException not 1 to 200 characters on one line
     */
    public static String cleanName(String name) {
        if (name == null) {
            throw new OptionException("a name is text, not null");
        }
        String clean = Normalizer.normalize(name, Normalizer.Form.NFC);
        int[] letters = clean.codePoints().toArray();
        if (letters.length < 1 || letters.length > MAX_NAME) {
            throw new OptionException("a name has 1 to " + MAX_NAME + " characters, and this one " + letters.length);
        }
        boolean bad = isSpace(letters[0]) || isSpace(letters[letters.length - 1]);
        for (int letter : letters) {
            int category = Character.getType(letter);
            bad |= category == Character.CONTROL || category == Character.SURROGATE
                    || category == Character.LINE_SEPARATOR || category == Character.PARAGRAPH_SEPARATOR;
        }
        if (bad) {
            throw new OptionException(
                    "name " + Text.ascii(clean) + " has a control character, or a space at its start or end");
        }
        return clean;
    }

    private static boolean isSpace(int letter) {
        return Character.getType(letter) == Character.SPACE_SEPARATOR;
    }

    // ---------------------------------------------------------------------------------------------------------------
    // Opening

    /** The absolute path of a regular file, which is created, for its owner only, where there is none. */
    private static String requireFile(String name, boolean create) {
        Path file;
        try {
            file = Paths.get(name).toAbsolutePath().normalize();
        } catch (InvalidPathException error) {  // a NUL
            throw new GalleryException(Text.quoted(name) + ": cannot be opened: " + error.getReason(), error);
        }
        try {
            if (Files.exists(file) && !Files.isRegularFile(file)) {
                throw new GalleryException(file + ": not a file");
            }
            if (create) {
                Set<StandardOpenOption> options = EnumSet.of(
                        StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
                boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
                FileAttribute<?>[] owner = posix
                        ? new FileAttribute<?>[] {
                            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))}
                        : new FileAttribute<?>[0];
                Files.newByteChannel(file, options, owner).close();
            } else if (!Files.exists(file)) {
                throw new NoSuchFileException(file.toString());
            }
        } catch (NoSuchFileException error) {
            throw new GalleryException(file + ": " + (create ? "its folder does not exist"
                    : "no such gallery. It is made when somebody is enrolled"), error);
        } catch (AccessDeniedException error) {
            throw new GalleryException(file + ": cannot be opened: Permission denied", error);
        } catch (IOException error) {
            String reason = error instanceof FileSystemException ? ((FileSystemException) error).getReason() : null;
            throw new GalleryException(
                    file + ": cannot be opened: " + (reason == null ? error.getMessage() : reason), error);
        }
        return file.toString();
    }

    private void create(ModelIdentity model) {
        for (String statement : SCHEMA) {
            database.execute(statement);
        }
        pragma("application_id = " + APPLICATION_ID);
        pragma("user_version = " + SCHEMA_VERSION);
        database.execute("INSERT INTO gallery (model_id) VALUES (?)", model.modelId);
    }

    /** Switch the log; when two processes create one file, SQLite refuses this without waiting, so wait here. */
    private void turnWalOn() {
        long start = System.nanoTime();
        while (true) {
            try {
                pragma("journal_mode = WAL");
                return;
            } catch (DatabaseException error) {
                if (!error.getMessage().contains("locked") || waitedEnough(start)) {
                    throw error;
                }
            }
            sleep(5);
        }
    }

    private boolean isNew() {
        Object[] found = row(KIND);
        long application = number(found[0]);
        long version = number(found[1]);
        if (application == 0 && version == 0 && number(found[2]) == 0) {
            return true;
        }
        if (application != APPLICATION_ID) {
            throw new GalleryException(path + ": an SQLite database, but not a gallery. Name another file");
        }
        if (version != SCHEMA_VERSION) {
            throw new GalleryException(path + ": a gallery of version " + version + ", and this program knows version "
                    + SCHEMA_VERSION + ". Update ghostface-edge");
        }
        return false;
    }

    /** Erase what a removal that was cut short has left. */
    private void finishRemoval() {
        if (number(row("SELECT leftovers FROM gallery")[0]) != 0) {
            try {
                eraseLeftovers();
            } catch (GalleryException error) {
                LOG.warning(error.getMessage());
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------------
    // Checks

    private void requireModel(String other, String what) {
        if (!modelId.equals(other)) {
            throw new ModelMismatchException(path + " holds templates of model " + Text.quoted(modelId) + ", and "
                    + what + " " + Text.quoted(other) + ". Embeddings of different models do not compare: use the "
                    + "gallery's model, or another gallery");
        }
    }

    /** The embedding of a face, checked. */
    private float[] checked(Template face) {
        if (face == null) {
            throw new OptionException("a gallery takes faces or templates, not null");
        }
        requireModel(face.model.modelId, "this face is of");
        float[] embedding = face.embedding();
        if (!(Math.abs(Matching.dot(embedding, embedding) - 1) <= 2 * LENGTH_ERROR)) {
            throw new OptionException("the embedding is not one vector of finite numbers and length 1");
        }
        return embedding;
    }

    static void requireSize(int size, int wanted) {
        if (size != wanted) {
            throw new ModelMismatchException("an embedding of " + size + " numbers does not compare with others of "
                    + wanted + ", although both name one model");
        }
    }

    // ---------------------------------------------------------------------------------------------------------------
    // The file

    /** Do something alone, with SQLite's errors as ours. */
    private <T> T run(Supplier<T> work) {
        synchronized (lock) {
            return explained(path, work);
        }
    }

    private <T> T write(Supplier<T> work) {
        return run(() -> {
            T result = database.transaction(work);
            index = null;  // data_version tells of other connections' writes only
            return result;
        });
    }

    private static <T> T explained(String path, Supplier<T> work) {
        try {
            return work.get();
        } catch (DatabaseException error) {
            String text = error.getMessage();
            for (String[] advice : ADVICE) {
                if (text.contains(advice[0])) {
                    text = advice[1];
                    break;
                }
            }
            throw new GalleryException(path + ": " + text, error);
        }
    }

    private Long personId(String name) {
        List<Object[]> found = rows("SELECT id FROM person WHERE name = ?", name);
        return found.isEmpty() ? null : Long.valueOf(number(found.get(0)[0]));
    }

    private List<Person> people(String which, String... values) {
        List<Person> people = new ArrayList<>();
        for (Object[] row : rows(PEOPLE + which, values)) {
            people.add(new Person(text(row[0]), (int) number(row[1]), text(row[2]), text(row[3])));
        }
        return people;
    }

    private void add(String name, Template[] faces, String now) {
        List<Object[]> first = rows("SELECT embedding FROM template LIMIT 1");
        Object held = first.isEmpty() ? new byte[4 * faces[0].size()] : first.get(0)[0];
        if (!(held instanceof byte[]) || ((byte[]) held).length % 4 != 0) {
            throw new GalleryException(path + ": damaged: a template is not a vector of float32 numbers");
        }
        for (Template face : faces) {
            requireSize(face.size(), ((byte[]) held).length / 4);
        }
        Long person = personId(name);
        if (person == null) {
            database.execute("INSERT INTO person (name, enrolled_at, updated_at) VALUES (?, ?, ?)", name, now, now);
            person = personId(name);
        } else {
            database.execute("UPDATE person SET updated_at = ? WHERE id = ?", now, person);
        }
        for (Template face : faces) {
            ByteBuffer bytes = ByteBuffer.allocate(4 * face.size()).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(face.embedding());
            database.execute(
                    "INSERT INTO template (person_id, embedding, precision, detector, enrolled_at) "
                            + "VALUES (?, ?, ?, ?, ?)",
                    person, bytes.array(), face.model.precision, face.model.detector, now);
        }
    }

    /** Rewrite the file from what is live, and empty the log: zeroed cells alone leave copies from page splits. */
    private void eraseLeftovers() {
        synchronized (lock) {
            index = null;
            try {
                long start = System.nanoTime();
                database.execute("VACUUM");
                while (number(row("PRAGMA wal_checkpoint(TRUNCATE)")[0]) != 0) {
                    // SQLite waits for readers itself, but not for another program's checkpoint.
                    if (waitedEnough(start)) {
                        throw new DatabaseException("another program is reading the old state");
                    }
                    sleep(20);
                }
                database.execute("UPDATE gallery SET leftovers = 0");
            } catch (DatabaseException error) {
                throw new GalleryException(path + ": the removal is done, but bytes of the removed are still in the "
                        + "file or its log (" + error.getMessage() + "). They are erased when the gallery is opened "
                        + "next, or at the next removal", error);
            }
        }
    }

    /** The templates in memory, read again if somebody has written since. */
    private GalleryIndex currentIndex() {
        return run(() -> {
            long version = number(row("PRAGMA data_version")[0]);
            while (index == null || index.version != version) {
                index = null;  // not two matrices at once
                GalleryIndex.Reader reader = new GalleryIndex.Reader();
                Object[] sizes = row(SIZES);
                database.query(TEMPLATES, reader);
                long before = version;
                version = number(row("PRAGMA data_version")[0]);
                if (version == before) {  // else somebody wrote between the two questions: ask again
                    index = new GalleryIndex(path, version, reader, sizes);
                }
            }
            return index;
        });
    }

    private void pragma(String setting) {
        database.query("PRAGMA " + setting, values -> { });
    }

    private List<Object[]> rows(String sql, String... values) {
        List<Object[]> rows = new ArrayList<>();
        database.query(sql, rows::add, values);
        return rows;
    }

    private Object[] row(String sql) {
        return rows(sql).get(0);
    }

    static long number(Object value) {
        if (!(value instanceof Long)) {
            throw new DatabaseException("malformed: " + value + " is not a whole number");
        }
        return (Long) value;
    }

    private static String text(Object value) {
        if (!(value instanceof String)) {
            throw new DatabaseException("malformed: " + value + " is not text");
        }
        return (String) value;
    }

    private boolean waitedEnough(long startNanoseconds) {
        return System.nanoTime() - startNanoseconds > 1_000_000L * patience;
    }

    private static void sleep(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new DatabaseException(error);
        }
    }
}
