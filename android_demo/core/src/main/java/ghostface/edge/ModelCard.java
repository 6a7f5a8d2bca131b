package ghostface.edge;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.errors.ThresholdException;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Everything about a model that its user would otherwise have to know by heart; see {@code ghostface_edge/card.py}. */
public final class ModelCard {
    private static final String SCHEMA = "1";
    private static final List<String> KINDS = Arrays.asList("embedder", "detector");
    private static final List<String> LAYOUTS = Arrays.asList("NHWC", "NCHW");
    private static final List<String> COLOUR_ORDERS = Arrays.asList("RGB", "BGR");
    private static final List<String> COMPUTES = Arrays.asList("float16", "float32");
    private static final String ARCFACE_ALIGNMENT = "arcface-112";

    private static final List<String> TEXTS = Arrays.asList(
            "kind", "model_id", "name", "architecture", "precision", "converter", "licence", "alignment",
            "compute");
    private static final List<String> MEASURED = Arrays.asList(
            "fmr", "similarity", "detector", "fnmr", "impostor_pairs", "genuine_pairs", "dataset");
    private static final List<String> PERHAPS_MEASURED =
            Arrays.asList("people", "fmr_high", "similarity_low", "similarity_high");

    private static final Pattern WHOLE = Pattern.compile("-?[0-9]+");
    private static final Pattern PLACE = Pattern.compile(" at line .*"); // the rest speaks to users of Gson
    private static final double LARGEST_FLOAT32 = 3.4028234e38; // IEEE 754; what a card says is computed in float32

    private static final String MEASURE =
            "measure it on photos of yours: ghostface-edge calibrate PHOTOS --model FILE --detector D";

    /** {@code embedder} or {@code detector}. */
    public final String kind;
    /** Name of the embedding space; the same for every format and precision of one checkpoint. */
    public final String modelId;
    /** What people call the model. */
    public final String name;
    /** Such as {@code ghostfacenet-v1-0.5-2} (version, width, stem stride) or {@code yunet}. */
    public final String architecture;
    /** {@code float32}, {@code float16}, {@code int8} ... */
    public final String precision;
    /** Pre-processing. */
    public final InputSpec input;
    /** The checkpoint that was converted. */
    public final Source source;
    /** Program and version that wrote the file. */
    public final String converter;
    /** Terms of the weights, in words. */
    public final String licence;
    /** Name of the alignment template (embedders), empty for detectors. */
    public final String alignment;
    /** D (embedders), 0 for detectors. */
    public final int embeddingSize;
    /** Measured decision thresholds, per detector and FMR. */
    public final List<Threshold> thresholds;
    /**
     * Arithmetic that a file with float16 weights allows: {@code float16} where the processor has it (elsewhere
     * float32), or {@code float32}; empty where the precision says it all.
     */
    public final String compute;

    /** Fields are checked in the order of {@code _validate} in Python, so that both name the same fault first. */
    private ModelCard(JsonObject card) {
        for (String field : TEXTS) {
            require(isText(card.get(field)), field + " is not text");
        }
        kind = chosen(card, "kind", KINDS);
        modelId = card.get("model_id").getAsString();
        require(!modelId.isEmpty(), "model_id is empty");
        compute = card.get("compute").getAsString().isEmpty() ? "" : chosen(card, "compute", COMPUTES);
        name = card.get("name").getAsString();
        architecture = card.get("architecture").getAsString();
        precision = card.get("precision").getAsString();
        converter = card.get("converter").getAsString();
        licence = card.get("licence").getAsString();
        alignment = card.get("alignment").getAsString();
        input = new InputSpec(card.getAsJsonObject("input"));
        JsonElement size = card.get("embedding_size");
        require(isCount(size) && size.getAsLong() <= Integer.MAX_VALUE, "embedding_size is not a count");
        embeddingSize = size.getAsInt();
        if (kind.equals("embedder")) {
            require(alignment.equals(ARCFACE_ALIGNMENT),
                    "alignment " + Text.quoted(alignment) + " is not " + Text.quoted(ARCFACE_ALIGNMENT));
            require(embeddingSize > 0, "an embedder needs an embedding_size");
            require(input.height != null && input.height.equals(input.width),
                    "an embedder needs a fixed, square input");
        }
        source = new Source(card.getAsJsonObject("source"));
        List<Threshold> measured = new ArrayList<>();
        for (JsonElement entry : card.getAsJsonArray("thresholds")) {
            measured.add(threshold(entry.getAsJsonObject()));
        }
        thresholds = Collections.unmodifiableList(measured);
    }

