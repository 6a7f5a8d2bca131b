package ghostface.edge.detection;

import ghostface.edge.Alignment;
import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.Landmarks;
import ghostface.edge.ModelCard;
import ghostface.edge.Pictures;
import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Finds faces with YuNet, as {@code ghostface_edge/detection/yunet.py} does; the reasons for its numbers are there. */
public final class YuNet implements Detector {
    /**
     * Longest side, in pixels, of what the network sees of a photo; of faces 1/32 of it wide, 98 % are found.
     *
     * <p>Where no face is found in a larger photo, the two blending modes look once more at twice this size.
     */
    public static final int MAX_SIZE = 640;

    /** How much is done for the landmarks. */
    public enum Mode {
        /**
         * The whole photo once, the landmarks of each face blended over its anchors; then a closer look at each face
         * alone. The mean of the two estimates is what alignment gets.
         */
        ACCURATE("yunet"),
        /** The first look only. */
        FAST("yunet-fast"),
        /** As OpenCV's {@code FaceDetectorYN} computes it, for comparison. */
        PLAIN("yunet-plain");

        /** The name that templates and thresholds carry. */
        public final String detector;

        Mode(String detector) {
            this.detector = detector;
        }
    }

    /** Longest side of a second, small view of the whole photo, for faces that fill most of it. */
    private static final int GLANCE = 160;

    private static final int MULTIPLE = 32; // the coarsest stride: the network takes multiples of it
    private static final double OVERLAP = 0.3; // IoU above which two anchors see one face
    private static final float ABSURD = 1e6f; // in cells: no output of a face detector is as large

    /** Longest side, in pixels, of the smallest view on which the main face is looked for. */
    private static final int COARSE = 192;

    /** Square root of the main face's prominence from which on a small view may decide, in its pixels. */
    private static final double CLEAR = 24;

    private static final double CLEAR_FAST = 32; // without closer looks, landmarks need a few pixels more

    /** Share of the main face's prominence from which on another face makes a larger view decide. */
    private static final double RIVAL = 0.6;

    private static final int LOOK = 128; // side of the canvas of a closer look
    private static final double FILL = 0.7; // of the canvas: what the aligned crop takes
    private static final int WEIGHT = 2; // of what a closer look says, where the first estimate has 1
    private static final double MUCH_LARGER = 1.5; // than the first view showed the face: its estimate is left out
    private static final double APART = 4.5; // pixels of the aligned crop between the two estimates, in the mean
    private static final double NEAR = 0.25; // of the crop's side: how far from its place a face may be seen again

    /** Where the landmarks of a face come to lie on a canvas. */
    private static final double[] TARGET = target();

    private static final double TARGET_X = middle(TARGET, 0);
    private static final double TARGET_Y = middle(TARGET, 1);

    private final Session session;
    private final Mode mode;
    private final double score;
    private final int maxSize;

    /** Mode ACCURATE, score 0.7, {@link #MAX_SIZE}. */
    public YuNet(Session session) {
        this(session, Mode.ACCURATE, 0.7, MAX_SIZE);
    }

    /**
     * @param session YuNet as {@code ghostface-edge convert} writes it; whoever opened it closes it
     * @param score   least confidence of a face, 0.3 to 1
     * @param maxSize longest side in pixels of what the network sees, 32 to 4096; larger photos are shrunk to it,
     *                smaller ones stay
     * @throws DetectionException the session is not a YuNet
     * @throws OptionException    a score or size out of range
     */
    public YuNet(Session session, Mode mode, double score, int maxSize) {
        if (!(score >= Anchors.FLOOR && score < 1)) {
            throw new OptionException("score=" + score + " is not between " + Anchors.FLOOR + " and 1");
        }
        if (maxSize < 32 || maxSize > 4096) {
            throw new OptionException("maxSize=" + maxSize + " is not a size between 32 and 4096 pixels");
        }
        ModelCard card = session.card();
        if (!card.architecture.startsWith("yunet") || !card.input.colourOrder.equals("RGB")) {
            throw new DetectionException("model '" + card.name + "' (" + card.architecture + ", " + card.input.layout
                    + " " + card.input.colourOrder + ") is not a YuNet as ghostface-edge convert writes it");
        }
        this.session = session;
        this.mode = mode;
        this.score = score;
        this.maxSize = maxSize;
    }

    @Override
    public String name() {
        return mode.detector;
    }

    @Override
    public List<Detection> detect(FaceImage image) {
        View photo = new View(image);
        Seen seen = whole(photo);
        boolean again = mode == Mode.ACCURATE && seen.best.length > 0;
        List<View> views = again ? photo.halved(COARSE) : Collections.singletonList(photo);
        List<Detection> found = new ArrayList<>();
        for (int index : seen.best) {
            found.add(closer(seen, index, views));
        }
        return Detections.checked(found, name());
    }

