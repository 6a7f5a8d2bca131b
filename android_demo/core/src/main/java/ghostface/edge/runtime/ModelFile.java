package ghostface.edge.runtime;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelFileException;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * A model file in memory, an {@code .onnx} or a {@code .tflite}: its seal was checked and its card read before any
 * native parser sees a byte.
 */
public final class ModelFile {
    /** A model file beyond 1 GiB is no face network; refusing it keeps a wrong path from filling the memory. */
    public static final long LARGEST = 1L << 30;

    static final String CARD_KEY = "ghostface_edge.card";
    static final String SEAL_KEY = "ghostface_edge.seal";
    static final String SEAL_BROKEN =
            "the file is damaged: its bytes do not match its seal. Convert or download it again";

    /** First bytes of a Git LFS pointer (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md). */
    private static final byte[] GIT_LFS = "version https://git-lfs".getBytes(StandardCharsets.US_ASCII);
    /** Of a Keras checkpoint (HDF5 File Format Specification 3.0, section II.A). */
    private static final byte[] HDF5 = {(byte) 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    /** Name of the file, without folders; messages begin with it. */
    public final String name;
    /** {@code onnx} or {@code tflite}. */
    public final String format;
    public final ModelCard card;
    /** Of the bytes, hexadecimal. */
    public final String sha256;
    private final byte[] bytes;

    private ModelFile(byte[] bytes, String name, String format, ModelCard card, String sha256) {
        this.bytes = bytes;
        this.name = name;
        this.format = format;
        this.card = card;
        this.sha256 = sha256;
    }

    /**
     * A model on bytes that the caller promises not to change.
     *
     * @param name what messages call it
     * @throws ModelFileException no model, its bytes are not the ones that were sealed, or it keeps tensors elsewhere
     * @throws ModelCardException the file has no card, or a senseless one
     */
    public static ModelFile of(byte[] bytes, String name) {
        if (bytes.length == 0) {
            throw new ModelFileException("the model file " + name + " is empty");
        }
        if (startsWith(bytes, GIT_LFS)) {
            throw new ModelFileException(
                    name + " is a Git LFS pointer, not the model itself: run 'git lfs pull' where it came from");
        }
        if (startsWith(bytes, HDF5)) {
            throw new ModelFileException(
                    name + " is a training checkpoint; convert it first: ghostface-edge convert " + name + " -o DIR");
        }
        boolean tflite = TfliteCard.isTflite(bytes);
        try {
            ModelCard card = tflite ? TfliteCard.read(bytes) : OnnxCard.read(bytes);
            if (!tflite) {
                OnnxCard.refuseExternalData(bytes);
            }
            MessageDigest digest = sha256();
            digest.update(bytes);
            return new ModelFile(bytes, name, tflite ? "tflite" : "onnx", card, hexadecimal(digest));
        } catch (ModelFileException error) {
            throw new ModelFileException(name + ": " + error.getMessage(), error);
        } catch (ModelCardException error) {
            throw new ModelCardException(name + ": " + error.getMessage(), error);
        }
    }

    /**
     * A model from a file.
     *
     * @throws ModelFileException missing, unreadable, empty, too large, or as {@link #of}
     * @throws ModelCardException as {@link #of}
     */
    public static ModelFile read(File file) {
        if (!file.isFile()) {
            throw new ModelFileException("no model file at " + file);
        }
        requireSize(file.length(), file.toString());
        try (InputStream stream = new FileInputStream(file)) {
            return of(content(stream, file.toString()), file.getName());
        } catch (IOException error) {
            throw unreadable(file.toString(), error);
        }
    }

    /**
     * A model from a stream, such as an asset of an app, which is read to its end and not closed.
     *
     * @param name what messages call it
     * @throws ModelFileException unreadable, empty, too large, or as {@link #of}
     * @throws ModelCardException as {@link #of}
     */
    public static ModelFile read(InputStream stream, String name) {
        try {
            return of(content(stream, name), name);
        } catch (IOException error) {
            throw unreadable(name, error);
        }
    }

    /** The bytes themselves, not a copy: not to be changed. */
    public byte[] bytes() {
        return bytes;
    }

    private static byte[] content(InputStream stream, String name) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream(Math.max(stream.available(), 1 << 16));
        byte[] part = new byte[1 << 16];
        for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
            content.write(part, 0, count);
            requireSize(content.size(), name);
        }
        return content.toByteArray();
    }

    private static void requireSize(long size, String name) {
        if (size > LARGEST) {
            throw new ModelFileException(name + " is larger than 1 GiB: that is no face model");
        }
    }

    private static ModelFileException unreadable(String name, IOException error) {
        return new ModelFileException("cannot read the model file " + name + ": " + error.getMessage(), error);
    }

    private static boolean startsWith(byte[] bytes, byte[] signature) {
        if (bytes.length < signature.length) {
            return false;
        }
        for (int at = 0; at < signature.length; at++) {
            if (bytes[at] != signature[at]) {
                return false;
            }
        }
        return true;
    }

    /** A part of the bytes as text, or null where it is not UTF-8. */
    static String text(byte[] bytes, int start, int end) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, start, end - start)).toString();
        } catch (CharacterCodingException error) {
            return null;
        }
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError("every Java platform has SHA-256", error);
        }
    }

    static String hexadecimal(MessageDigest digest) {
        StringBuilder text = new StringBuilder();
        for (byte value : digest.digest()) {
            text.append(Character.forDigit(value >> 4 & 15, 16)).append(Character.forDigit(value & 15, 16));
        }
        return text.toString();
    }
}