    /**
     * Parse and check a card.
     *
     * @throws ModelCardException not JSON, an unknown schema, a missing, unknown or senseless field
     */
    public static ModelCard fromJson(String text) {
        JsonElement parsed = parsed(text);
        if (!parsed.isJsonObject()) {
            throw new ModelCardException("the model card is not a JSON object");
        }
        JsonObject card = parsed.getAsJsonObject();
        JsonElement schema = card.remove("schema");
        if (!isNumber(schema) || schema.getAsDouble() != 1) {
            throw new ModelCardException("model card schema " + shown(schema) + " is not " + SCHEMA
                    + ": the file needs another version of this package");
        }
        requireFields(card.get("input"), "input", InputSpec.FIELDS, Collections.emptyList());
        requireFields(card.get("source"), "source", Source.FIELDS, Collections.emptyList());
        JsonElement thresholds = card.get("thresholds");
        requireKnown(thresholds != null && thresholds.isJsonArray(), "thresholds is no list");
        for (JsonElement entry : thresholds.getAsJsonArray()) {
            requireFields(entry, "a threshold", MEASURED, PERHAPS_MEASURED);
        }
        requireFields(card, "the card",
                Arrays.asList("kind", "model_id", "name", "architecture", "precision", "input", "source", "converter",
                        "licence", "thresholds"),
                Arrays.asList("alignment", "embedding_size", "compute"));
        for (String field : Arrays.asList("alignment", "compute")) {
            if (!card.has(field)) {
                card.addProperty(field, "");
            }
        }
        if (!card.has("embedding_size")) {
            card.addProperty("embedding_size", 0);
        }
        return new ModelCard(card);
    }

    /** Side in pixels of the square crop that an embedder takes; 0 for detectors. */
    public int cropSize() {
        return kind.equals("embedder") ? input.height : 0;
    }

    /**
     * The identity that embeddings of this model carry.
     *
     * @param detector whose landmarks align the faces
     * @throws OptionException the card's texts are none that a file can hold
     */
    public ModelIdentity identity(String detector) {
        return new ModelIdentity(modelId, precision, detector);
    }

    /**
     * The threshold measured at a false-match rate with a detector.
     *
     * @throws ThresholdException the card holds none; the message lists what it holds
     * @throws OptionException    {@code fmr} is no rate
     */
    public Threshold threshold(double fmr, String detector) {
        if (!(fmr > 0 && fmr < 1)) {
            throw new OptionException("fmr=" + Text.general(fmr) + " is not a rate between 0 and 1");
        }
        TreeSet<Double> rates = new TreeSet<>(Collections.reverseOrder());
        TreeSet<String> others = new TreeSet<>();
        for (Threshold entry : thresholds) {
            others.add(entry.detector);
            if (entry.detector.equals(detector)) {
                if (Math.abs(entry.fmr - fmr) <= 1e-6 * Math.max(entry.fmr, fmr)) {
                    return entry;
                }
                rates.add(entry.fmr);
            }
        }
        if (rates.isEmpty()) {
            String held = others.isEmpty() ? ", nor for any other" : " (only for " + String.join(", ", others) + ")";
            throw new ThresholdException("model " + Text.quoted(name) + " in " + precision
                    + " has no thresholds for detector " + Text.quoted(detector) + held
                    + ". State a similarity threshold of your own, or " + MEASURE);
        }
        List<String> known = new ArrayList<>();
        for (double rate : rates) {
            known.add(Text.general(rate));
        }
        throw new ThresholdException("model " + Text.quoted(name) + " has no threshold at FMR " + Text.general(fmr)
                + " with detector " + Text.quoted(detector) + "; it has FMR " + String.join(", ", known)
                + ". Ask for one of these, state a similarity threshold of your own, or " + MEASURE);
    }

