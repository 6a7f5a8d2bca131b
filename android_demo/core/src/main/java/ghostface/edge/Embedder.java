package ghostface.edge;

import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelInputException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Sessions;
import ghostface.edge.runtime.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * A GhostFaceNet on a session: aligned crops in, L2-normalised embeddings out; all pre-processing comes from the model
 * card. Safe to share between threads where the session is.
 */
public final class Embedder {
    /** Crops per run of the model, where nothing else is asked for; more are split. */
    public static final int BATCH = 8;

    private static final double LEAST_LENGTH = 1e-6; // an embedding as short as this has no direction

    /** The model. */
    public final Session session;
    /** Side in pixels of the crops that it takes. */
    public final int cropSize;
    /** Whether the embeddings of mirror images are averaged in. */
    public final boolean flip;
    private final int batch;

    /** An embedder of crops as they are, {@link #BATCH} at a time. */
    public Embedder(Session session) {
        this(session, false, BATCH);
    }

    /**
     * @param session a model whose card says {@code embedder}
     * @param flip    average the embeddings of each crop and of its mirror image: a little more accurate, twice the
     *                time
     * @param batch   crops per run of the model; more are split
     * @throws ModelCardException the model is no embedder
     * @throws OptionException    a batch below 1
     */
    public Embedder(Session session, boolean flip, int batch) {
        ModelCard card = session.card();
        if (!card.kind.equals("embedder")) {
            throw new ModelCardException(
                    "model " + Text.quoted(card.name) + " is a " + card.kind + ", not an embedder");
        }
        if (batch < 1) {
            throw new OptionException("batch=" + batch + " is not a number of crops: use 1 or more");
        }
        this.session = session;
        this.cropSize = card.cropSize();
        this.flip = flip;
        this.batch = batch;
    }

    /** The card of the model. */
    public ModelCard card() {
        return session.card();
    }

    /**
     * Embed aligned faces.
     *
     * @param crops of the card's size, aligned to the ArcFace template
     * @return for each crop D numbers, of length 1 together
     * @throws ModelInputException a crop of another size
     * @throws InferenceException  the model failed, or gave NaN, infinity or a zero vector
     */
    public float[][] embed(List<FaceImage> crops) {
        for (FaceImage crop : crops) {
            if (crop.width != cropSize || crop.height != cropSize) {
                throw new ModelInputException("model " + Text.quoted(card().name) + " takes crops of " + cropSize
                        + " x " + cropSize + " pixels, got " + crop.width + " x " + crop.height);
            }
        }
        float[][] embeddings = new float[crops.size()][];
        for (int start = 0; start < embeddings.length; start += batch) {
            List<FaceImage> part = crops.subList(start, Math.min(start + batch, embeddings.length));
            float[][] plain = run(part, false);
            float[][] mirrored = flip ? run(part, true) : null;
            for (int row = 0; row < plain.length; row++) {
                embeddings[start + row] = flip ? normalised(sum(plain[row], mirrored[row]), 0) : plain[row];
            }
        }
        return embeddings;
    }

    private float[][] run(List<FaceImage> crops, boolean mirrored) {
        Tensor output = session.run(inputTensor(crops, card().input, mirrored))[0];
        int size = card().embeddingSize;
        if (!Arrays.equals(output.shape(), new int[] {crops.size(), size})) {
            throw new InferenceException("model " + Text.quoted(card().name) + " gave an output of shape "
                    + Sessions.shown(output.shape()) + " for " + crops.size() + " faces, its card promises " + size
                    + " numbers per face");
        }
        float[][] embeddings = new float[crops.size()][];
        for (int row = 0; row < embeddings.length; row++) {
            embeddings[row] = normalised(output.values, row * size);
        }
        return embeddings;
    }

    /** The embedding that begins at a place, with length 1. */
    private float[] normalised(float[] values, int start) {
        float[] embedding = new float[card().embeddingSize];
        double squares = 0;
        for (int at = 0; at < embedding.length; at++) {
            squares += (double) values[start + at] * values[start + at];
        }
        double length = Math.sqrt(squares);
        if (Double.isNaN(length) || Double.isInfinite(length)) {
            throw new InferenceException("model " + Text.quoted(card().name) + " gave NaN or infinity");
        }
        if (length <= LEAST_LENGTH) {
            throw new InferenceException("model " + Text.quoted(card().name)
                    + " gave a zero vector, which has no direction to compare");
        }
        for (int at = 0; at < embedding.length; at++) {
            embedding[at] = (float) (values[start + at] / length);
        }
        return embedding;
    }

    private static float[] sum(float[] a, float[] b) {
        float[] sum = new float[a.length];
        for (int at = 0; at < sum.length; at++) {
            sum[at] = a[at] + b[at];
        }
        return sum;
    }

    /** What a network wants to see of crops of one size, or of their mirror images. */
    static Tensor inputTensor(List<FaceImage> crops, ModelCard.InputSpec spec, boolean mirrored) {
        float[] levels = new float[256]; // what each of the grey levels becomes
        for (int level = 0; level < levels.length; level++) {
            levels[level] = (level - (float) spec.mean) * (float) spec.scale;
        }
        boolean planes = spec.layout.equals("NCHW");
        boolean blueFirst = spec.colourOrder.equals("BGR");
        int width = spec.width;
        int height = spec.height;
        int pixelStep = planes ? 1 : 3;
        int colourStep = planes ? height * width : 1;
        float[] values = new float[crops.size() * height * width * 3];
        for (int index = 0; index < crops.size(); index++) {
            byte[] pixels = crops.get(index).pixels();
            int picture = index * height * width * 3;
            for (int pixel = 0; pixel < height * width; pixel++) {
                int column = pixel % width;
                int from = 3 * (mirrored ? pixel - column + width - 1 - column : pixel);
                for (int colour = 0; colour < 3; colour++) {
                    values[picture + pixel * pixelStep + colour * colourStep] =
                            levels[pixels[from + (blueFirst ? 2 - colour : colour)] & 0xff];
                }
            }
        }
        return planes ? new Tensor(values, crops.size(), 3, height, width)
                : new Tensor(values, crops.size(), height, width, 3);
    }
}
