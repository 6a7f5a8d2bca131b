package ghostface.edge.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.Golden;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelException;
import ghostface.edge.errors.ModelFileException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Good, damaged and forged model files: a model, or one of our two errors, and the one that Python gives. */
class ModelFileTest {
    private static final JsonObject GOLDEN = Golden.read("files");
    private static final String[] FORMATS = {"onnx", "tflite"};

    private static final byte[] FILES = Golden.unpacked(GOLDEN.get("files"));
    private static final byte[] ONNX = Golden.unpacked(GOLDEN.get("onnx"));
    private static final byte[] TFLITE = Golden.unpacked(GOLDEN.get("tflite"));

    /** A file of the golden ones, which lie one behind the other. */
    static byte[] file(String what) {
        int start = 0;
        for (String list : new String[] {"made", "unfit"}) {
            for (JsonElement element : GOLDEN.getAsJsonArray(list)) {
                int end = start + element.getAsJsonObject().get("size").getAsInt();
                if (element.getAsJsonObject().get("what").getAsString().equals(what)) {
                    return Arrays.copyOfRange(FILES, start, end);
                }
                start = end;
            }
        }
        throw new IllegalArgumentException(what);
    }

    private static byte[] good(String format) {
        return (format.equals("onnx") ? ONNX : TFLITE).clone();
    }

    @Test
    void aGoodFile() {
        for (String format : FORMATS) {
            byte[] bytes = good(format);
            ModelFile file = ModelFile.of(bytes, "m");
            assertEquals(format, file.format);
            assertEquals("m", file.name);
            assertEquals("ghost-modules-1", file.card.modelId);
            assertEquals(hexadecimal(bytes), file.sha256);
            assertSame(bytes, file.bytes());
        }
    }

