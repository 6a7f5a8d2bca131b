package ghostface.edge.detection;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import java.util.List;

/** Finds faces. Safe to share between threads. */
public interface Detector {
    /** The name that templates and thresholds carry, such as {@code yunet}. */
    String name();

    /**
     * The faces of a photo, largest first; empty where there is none.
     *
     * @throws ghostface.edge.errors.InferenceException the model failed, or gave NaN or infinity
     */
    List<Detection> detect(FaceImage image);

    /**
     * Faces among which the photo's main face is, as {@link Detections#mainFace} chooses it; empty where there is none.
     * It may be the main face alone, found with less work.
     *
     * @throws ghostface.edge.errors.InferenceException the model failed, or gave NaN or infinity
     */
    default List<Detection> detectMain(FaceImage image) {
        return detect(image);
    }
}
