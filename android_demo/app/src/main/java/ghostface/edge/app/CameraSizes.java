package ghostface.edge.app;

/** Which of a camera's sizes to use, and how its frames are turned. */
public final class CameraSizes {
    /** Pixels of a frame that is worked on: the detector sees 640 at most. */
    private static final int FRAME_WIDTH = 640;

    private static final int FRAME_HEIGHT = 480;

    /** Most pixels of a preview; more costs power and shows nothing. */
    private static final int PREVIEW = 1920 * 1440;

    private CameraSizes() {}

    /**
     * The size of the frames: 640 x 480, or what comes nearest to it in pixels, of 4:3 before any other shape.
     *
     * @param sizes width and height of each, at least one
     */
    public static int[] frame(int[][] sizes) {
        int[] best = null;
        double least = Double.POSITIVE_INFINITY;
        for (int[] size : sizes) {
            double pixels = Math.abs(Math.log((double) size[0] * size[1] / (FRAME_WIDTH * FRAME_HEIGHT)));
            double cost = sameShape(size, FRAME_WIDTH, FRAME_HEIGHT) ? pixels : 10 + pixels;
            if (cost < least) {
                least = cost;
                best = size;
            }
        }
        return best;
    }

    /** The largest preview of the frames' shape, so that boxes lie where faces are; the frame's size where none has. */
    public static int[] preview(int[][] sizes, int[] frame) {
        int[] best = frame;
        for (int[] size : sizes) {
            long pixels = (long) size[0] * size[1];
            if (sameShape(size, frame[0], frame[1]) && pixels <= PREVIEW && pixels > (long) best[0] * best[1]) {
                best = size;
            }
        }
        return best;
    }

    /**
     * How far a frame must be turned to be upright.
     *
     * @param sensor  {@code SENSOR_ORIENTATION}: degrees clockwise in the phone's natural position
     * @param display degrees by which the screen is turned, {@code Display.getRotation} times 90
     * @param front   whether the camera looks at the user, where the screen's turn counts the other way round
     * @return degrees clockwise: 0, 90, 180 or 270
     */
    public static int rotation(int sensor, int display, boolean front) {
        return front ? (sensor + display) % 360 : (sensor - display + 360) % 360;
    }

    private static boolean sameShape(int[] size, int width, int height) {
        return Math.abs((long) size[0] * height - (long) size[1] * width) <= (long) size[0] * height / 100;
    }
}
