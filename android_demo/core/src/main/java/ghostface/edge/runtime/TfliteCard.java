package ghostface.edge.runtime;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelFileException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;

/**
 * The card and the seal in a {@code .tflite} file; see {@code ghostface_edge/runtime/tflite_card.py}. Read on the
 * FlatBuffers layout (https://flatbuffers.dev/internals; field numbers from schema.fbs of TensorFlow Lite).
 */
final class TfliteCard {
    private static final int MODEL_BUFFERS = 4;
    private static final int MODEL_METADATA = 6;
    private static final int METADATA_NAME = 0;
    private static final int METADATA_BUFFER = 1;
    private static final int BUFFER_DATA = 0;
    private static final int SEAL_LENGTH = 64;

    /** In bytes. Many entries may share one long name, which must not be read for each of them. */
    private static final int LONGEST_NAME = 256;

    private static final long NONE = -1;

    private final byte[] data;

    private TfliteCard(byte[] data) {
        this.data = data;
    }

    /** Whether a file says that it is a TFLite model. */
    static boolean isTflite(byte[] data) {
        return data.length >= 8 && data[4] == 'T' && data[5] == 'F' && data[6] == 'L' && data[7] == '3';
    }

    /**
     * The card of a file, after its seal was checked.
     *
     * @throws ModelFileException not a TFLite file, or its bytes are not the ones that were sealed
     * @throws ModelCardException the file has no card, or a senseless one
     */
    static ModelCard read(byte[] data) {
        return new TfliteCard(data).read();
    }

    private ModelCard read() {
        int[] card = null;
        int[] seal = null;
        long model = target(0);
        long entries = field(model, MODEL_METADATA);
        int count = entries == NONE ? 0 : length(target(entries), 4);
        for (int index = 0; index < count; index++) {
            long entry = element(target(entries), index);
            long name = field(entry, METADATA_NAME);
            long buffer = field(entry, METADATA_BUFFER);
            if (name == NONE || buffer == NONE) {
                continue;
            }
            int[] key = bytes(name);
            if (key[1] - key[0] > LONGEST_NAME) {
                throw damaged("a name in the metadata is longer than " + LONGEST_NAME + " bytes");
            }
            int[] content = content(model, word(buffer));
            if (content == null) {
                continue;
            }
            String text = ModelFile.text(data, key[0], key[1]);
            if (text == null) {
                throw damaged("a name in the metadata is not text");
            }
            if (text.equals(ModelFile.CARD_KEY)) {
                card = content;
            } else if (text.equals(ModelFile.SEAL_KEY)) {
                seal = content;
            }
        }
        if (card == null || seal == null) {
            throw new ModelCardException("the TFLite model has no model card, so its colour order, input range and "
                    + "alignment are unknown. Convert its checkpoint with ghostface-edge convert");
        }
        requireSeal(seal);
        String text = ModelFile.text(data, card[0], card[1]);
        if (text == null) {
            throw new ModelCardException("the model card is not text");
        }
        return ModelCard.fromJson(text);
    }

    /** The seal is the sha256 of the file with the seal's own bytes set to zero. */
    private void requireSeal(int[] seal) {
        MessageDigest digest = ModelFile.sha256();
        digest.update(data, 0, seal[0]);
        digest.update(new byte[SEAL_LENGTH]);
        digest.update(data, seal[1], data.length - seal[1]);
        byte[] expected = ModelFile.hexadecimal(digest).getBytes(StandardCharsets.US_ASCII);
        if (!Arrays.equals(expected, Arrays.copyOfRange(data, seal[0], seal[1]))) {
            throw new ModelFileException(ModelFile.SEAL_BROKEN);
        }
    }

    /** Where the bytes of a buffer of the model begin and end; null where it has none. */
    private int[] content(long model, long number) {
        long buffers = field(model, MODEL_BUFFERS);
        long count = buffers == NONE ? 0 : length(target(buffers), 4);
        if (number >= count) {
            throw damaged("metadata refers to buffer " + number + " of " + count);
        }
        long field = field(element(target(buffers), (int) number), BUFFER_DATA);
        return field == NONE ? null : bytes(field);
    }

    /** Where a field of a table lies, or {@link #NONE} where it has its default. */
    private long field(long table, int number) {
        long vtable = table - (int) word(table);
        int size = half(vtable);
        if (4 + 2 * number >= size) {
            return NONE;
        }
        int offset = half(vtable + 4 + 2 * number);
        return offset == 0 ? NONE : table + offset;
    }

    /** Where the element of a list of tables lies. */
    private long element(long list, int index) {
        return target(list + 4 + 4L * index);
    }

    /** Where the offset stored at a position leads. */
    private long target(long position) {
        return position + word(position);
    }

    /** Where the bytes of a list or text begin and end. */
    private int[] bytes(long field) {
        long list = target(field);
        int length = length(list, 1);
        return new int[] {(int) list + 4, (int) list + 4 + length};
    }

    /** Number of elements of a list, all of which lie within the file. */
    private int length(long list, int elementSize) {
        long length = word(list);
        if (list + 4 + elementSize * length > data.length) {
            throw damaged("a list is longer than the file");
        }
        return (int) length;
    }

    private long word(long position) {
        return half(position) | (long) half(position + 2) << 16;
    }

    private int half(long position) {
        if (position < 0 || position + 2 > data.length) {
            throw damaged("an offset leads beyond the file");
        }
        return data[(int) position] & 0xff | (data[(int) position + 1] & 0xff) << 8;
    }

    private static ModelFileException damaged(String what) {
        return new ModelFileException("the file is damaged or is not a TFLite model: " + what);
    }
}
