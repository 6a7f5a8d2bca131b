package ghostface.edge.detection;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import java.util.List;

/** What detectors return: its contract, its order, and the one face that counts. */
public final class Detections {
    private Detections() {}

    /**
     * What a detector returned, largest face first.
     *
     * @param detector name, for messages
     * @throws ghostface.edge.errors.DetectionException landmarks that are not finite, an empty or infinite box, or a
     *                                                  score that is not between 0 and 1
     */
    public static List<Detection> checked(List<Detection> found, String detector) {
        throw new UnsupportedOperationException("not written yet");
    }

    /**
     * The face that a photo is of: the largest, where one at the rim counts for less than one in the middle.
     *
     * @throws ghostface.edge.errors.NoFaceException there is none
     */
    public static Detection mainFace(FaceImage image, List<Detection> found) {
        throw new UnsupportedOperationException("not written yet");
    }
}