    /** What the network's input tensor wants: a pixel value p in 0..255 enters as {@code (p - mean) * scale}. */
    public static final class InputSpec {
        private static final List<String> FIELDS =
                Arrays.asList("height", "width", "layout", "colour_order", "mean", "scale");

        /** Rows, or null where the network takes any multiple of 32. */
        public final Integer height;
        /** Columns, or null likewise. */
        public final Integer width;
        /** {@code NHWC} or {@code NCHW}. */
        public final String layout;
        /** {@code RGB} or {@code BGR}. */
        public final String colourOrder;
        /** Subtracted from every channel, in grey levels. */
        public final double mean;
        /** Factor after the subtraction. */
        public final double scale;

        private InputSpec(JsonObject input) {
            height = side(input, "height");
            width = side(input, "width");
            layout = chosen(input, "layout", LAYOUTS);
            colourOrder = chosen(input, "colour_order", COLOUR_ORDERS);
            JsonElement mean = input.get("mean");
            JsonElement scale = input.get("scale");
            require(isNumber(mean) && isNumber(scale) && scale.getAsDouble() != 0, "mean and scale are not numbers");
            this.mean = mean.getAsDouble();
            this.scale = scale.getAsDouble();
        }

        private static Integer side(JsonObject input, String name) {
            JsonElement size = input.get(name);
            if (size.isJsonNull()) {
                return null;
            }
            require(isCount(size) && size.getAsLong() >= 1 && size.getAsLong() <= 4096,
                    "input " + name + " " + shown(size) + " is not a size");
            return size.getAsInt();
        }
    }

    /** The file that a model was made from. */
    public static final class Source {
        private static final List<String> FIELDS = Arrays.asList("file", "sha256", "size");

        public final String file;
        public final String sha256;
        /** Bytes. */
        public final long size;

        private Source(JsonObject source) {
            require(isText(source.get("file")) && isText(source.get("sha256")) && isCount(source.get("size")),
                    "source is not valid");
            file = source.get("file").getAsString();
            sha256 = source.get("sha256").getAsString();
            size = source.get("size").getAsLong();
        }
    }

    private static Threshold threshold(JsonObject entry) {
        JsonElement fmr = entry.get("fmr");
        require(isNumber(fmr) && fmr.getAsDouble() > 0 && fmr.getAsDouble() < 1,
                "threshold FMR " + shown(fmr) + " is not between 0 and 1");
        JsonElement similarity = entry.get("similarity");
        require(isNumber(similarity, -1, 1), "threshold " + shown(similarity) + " is no cosine");
        JsonElement fnmr = entry.get("fnmr");
        require(isNumber(fnmr, 0, 1), "threshold FNMR " + shown(fnmr) + " is no rate");
        require(isCount(entry.get("impostor_pairs")) && isCount(entry.get("genuine_pairs")),
                "threshold pair counts are not counts");
        require(isText(entry.get("detector")) && isText(entry.get("dataset")), "threshold names are not text");
        JsonElement people = known(entry, "people");
        require(people == null || (isCount(people) && people.getAsLong() >= 2),
                "threshold people " + shown(people) + " are not two or more");
        JsonElement fmrHigh = known(entry, "fmr_high");
        require(fmrHigh == null || isNumber(fmrHigh, 0, 1), "threshold fmr_high " + shown(fmrHigh) + " is no rate");
        JsonElement low = known(entry, "similarity_low");
        JsonElement high = known(entry, "similarity_high");
        require((low == null && high == null)
                        || (isNumber(low, -1, 1) && isNumber(high, low.getAsDouble(), 1)),
                "threshold interval " + shown(low) + " to " + shown(high) + " is not one of cosines");
        return new Threshold(fmr.getAsDouble(), similarity.getAsDouble(), entry.get("detector").getAsString(),
                fnmr.getAsDouble(), entry.get("impostor_pairs").getAsLong(), entry.get("genuine_pairs").getAsLong(),
                entry.get("dataset").getAsString(), people == null ? null : people.getAsLong(),
                fmrHigh == null ? null : fmrHigh.getAsDouble(), low == null ? null : low.getAsDouble(),
                high == null ? null : high.getAsDouble());
    }

