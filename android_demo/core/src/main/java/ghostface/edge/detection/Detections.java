package ghostface.edge.detection;

import ghostface.edge.Box;
import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.NoFaceException;
import java.util.ArrayList;
import java.util.List;

/** What detectors return: the contract, the order, and the one face that counts. */
public final class Detections {
    private Detections() {}

    /**
     * What a detector returned, largest face first.
     *
     * @param detector name, for messages
     * @throws DetectionException landmarks that are not finite, an empty or infinite box, or a score that is not
     *                            between 0 and 1
     */
    public static List<Detection> checked(List<Detection> found, String detector) {
        for (Detection item : found) {
            for (float number : item.landmarks.toArray()) {
                if (!finite(number)) {
                    throw new DetectionException(
                            "detector '" + detector + "' returned landmarks that are not five finite points");
                }
            }
            Box box = item.box;
            if (!(finite(box.x1) && finite(box.y1) && finite(box.x2) && finite(box.y2))
                    || !(box.x2 > box.x1 && box.y2 > box.y1)
                    || !(item.score >= 0 && item.score <= 1)) {
                throw new DetectionException(
                        "detector '" + detector + "' returned a senseless box or score: " + box + ", " + item.score);
            }
        }
        List<Detection> sorted = new ArrayList<>(found);
        sorted.sort((a, b) -> Double.compare(b.box.area(), a.box.area()));
        return sorted;
    }

    /**
     * The face that a photo is of: the largest, where one at the rim counts for less than one in the middle.
     *
     * @throws NoFaceException there is none
     */
    public static Detection mainFace(FaceImage image, List<Detection> found) {
        if (found.isEmpty()) {
            throw new NoFaceException(
                    "no face found in " + image.source + " (" + image.width + " x " + image.height + " pixels)");
        }
        Detection main = found.get(0);
        for (Detection item : found) {
            if (prominence(item.box, image.width, image.height) > prominence(main.box, image.width, image.height)) {
                main = item;
            }
        }
        return main;
    }

    /** Area, discounted by the distance from the middle: nothing of it is left in a corner of the picture. */
    static double prominence(Box box, int width, int height) {
        double away = Math.hypot(
                ((double) box.x1 + box.x2 + 1 - width) / width, ((double) box.y1 + box.y2 + 1 - height) / height);
        double left = Math.max(1 - away / Math.sqrt(2), 0);
        return box.area() * left * left;
    }

    private static boolean finite(float number) {
        return Math.abs(number) <= Float.MAX_VALUE;
    }
}
