package ghostface.edge;

import ghostface.edge.detection.Detector;
import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.NoFaceException;
import ghostface.edge.errors.ThresholdException;
import ghostface.edge.runtime.Session;
import java.util.List;

/** Finds, aligns, embeds and compares faces. Safe to share between threads where its two parts are. */
public final class FaceEngine {
    /** False-match rate of a decision where nothing else is asked for: one impostor in a thousand is let through. */
    public static final double DEFAULT_FMR = 1e-3;

    /** The network that embeds. */
    public final Embedder embedder;
    /** What finds the faces. */
    public final Detector detector;

    public FaceEngine(Embedder embedder, Detector detector) {
        this.embedder = embedder;
        this.detector = detector;
    }

    /** @throws ModelCardException the model is no embedder */
    public FaceEngine(Session embedder, Detector detector) {
        this(new Embedder(embedder), detector);
    }

    /** The card of the embedder. */
    public ModelCard card() {
        return embedder.card();
    }

    /** What the embeddings of this engine carry, and what a gallery is opened with. */
    public ModelIdentity model() {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The first step: the faces of a photo, largest first; empty where there is none.
     *
     * @throws DetectionException the detector failed or broke its contract
     * @throws InferenceException the detector's model failed, or gave NaN or infinity
     */
    public List<Detection> detect(FaceImage photo) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The second step: the crop of a face that the embedder takes.
     *
     * @throws AlignmentException landmarks that define no alignment
     */
    public FaceImage align(FaceImage photo, Detection detection) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The third step: the templates of aligned crops, in their order.
     *
     * @throws InferenceException the model failed, or gave NaN, infinity or a zero vector
     */
    public List<Template> embed(List<FaceImage> crops) {
        throw new UnsupportedOperationException("not written yet");
    }

    /** The third step for one crop. */
    public Template embed(FaceImage crop) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Every face of a photo with its template, largest first; empty where there is none. Errors are those of the steps.
     */
    public List<Face> faces(FaceImage photo) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The main face of a photo: the largest, where one at the rim counts for less than one in the middle.
     *
     * @throws NoFaceException there is none; other errors are those of the steps
     */
    public Face face(FaceImage photo) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Are the main faces of two photos the same person? Errors are those of {@link #threshold} and {@link #face}.
     *
     * @param fmr false-match rate at which to decide
     */
    public Verification verify(FaceImage a, FaceImage b, double fmr) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * Are two faces the same person? Faces that another detector found are compared at the same similarity, but then
     * the result states no rate.
     *
     * @param fmr false-match rate at which to decide
     * @throws ThresholdException     the model card holds no threshold for it
     * @throws ModelMismatchException faces of different models
     */
    public Verification verify(Face a, Face b, double fmr) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The measured threshold at a false-match rate, for this model with this detector.
     *
     * @throws ThresholdException the card holds none; the message lists what it holds
     */
    public Threshold threshold(double fmr) {
        return card().threshold(fmr, detector.name());
    }
}