    /**
     * The main face, coarse to fine: on the photo halved until it is small, then halved once less, and so on. The first
     * of these views on which one face is clearly the main one decides, else the photo as {@link #detect} sees it.
     */
    @Override
    public List<Detection> detectMain(FaceImage image) {
        View photo = new View(image);
        List<View> views = mode == Mode.PLAIN ? Collections.singletonList(photo) : photo.halved(COARSE);
        for (int i = views.size() - 1; i > 0 && views.get(i).longest() < maxSize; i--) {
            Seen seen = seen(views.get(i));
            if (seen.best.length == 0) {
                continue;
            }
            int main = seen.main();
            if (seen.hasRival(main)) {
                break; // on a larger view, too
            }
            double clear = mode == Mode.FAST ? CLEAR_FAST : CLEAR;
            if (seen.prominence(main) >= clear * clear) {
                float[] landmarks = landmarks(seen, main);
                if (mode == Mode.FAST || lookAgain(seen.view, landmarks, views)) {
                    return Collections.singletonList(seen.detection(main, landmarks));
                }
            }
        }
        Seen seen = whole(photo);
        return seen.best.length == 0
                ? Collections.<Detection>emptyList()
                : Collections.singletonList(closer(seen, seen.main(), views));
    }

    /** What the photo shows at the usual size; where that is no face, what it shows at twice that size. */
    private Seen whole(View photo) {
        Seen seen = seen(photo.shrunk(maxSize));
        boolean again = seen.best.length == 0 && mode != Mode.PLAIN && photo.longest() > maxSize;
        return again ? seen(photo.shrunk(2 * maxSize)) : seen; // the faces may be too small, not absent
    }

    private Seen seen(View view) {
        Anchors anchors = look(view.pixels);
        if (mode != Mode.PLAIN && view.longest() > 2 * GLANCE) {
            View glance = view.shrunk(GLANCE);
            anchors = anchors.and(look(glance.pixels).rescaled(view.ratioX(glance), view.ratioY(glance)));
        }
        return new Seen(view, anchors, anchors.best(score, OVERLAP));
    }

    private float[] landmarks(Seen seen, int index) {
        return mode == Mode.PLAIN ? seen.anchors.landmarks(index) : seen.anchors.blended(index);
    }

    /** A face that the whole photo showed, looked at again as the mode has it. */
    private Detection closer(Seen seen, int index, List<View> views) {
        float[] landmarks = landmarks(seen, index);
        if (mode == Mode.ACCURATE) {
            lookAgain(seen.view, landmarks, views);
        }
        return seen.detection(index, landmarks);
    }

    /** What a view showed: all anchors in its pixels, and the best one of each face. */
    private static final class Seen {
        final View view;
        final Anchors anchors;
        final int[] best;

        Seen(View view, Anchors anchors, int[] best) {
            this.view = view;
            this.anchors = anchors;
            this.best = best;
        }

        /** The best anchor of the main face. */
        int main() {
            int main = best[0];
            for (int index : best) {
                if (prominence(index) > prominence(main)) {
                    main = index;
                }
            }
            return main;
        }

        /** Whether another face, even one that is seen faintly, comes near to being the main one. */
        boolean hasRival(int main) {
            double limit = RIVAL * prominence(main);
            for (int index : anchors.best(Anchors.FLOOR, OVERLAP)) {
                if (index != main && prominence(index) > limit) {
                    return true;
                }
            }
            return false;
        }

        double prominence(int index) {
            return Detections.prominence(anchors.box(index), view.pixels.width, view.pixels.height);
        }

        /** A face in pixels of the photo. */
        Detection detection(int index, float[] landmarks) {
            return anchors.with(index, landmarks).rescaled(view.scaleX, view.scaleY).detections().get(0);
        }
    }

    /** The anchors of one picture. */
    private Anchors look(FaceImage picture) {
        int height = padded(picture.height);
        int width = padded(picture.width);
        ModelCard card = session.card();
        Tensor[] grids = session.run(card.input.layout.equals("NCHW")
                ? planes(picture, height, width)
                : interleaved(picture, height, width));
        boolean fitting = grids.length == Anchors.STRIDES.length;
        for (int i = 0; fitting && i < grids.length; i++) {
            int stride = Anchors.STRIDES[i];
            int[] shape = {1, height / stride, width / stride, Anchors.CHANNELS};
            fitting = Arrays.equals(shape, grids[i].shape());
        }
        if (!fitting) {
            throw new InferenceException("model '" + card.name + "' gave outputs that are not those of a YuNet");
        }
        for (Tensor grid : grids) {
            for (float value : grid.values) {
                if (!(Math.abs(value) < ABSURD)) { // NaN is not below it, either
                    throw new InferenceException(
                            "model '" + card.name + "' gave NaN, infinity or numbers beyond any photo");
                }
            }
        }
        return Anchors.decode(grids, Anchors.FLOOR);
    }

