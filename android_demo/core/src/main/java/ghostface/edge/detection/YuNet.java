package ghostface.edge.detection;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.runtime.Session;
import java.util.List;

/** Finds faces with YuNet; see {@code ghostface_edge/detection/yunet.py}. */
public final class YuNet implements Detector {
    /** Longest side, in pixels, of what the network sees of a photo. */
    public static final int MAX_SIZE = 640;

    /** How much is done for the landmarks. */
    public enum Mode {
        /** One look at the photo, landmarks blended over anchors, then two more looks at each face. */
        ACCURATE("yunet"),
        /** The first look only. */
        FAST("yunet-fast"),
        /** As OpenCV's {@code FaceDetectorYN} computes it. */
        PLAIN("yunet-plain");

        /** The name that templates and thresholds carry. */
        public final String detector;

        Mode(String detector) {
            this.detector = detector;
        }
    }

    private final Mode mode;

    /** Mode ACCURATE, score 0.7, {@link #MAX_SIZE}. */
    public YuNet(Session session) {
        this(session, Mode.ACCURATE, 0.7, MAX_SIZE);
    }

    /**
     * @param session YuNet as {@code ghostface-edge convert} writes it; whoever opened it closes it
     * @param score   least confidence of a face, 0.3 to 1
     * @param maxSize longest side in pixels of what the network sees, 32 to 4096; larger photos are shrunk to it
     * @throws ghostface.edge.errors.DetectionException the session is not a YuNet
     * @throws ghostface.edge.errors.OptionException    a score or size out of range
     */
    public YuNet(Session session, Mode mode, double score, int maxSize) {
        this.mode = mode;
    }

    @Override
    public String name() {
        return mode.detector;
    }

    @Override
    public List<Detection> detect(FaceImage image) {
        throw new UnsupportedOperationException("not written yet");
    }
}
