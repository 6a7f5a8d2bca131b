package ghostface.edge.runtime;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelFileException;
import java.io.File;
import java.io.InputStream;

/**
 * A model file in memory, an {@code .onnx} or a {@code .tflite}: its seal was checked and its card read before any
 * native parser sees a byte.
 */
public final class ModelFile {
    /** A model file beyond 1 GiB is no face network; refusing it keeps a wrong path from filling the memory. */
    public static final long LARGEST = 1L << 30;

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
     * @throws ModelFileException no model, or the bytes are not the ones that were sealed
     * @throws ModelCardException the file has no card, or a senseless one
     */
    public static ModelFile of(byte[] bytes, String name) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * A model from a file.
     *
     * @throws ModelFileException missing, unreadable, empty, too large, or as {@link #of}
     * @throws ModelCardException as {@link #of}
     */
    public static ModelFile read(File file) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * A model from a stream, such as an asset of an app, which is read to its end and not closed.
     *
     * @throws ModelFileException unreadable, empty, too large, or as {@link #of}
     * @throws ModelCardException as {@link #of}
     */
    public static ModelFile read(InputStream stream, String name) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** The bytes themselves, not a copy: not to be changed. */
    public byte[] bytes() {
        return bytes;
    }
}
