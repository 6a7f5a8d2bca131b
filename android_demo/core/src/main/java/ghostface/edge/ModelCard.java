package ghostface.edge;

import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ThresholdException;
import java.util.Collections;
import java.util.List;

/** Everything about a model that its user would otherwise have to know by heart; see {@code ghostface_edge/card.py}. */
public final class ModelCard {
    public final String kind;
    public final String modelId;
    public final String name;
    public final String architecture;
    public final String precision;
    public final InputSpec input;
    public final Source source;
    public final String converter;
    public final String licence;
    public final String alignment;
    /** D (embedders), 0 for detectors. */
    public final int embeddingSize;
    public final List<Threshold> thresholds;

    private ModelCard() {
        kind = modelId = name = architecture = precision = converter = licence = alignment = "";
        input = null;
        source = null;
        embeddingSize = 0;
        thresholds = Collections.emptyList();
    }

    /**
     * Parse and check a card.
     *
     * @throws ModelCardException not JSON, an unknown schema, a missing, unknown or senseless field
     */
    public static ModelCard fromJson(String text) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** Side in pixels of the square crop that an embedder takes; 0 for detectors. */
    public int cropSize() {
        return 0;
    }

    /** The identity that embeddings of this model carry. */
    public ModelIdentity identity(String detector) {
        return new ModelIdentity(modelId, precision, detector);
    }

    /**
     * The threshold measured at a false-match rate with a detector.
     *
     * @throws ThresholdException the card holds none; the message lists what it holds
     */
    public Threshold threshold(double fmr, String detector) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** What the network's input tensor wants: a pixel value p in 0..255 enters as {@code (p - mean) * scale}. */
    public static final class InputSpec {
        /** Rows, or null where the network takes any multiple of 32. */
        public final Integer height;
        public final Integer width;
        /** NHWC or NCHW. */
        public final String layout;
        /** RGB or BGR. */
        public final String colourOrder;
        public final double mean;
        public final double scale;

        InputSpec(Integer height, Integer width, String layout, String colourOrder, double mean, double scale) {
            this.height = height;
            this.width = width;
            this.layout = layout;
            this.colourOrder = colourOrder;
            this.mean = mean;
            this.scale = scale;
        }
    }

    /** The file that a model was made from. */
    public static final class Source {
        public final String file;
        public final String sha256;
        /** Bytes. */
        public final long size;

        Source(String file, String sha256, long size) {
            this.file = file;
            this.sha256 = sha256;
            this.size = size;
        }
    }
}
