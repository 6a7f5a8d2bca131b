package ghostface.edge;

import ghostface.edge.detection.Detections;
import ghostface.edge.detection.Detector;
import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.NoFaceException;
import ghostface.edge.errors.ThresholdException;
import ghostface.edge.runtime.Session;
import java.util.ArrayList;
import java.util.Collections;
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
        return card().identity(detector.name() + (embedder.flip ? "+flip" : ""));
    }

    /**
     * The first step: the faces of a photo, largest first; empty where there is none.
     *
     * @throws DetectionException the detector failed or broke its contract
     * @throws InferenceException the detector's model failed, or gave NaN or infinity
     */
    public List<Detection> detect(FaceImage photo) {
        return found(photo, false);
    }

    /**
     * The first step for {@link #face}: the face that it takes.
     *
     * @throws NoFaceException there is none; other errors are those of {@link #detect}
     */
    public Detection detectMain(FaceImage photo) {
        return Detections.mainFace(photo, found(photo, true));
    }

    private List<Detection> found(FaceImage photo, boolean main) {
        try {
            return Detections.checked(main ? detector.detectMain(photo) : detector.detect(photo), detector.name());
        } catch (GhostFaceException error) {
            throw error;
        } catch (RuntimeException error) { // a detector of the user's own may raise anything
            throw new DetectionException(
                    "detector " + Text.quoted(detector.name()) + " failed on " + photo.source + ": " + error, error);
        }
    }

    /**
     * The second step: the crop of a face that the embedder takes.
     *
     * @throws AlignmentException landmarks that define no alignment
     */
    public FaceImage align(FaceImage photo, Detection detection) {
        return Alignment.align(photo, detection.landmarks, embedder.cropSize);
    }

    /**
     * The third step: the templates of aligned crops, in their order.
     *
     * @throws InferenceException the model failed, or gave NaN, infinity or a zero vector
     */
    public List<Template> embed(List<FaceImage> crops) {
        ModelIdentity model = model();
        List<Template> templates = new ArrayList<>();
        for (float[] embedding : embedder.embed(crops)) {
            templates.add(new Template(embedding, model));
        }
        return templates;
    }

    /** The third step for one crop. */
    public Template embed(FaceImage crop) {
        return embed(Collections.singletonList(crop)).get(0);
    }

    /**
     * Every face of a photo with its template, largest first; empty where there is none. Errors are those of the steps.
     */
    public List<Face> faces(FaceImage photo) {
        return faces(photo, detect(photo));
    }

    /**
     * The main face of a photo: the largest, where one at the rim counts for less than one in the middle. YuNet looks
     * for it on a small view of the photo first.
     *
     * @throws NoFaceException there is none; other errors are those of the steps
     */
    public Face face(FaceImage photo) {
        return faces(photo, Collections.singletonList(detectMain(photo))).get(0);
    }

    /**
     * Are the main faces of two photos the same person? Errors are those of {@link #threshold} and {@link #face}.
     *
     * @param fmr false-match rate at which to decide
     */
    public Verification verify(FaceImage a, FaceImage b, double fmr) {
        threshold(fmr); // said before anything is computed
        return verify(face(a), face(b), fmr);
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
        Threshold threshold = threshold(fmr);
        double similarity = Matching.similarity(a.template, b.template);
        boolean measured = threshold.detector.equals(a.template.model.detector)
                && threshold.detector.equals(b.template.model.detector);
        // Otherwise nobody measured how often that combination goes wrong.
        return measured ? Matching.decide(similarity, threshold) : Matching.decide(similarity, threshold.similarity);
    }

    /**
     * The measured threshold at a false-match rate, for this model with this detector.
     *
     * @throws ThresholdException the card holds none; the message lists what it holds
     */
    public Threshold threshold(double fmr) {
        return card().threshold(fmr, model().detector);
    }

    private List<Face> faces(FaceImage photo, List<Detection> detections) {
        List<FaceImage> crops = new ArrayList<>();
        for (Detection detection : detections) {
            crops.add(align(photo, detection));
        }
        List<Face> faces = new ArrayList<>();
        for (Template template : embed(crops)) {
            faces.add(new Face(detections.get(faces.size()), template));
        }
        return faces;
    }
}