    @TestFactory
    List<DynamicTest> theErrorsOfPython() {
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonElement element : GOLDEN.getAsJsonArray("made")) {
            JsonObject made = element.getAsJsonObject();
            byte[] bytes = file(made.get("what").getAsString());
            tests.add(DynamicTest.dynamicTest(made.get("what").getAsString(), () -> {
                if (!made.has("error")) {
                    ModelFile.of(bytes, "m");
                    return;
                }
                ModelException error = assertThrows(ModelException.class, () -> ModelFile.of(bytes, "m"));
                assertEquals(made.get("error").getAsString(), pythonName(error));
                String expected = made.get("message").getAsString();
                assertTrue(error.getMessage().startsWith(expected), error.getMessage() + "\nis not\n" + expected);
            }));
        }
        return tests;
    }

    /** Only the parser stands between a forged file and the runtime: it takes and refuses what Python's does. */
    @TestFactory
    List<DynamicTest> forgedFilesAsInPython() {
        List<DynamicTest> tests = new ArrayList<>();
        for (String format : FORMATS) {
            byte[] original = good(format);
            int seal = GOLDEN.getAsJsonObject("seals").get(format).getAsInt();
            JsonObject forged = GOLDEN.getAsJsonObject("forged").getAsJsonObject(format);
            for (String expected : forged.keySet()) {
                for (JsonElement change : forged.getAsJsonArray(expected)) {
                    int at = change.getAsJsonArray().get(0).getAsInt();
                    String digits = change.getAsJsonArray().get(1).getAsString();
                    byte[] bytes = original.clone();
                    for (int i = 0; i < 4; i++) {
                        bytes[at + i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
                    }
                    tests.add(DynamicTest.dynamicTest(format + " " + at + " " + digits,
                            () -> assertEquals(expected, outcome(sealed(bytes, format, seal)))));
                }
            }
        }
        return tests;
    }

    @Test
    void everyTruncation() {
        for (String format : FORMATS) {
            byte[] bytes = good(format);
            for (int length = 0; length < bytes.length; length++) {
                byte[] cut = Arrays.copyOf(bytes, length);
                String outcome = outcome(cut);
                // An ONNX file cut before its card is a whole one without a card.
                assertTrue(outcome.equals("ModelFileError") || outcome.equals("ModelCardError"),
                        format + " cut to " + length + ": " + outcome);
            }
        }
    }

    @Test
    void damageAnywhere() {
        for (String format : FORMATS) {
            byte[] bytes = good(format);
            Random random = new Random(17);
            for (int mutant = 0; mutant < 3000; mutant++) {
                byte[] damaged = damaged(bytes, random, mutant % 3);
                String outcome = outcome(damaged);
                assertTrue(outcome.equals("ModelFileError") || outcome.equals("ModelCardError"),
                        format + " mutant " + mutant + ": " + outcome);
            }
        }
    }

    /** Damage under a new seal: whatever comes of it, nothing but a model or our two errors. */
    @Test
    void damageThatSomebodySealed() {
        for (String format : FORMATS) {
            byte[] bytes = good(format);
            int seal = GOLDEN.getAsJsonObject("seals").get(format).getAsInt();
            Random random = new Random(19);
            int read = 0;
            for (int mutant = 0; mutant < 4_000; mutant++) {
                byte[] damaged = damaged(bytes, random, 0);
                read += outcome(sealed(damaged, format, seal)).isEmpty() ? 1 : 0;
            }
            assertTrue(read > 400, "the damage never reaches what lies behind the seal: " + read);
        }
    }

    /** Flips of one to eight bytes, a cut of the end, or bytes inserted; never the file itself. */
    private static byte[] damaged(byte[] bytes, Random random, int how) {
        byte[] result;
        do {
            int at = random.nextInt(bytes.length);
            if (how == 0) {
                result = bytes.clone();
                for (int flips = random.nextInt(8); flips >= 0; flips--) {
                    result[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                }
            } else if (how == 1) {
                result = Arrays.copyOf(bytes, at);
            } else {
                byte[] more = new byte[1 + random.nextInt(8)];
                random.nextBytes(more);
                result = Arrays.copyOf(bytes, bytes.length + more.length);
                System.arraycopy(more, 0, result, at, more.length);
                System.arraycopy(bytes, at, result, at + more.length, bytes.length - at);
            }
        } while (Arrays.equals(result, bytes));
        return result;
    }

    /** Nothing, or the class of the error as Python calls it; anything else fails the test. */
    private static String outcome(byte[] bytes) {
        try {
            ModelFile.of(bytes, "m");
            return "";
        } catch (ModelFileException | ModelCardException error) {
            assertTrue(error.getMessage().contains("m"), error.getMessage());
            return pythonName(error);
        }
    }

    private static String pythonName(Exception error) {
        return error.getClass().getSimpleName().replace("Exception", "Error");
    }

    /** A changed file with a seal that fits, where the seal was. */
    private static byte[] sealed(byte[] bytes, String format, int seal) {
        byte[] result = bytes.clone();
        if (format.equals("tflite")) {
            Arrays.fill(result, seal, seal + 64, (byte) 0);
            byte[] digits = hexadecimal(result).getBytes(StandardCharsets.US_ASCII);
            System.arraycopy(digits, 0, result, seal, 64);
        } else {
            byte[] digits = hexadecimal(Arrays.copyOf(result, seal)).getBytes(StandardCharsets.US_ASCII);
            // The entry as the good file has it: its last 64 bytes are the digits.
            System.arraycopy(ONNX, seal, result, seal, result.length - seal);
            System.arraycopy(digits, 0, result, result.length - 64, 64);
        }
        return result;
    }

    private static String hexadecimal(byte[] bytes) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
            return String.format("%064x", new BigInteger(1, digest));
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }

    @Test
    void fromAFileAndFromAStream(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("model.tflite");
        Files.write(path, good("tflite"));
        ModelFile file = ModelFile.read(path.toFile());
        assertEquals("model.tflite", file.name);
        assertArrayEquals(good("tflite"), file.bytes());
        ModelFile asset = ModelFile.read(new ByteArrayInputStream(good("onnx")), "asset.onnx");
        assertEquals("asset.onnx", asset.name);
        assertArrayEquals(good("onnx"), asset.bytes());
    }

    @Test
    void whatIsNoModelFile(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("model.tflite");
        assertFault("no model file at " + path, path);
        assertFault("no model file at " + folder, folder);
        Files.createFile(path);
        assertFault("the model file model.tflite is empty", path);
        Files.write(path, "version https://git-lfs.github.com/spec/v1\noid".getBytes(StandardCharsets.US_ASCII));
        assertFault("model.tflite is a Git LFS pointer, not the model itself: run 'git lfs pull' where it came from",
                path);
        Files.write(path, new byte[] {(byte) 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n', 0});
        assertFault("model.tflite is a training checkpoint; convert it first: ghostface-edge convert model.tflite "
                + "-o DIR", path);
    }

    @Test
    void aFileTooLarge(@TempDir Path folder) throws IOException {
        Path path = folder.resolve("model.tflite");
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.setLength(ModelFile.LARGEST + 1);
        }
        assertFault(path + " is larger than 1 GiB: that is no face model", path);
    }

    private static void assertFault(String expected, Path path) {
        ModelFileException error = assertThrows(ModelFileException.class, () -> ModelFile.read(path.toFile()));
        assertEquals(expected, error.getMessage());
    }

    @Test
    void aStreamThatBreaksOff() {
        InputStream broken = new InputStream() {
            @Override
            public int read() throws IOException {
                throw new IOException("the card was pulled out");
            }
        };
        ModelFileException error = assertThrows(ModelFileException.class, () -> ModelFile.read(broken, "m"));
        assertEquals("cannot read the model file m: the card was pulled out", error.getMessage());
    }

    /** A small file may say much: here every one of many metadata entries has the same long name. */
    @Test
    void manyEntriesOfOneLongNameTakeNoTime() {
        int entries = 20_000;
        int nameLength = 1 << 20;
        int table = 28;
        int list = 48;
        int entry = list + 4 + 4 * entries;
        int name = entry + 12;
        ByteBuffer file = ByteBuffer.allocate(name + 4 + nameLength).order(ByteOrder.LITTLE_ENDIAN);
        file.putInt(table).put("TFL3".getBytes(StandardCharsets.US_ASCII));
        // The model's vtable: its size, that of the table, and where each of seven fields lies in it.
        for (int half : new int[] {18, 12, 0, 0, 0, 0, 0, 0, 8}) {
            file.putShort((short) half);
        }
        file.position(table);
        file.putInt(table - 8).putInt(0).putInt(list - (table + 8));
        file.putShort((short) 8).putShort((short) 12).putShort((short) 4).putShort((short) 8); // the entry's vtable
        file.putInt(entries);
        for (int index = 0; index < entries; index++) {
            file.putInt(entry - file.position());
        }
        file.putInt(entry - 40).putInt(name - (entry + 4)).putInt(0);
        file.putInt(nameLength);
        assertEquals("ModelFileError", assertTimeoutPreemptively(
                Duration.ofSeconds(5), () -> outcome(file.array())));
    }
}
