package ghostface.edge;

import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelInputException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.runtime.Session;
import java.util.List;

/**
 * A GhostFaceNet on a session: aligned crops in, L2-normalised embeddings out; all pre-processing comes from the model
 * card. Safe to share between threads where the session is.
 */
public final class Embedder {
    /** Crops per run of the model, where nothing else is asked for; more are split. */
    public static final int BATCH = 8;

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
     * @param flip    average the embeddings of each crop and of its mirror image: a little more accurate, twice the time
     * @param batch   crops per run of the model; more are split
     * @throws ModelCardException the model is no embedder
     * @throws OptionException    a batch below 1
     */
    public Embedder(Session session, boolean flip, int batch) {
        this.session = session;
        this.cropSize = session.card().cropSize();
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
        throw new UnsupportedOperationException("not written yet: " + batch);
    }
}