    private static int padded(int side) {
        return (side + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    }

    /** A picture as (1, 3, height, width), padded with black at the right and at the bottom. */
    private static Tensor planes(FaceImage picture, int height, int width) {
        int plane = height * width;
        float[] values = new float[3 * plane];
        byte[] pixels = picture.pixels();
        int from = 0;
        for (int y = 0; y < picture.height; y++) {
            int to = y * width;
            for (int x = 0; x < picture.width; x++, to++, from += 3) {
                values[to] = pixels[from] & 255;
                values[to + plane] = pixels[from + 1] & 255;
                values[to + 2 * plane] = pixels[from + 2] & 255;
            }
        }
        return new Tensor(values, 1, 3, height, width);
    }

    /** A picture as (1, height, width, 3), padded with black at the right and at the bottom. */
    private static Tensor interleaved(FaceImage picture, int height, int width) {
        float[] values = new float[height * width * 3];
        byte[] pixels = picture.pixels();
        int from = 0;
        for (int y = 0; y < picture.height; y++) {
            int to = 3 * y * width;
            for (int end = to + 3 * picture.width; to < end; to++) {
                values[to] = pixels[from++] & 255;
            }
        }
        return new Tensor(values, 1, height, width, 3);
    }

    /**
     * Makes of a face's landmarks the mean of them and of what a closer look says, in pixels of the view.
     *
     * @param landmarks 10 numbers, changed
     * @param views     the photo, and it halved again and again
     * @return whether the look saw the face again, and agrees
     */
    private boolean lookAgain(View view, float[] landmarks, List<View> views) {
        double[] canvas;
        try {
            canvas = Alignment.similarityTransform(new Landmarks(landmarks), TARGET);
        } catch (AlignmentException error) {
            return false; // no geometry to look closer with: the first estimate stands
        }
        double[] seen = seenAgain(look(cut(canvas, view, views)));
        if (seen == null) {
            return false;
        }
        double[] closer = Alignment.mapped(seen, Alignment.inverse(canvas));
        double scale = scale(canvas);
        // Where there are views that show the face much larger than this one, its estimate is poor and is left out.
        boolean poor = view != views.get(0) && scale > MUCH_LARGER;
        double away = 0;
        for (int i = 0; i < closer.length; i += 2) {
            double x = closer[i] - landmarks[i];
            double y = closer[i + 1] - landmarks[i + 1];
            away += Math.sqrt(x * x + y * y);
        }
        for (int i = 0; i < closer.length; i++) {
            landmarks[i] = (float) (poor ? closer[i] : (WEIGHT * closer[i] + landmarks[i]) / (WEIGHT + 1));
        }
        return away / Landmarks.COUNT * scale * Alignment.CROP_SIZE / (FILL * LOOK) < APART;
    }

    private static double[] target() {
        double[] points = Alignment.arcfaceTemplate();
        for (int i = 0; i < points.length; i++) {
            points[i] = (points[i] - (Alignment.CROP_SIZE - 1) / 2.0) * (FILL * LOOK / Alignment.CROP_SIZE)
                    + (LOOK - 1) / 2.0;
        }
        return points;
    }

    /** The mean of the x (0) or the y (1) of points. */
    private static double middle(double[] points, int axis) {
        double sum = 0;
        for (int i = axis; i < points.length; i += 2) {
            sum += points[i];
        }
        return sum / Landmarks.COUNT;
    }

    /** How much a similarity transform enlarges. */
    private static double scale(double[] matrix) {
        return Math.hypot(matrix[0], matrix[3]);
    }

    /**
     * A canvas, from the smallest view that has pixels enough: it was shrunk without aliasing.
     *
     * @param matrix from the view in which the face was seen to the canvas
     */
    private static FaceImage cut(double[] matrix, View view, List<View> views) {
        View from;
        double[] cut;
        int index = views.size();
        do {
            from = views.get(--index);
            cut = through(matrix, view.ratioX(from), view.ratioY(from));
        } while (scale(cut) > 1 && index > 0);
        return Pictures.warp(from.pixels, cut, LOOK);
    }

    /** The transform after pixels o of another view were brought to (o + 0.5) * ratio - 0.5. */
    private static double[] through(double[] matrix, double x, double y) {
        double shiftX = (x - 1) / 2;
        double shiftY = (y - 1) / 2;
        return new double[] {
            matrix[0] * x,
            matrix[1] * y,
            matrix[0] * shiftX + matrix[1] * shiftY + matrix[2],
            matrix[3] * x,
            matrix[4] * y,
            matrix[3] * shiftX + matrix[4] * shiftY + matrix[5]
        };
    }

    /** The landmarks of the face for which a canvas was cut, or null where it is not seen. */
    private static double[] seenAgain(Anchors anchors) {
        int top = -1;
        for (int i = 0; i < anchors.count; i++) {
            double[] points = asDoubles(anchors.landmarks(i));
            double x = middle(points, 0) - TARGET_X;
            double y = middle(points, 1) - TARGET_Y;
            boolean near = x * x + y * y < NEAR * FILL * LOOK * (NEAR * FILL * LOOK);
            if (near && (top < 0 || anchors.scores[i] > anchors.scores[top])) {
                top = i;
            }
        }
        return top < 0 ? null : asDoubles(anchors.blended(top));
    }

    private static double[] asDoubles(float[] numbers) {
        double[] result = new double[numbers.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = numbers[i];
        }
        return result;
    }
}
