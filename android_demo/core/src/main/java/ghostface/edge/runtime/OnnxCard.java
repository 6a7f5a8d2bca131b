package ghostface.edge.runtime;

import ghostface.edge.ModelCard;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelFileException;
import java.security.MessageDigest;

/**
 * The card and the seal in an {@code .onnx} file, and the refusal of tensors outside it; see
 * {@code ghostface_edge/card.py}. Read on the protobuf wire format
 * (https://protobuf.dev/programming-guides/encoding; field numbers from onnx/onnx.proto).
 */
final class OnnxCard {
    private static final int MODEL_METADATA = 14;
    private static final int ENTRY_KEY = 1;
    private static final int ENTRY_VALUE = 2;
    private static final int TENSOR_EXTERNAL_DATA = 13;
    private static final int TENSOR_DATA_LOCATION = 14;

    private static final int VARINT = 0;
    private static final int EIGHT_BYTES = 1;
    private static final int LENGTH_DELIMITED = 2;
    private static final int FOUR_BYTES = 5;

    /** Messages within messages; eight subgraphs within each other fit. */
    private static final int DEEPEST = 28;

    private OnnxCard() {}

    /**
     * The card of a file, after its seal was checked.
     *
     * @throws ModelFileException not an ONNX file, or its bytes are not the ones that were sealed
     * @throws ModelCardException the file has no card, or a senseless one
     */
    static ModelCard read(byte[] data) {
        String card = null;
        String seal = null;
        MessageDigest sealed = ModelFile.sha256();
        int hashed = 0;
        Fields fields = new Fields(data, 0, data.length);
        while (fields.next()) {
            if (fields.number != MODEL_METADATA || fields.wireType != LENGTH_DELIMITED) {
                continue;
            }
            String key = "";
            String value = "";
            Fields parts = new Fields(data, fields.payload, fields.end);
            while (parts.next()) {
                if (parts.wireType == LENGTH_DELIMITED && parts.number == ENTRY_KEY) {
                    key = text(data, parts);
                } else if (parts.wireType == LENGTH_DELIMITED && parts.number == ENTRY_VALUE) {
                    value = text(data, parts);
                }
            }
            if (key.equals(ModelFile.CARD_KEY)) {
                card = value;
            } else if (key.equals(ModelFile.SEAL_KEY)) {
                seal = value;
                sealed.update(data, hashed, fields.start - hashed);
                hashed = fields.end;
            }
        }
        sealed.update(data, hashed, data.length - hashed);
        if (seal == null && card == null) {
            throw new ModelCardException("the model has no model card, so its colour order, input range and alignment "
                    + "are unknown. Add one: ghostface-edge card add MODEL --help");
        }
        if (!ModelFile.hexadecimal(sealed).equals(seal)) {
            throw new ModelFileException(ModelFile.SEAL_BROKEN);
        }
        if (card == null) {
            throw new ModelCardException("the model is sealed but has no model card. Convert it again");
        }
        return ModelCard.fromJson(card);
    }

    /**
     * Refuse a file whose tensors lie in other files: a path from a file is never trusted.
     *
     * @throws ModelFileException a tensor refers to external data, or the file is damaged
     */
    static void refuseExternalData(byte[] data) {
        scan(data, Message.MODEL, 0, data.length, 0);
    }

    private static void scan(byte[] data, Message message, int start, int end, int depth) {
        if (depth > DEEPEST) {
            throw new ModelFileException("the model nests its subgraphs too deep");
        }
        Fields fields = new Fields(data, start, end);
        while (fields.next()) {
            Message inner = fields.wireType == LENGTH_DELIMITED ? message.inner(fields.number) : null;
            if (inner != null) {
                scan(data, inner, fields.payload, fields.end, depth + 1);
            } else if (message == Message.TENSOR) {
                boolean here = fields.end - fields.payload == 1 && data[fields.payload] == 0;
                if (fields.number == TENSOR_EXTERNAL_DATA || (fields.number == TENSOR_DATA_LOCATION && !here)) {
                    throw new ModelFileException(
                            "the model keeps tensors in other files, which is refused; save it as a single file");
                }
            }
        }
    }

    /** The messages on every way from the model to a tensor. */
    private enum Message {
        MODEL, TRAINING, FUNCTION, GRAPH, NODE, ATTRIBUTE, SPARSE_TENSOR, TENSOR;

        /** What a field holds, or null where no tensor can be. */
        Message inner(long field) {
            switch (this) {
                case MODEL:
                    return field == 7 ? GRAPH : field == 20 ? TRAINING : field == 25 ? FUNCTION : null;
                case TRAINING:
                    return field == 1 || field == 2 ? GRAPH : null;
                case FUNCTION:
                    return field == 7 ? NODE : field == 11 ? ATTRIBUTE : null;
                case GRAPH:
                    return field == 1 ? NODE : field == 5 ? TENSOR : field == 15 ? SPARSE_TENSOR : null;
                case NODE:
                    return field == 5 ? ATTRIBUTE : null;
                case ATTRIBUTE:
                    return field == 5 || field == 10 ? TENSOR
                            : field == 6 || field == 11 ? GRAPH
                            : field == 22 || field == 23 ? SPARSE_TENSOR : null;
                case SPARSE_TENSOR:
                    return field == 1 || field == 2 ? TENSOR : null;
                default:
                    return null;
            }
        }
    }

    /** Goes through the fields of a message that lies between two places of the file. */
    private static final class Fields {
        long number;
        int wireType;
        int start;
        int payload;
        int end;
        private final byte[] data;
        private final int stop;
        private int position;

        Fields(byte[] data, int start, int stop) {
            this.data = data;
            this.end = start;
            this.stop = stop;
        }

        boolean next() {
            start = position = end;
            if (start == stop) {
                return false;
            }
            long key = varint();
            number = key >>> 3;
            wireType = (int) (key & 7);
            long length;
            switch (wireType) {
                case VARINT:
                    payload = position;
                    varint();
                    length = position - payload;
                    break;
                case EIGHT_BYTES:
                    length = 8;
                    payload = position;
                    break;
                case LENGTH_DELIMITED:
                    length = varint();
                    payload = position;
                    break;
                case FOUR_BYTES:
                    length = 4;
                    payload = position;
                    break;
                default:
                    throw damaged("protobuf wire type " + wireType);
            }
            if (number == 0 || length < 0 || length > stop - payload) { // a length of 2^63 or more is negative here
                throw damaged("a protobuf field is cut short");
            }
            end = payload + (int) length;
            return true;
        }

        private long varint() {
            long value = 0;
            for (int shift = 0; shift < 70 && position < stop; shift += 7) {
                byte next = data[position++];
                if (shift == 63 && next > 1) {
                    break; // more than 64 bits
                }
                value |= (long) (next & 0x7f) << shift;
                if (next >= 0) {
                    return value;
                }
            }
            throw damaged("a protobuf number is cut short");
        }

        private static ModelFileException damaged(String what) {
            return new ModelFileException("the file is damaged or is not an ONNX model: " + what);
        }
    }

    private static String text(byte[] data, Fields field) {
        String text = ModelFile.text(data, field.payload, field.end);
        if (text == null) {
            throw new ModelFileException("the file is damaged: its metadata is not text");
        }
        return text;
    }
}