    private static JsonElement parsed(String text) {
        // Gson skips a byte order mark and takes an empty text for null; JSON has neither.
        if (text.isEmpty() || text.charAt(0) == '\ufeff') {
            throw new ModelCardException("the model card is not JSON: it does not begin with an object");
        }
        JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        try {
            JsonElement value = JsonParser.parseReader(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw new ModelCardException("the model card is not JSON: something follows its end");
            }
            return value;
        } catch (JsonParseException | IOException error) {
            Matcher place = PLACE.matcher(String.valueOf(error.getMessage()));
            throw new ModelCardException("the model card is not JSON" + (place.find() ? place.group() : ""), error);
        }
    }

    private static void requireFields(
            JsonElement value, String what, Collection<String> needed, Collection<String> optional) {
        requireKnown(value != null && value.isJsonObject(), what + " is no object");
        JsonObject object = value.getAsJsonObject();
        for (String field : needed) {
            requireKnown(object.has(field), what + " has no " + field);
        }
        for (String field : object.keySet()) {
            requireKnown(needed.contains(field) || optional.contains(field), what + " has " + Text.quoted(field));
        }
    }

    private static void requireKnown(boolean condition, String what) {
        if (!condition) {
            throw new ModelCardException("the model card has a missing or unknown field: " + what);
        }
    }

    private static void require(boolean condition, String what) {
        if (!condition) {
            throw new ModelCardException("the model card is not valid: " + what);
        }
    }

    private static String chosen(JsonObject object, String field, List<String> choices) {
        JsonElement value = object.get(field);
        require(isText(value) && choices.contains(value.getAsString()),
                field + " " + shown(value) + " is none of " + String.join(", ", choices));
        return value.getAsString();
    }

    /** A field that may be left out or null: then null. */
    private static JsonElement known(JsonObject object, String field) {
        JsonElement value = object.get(field);
        return value == null || value.isJsonNull() ? null : value;
    }

    private static boolean isText(JsonElement value) {
        return value != null && value.isJsonPrimitive() && value.getAsJsonPrimitive().isString();
    }

    private static boolean isNumber(JsonElement value) {
        return isNumber(value, -LARGEST_FLOAT32, LARGEST_FLOAT32);
    }

    private static boolean isNumber(JsonElement value, double least, double most) {
        return value != null && value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber()
                && value.getAsDouble() >= least && value.getAsDouble() <= most;
    }

    /** A whole number as it is written, 1 but not 1.0, that a long holds. */
    private static boolean isCount(JsonElement value) {
        return isNumber(value, 0, Long.MAX_VALUE / 2) && WHOLE.matcher(value.getAsString()).matches();
    }

    /** A value as Python shows it. */
    private static String shown(JsonElement value) {
        if (value == null || value.isJsonNull()) {
            return "None";
        }
        if (isText(value)) {
            return Text.quoted(value.getAsString());
        }
        if (value.isJsonPrimitive() && value.getAsJsonPrimitive().isBoolean()) {
            return value.getAsBoolean() ? "True" : "False";
        }
        return value.toString();
    }
}
