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
import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** Finds faces with YuNet, as {@code ghostface_edge/detection/yunet.py} does; the reasons for its numbers are there. */
public final class YuNet implements Detector {
    /**
     * Longest side, in pixels, of what the network sees of a photo; of faces 1/32 of it wide, 95 % are found.
     *
     * <p>Where no face is found in a larger photo, the two blending modes look once more at twice this size.
     */
    public static final int MAX_SIZE = 640;

    /** How much is done for the landmarks. */
    public enum Mode {
        /**
         * The whole photo once, the landmarks of each face blended over its anchors; then two more looks at each face
         * alone. The mean is what alignment gets.
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
    private static final double FLOOR = 0.3; // anchors below this score say nothing
    private static final double OVERLAP = 0.3; // IoU above which two anchors see one face
    private static final float ABSURD = 1e6f; // in cells: no output of a face detector is as large

    /** Side of the canvas of a second look. */
    private static final int LOOK = 160;

    /** For each second look the share of the canvas that the aligned crop fills. The second one is mirrored. */
    private static final double[] FILLS = {0.45, 0.6};

    private static final boolean[] MIRRORED = {false, true};
    private static final double NEAR = 0.25; // of the crop's side: how far from its place a face may be seen again
    private static final int[] MIRRORED_POINTS = {1, 0, 2, 4, 3}; // left and right change places

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
        if (!(score >= FLOOR && score < 1)) {
            throw new OptionException("score=" + score + " is not between " + FLOOR + " and 1");
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
        List<Detection> found = find(image, maxSize);
        if (found.isEmpty() && mode != Mode.PLAIN && Math.max(image.width, image.height) > maxSize) {
            found = find(image, 2 * maxSize); // the faces may be too small, not absent
        }
        return Detections.checked(found, name());
    }

    private List<Detection> find(FaceImage image, int longest) {
        FaceImage view = Pictures.shrunk(image, longest);
        Anchors anchors = look(view);
        if (mode != Mode.PLAIN && Math.max(view.width, view.height) > 2 * GLANCE) {
            FaceImage glance = Pictures.shrunk(view, GLANCE);
            anchors = anchors.and(look(glance).rescaled(ratio(view.width, glance.width),
                    ratio(view.height, glance.height)));
        }
        int[] best = anchors.best(score, OVERLAP);
        if (best.length == 0) {
            return Collections.emptyList();
        }
        float[][] landmarks = new float[best.length][];
        for (int i = 0; i < best.length; i++) {
            landmarks[i] = mode == Mode.PLAIN ? anchors.landmarks(best[i]) : anchors.blended(best[i]);
            if (mode == Mode.ACCURATE) {
                landmarks[i] = lookAgain(image, view, landmarks[i]);
            }
        }
        return anchors.with(best, landmarks)
                .rescaled(ratio(image.width, view.width), ratio(image.height, view.height))
                .detections();
    }

    private static double ratio(int large, int small) {
        return (double) large / small;
    }

    /** The anchors of one picture. */
    private Anchors look(FaceImage view) {
        return Anchors.decode(run(view), 0, FLOOR);
    }

    /** One (N, h, w, 16) grid per stride for pictures of one size, checked. */
    private Tensor[] run(FaceImage... pictures) {
        int height = padded(pictures[0].height);
        int width = padded(pictures[0].width);
        ModelCard card = session.card();
        Tensor[] grids = session.run(card.input.layout.equals("NCHW")
                ? planes(pictures, height, width)
                : interleaved(pictures, height, width));
        boolean fitting = grids.length == Anchors.STRIDES.length;
        for (int i = 0; fitting && i < grids.length; i++) {
            int stride = Anchors.STRIDES[i];
            fitting = Arrays.equals(grids[i].shape(),
                    new int[] {pictures.length, height / stride, width / stride, Anchors.CHANNELS});
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
        return grids;
    }

    private static int padded(int side) {
        return (side + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    }

    /** Pictures as (N, 3, height, width), padded with black at the right and at the bottom. */
    private static Tensor planes(FaceImage[] pictures, int height, int width) {
        float[] values = new float[pictures.length * 3 * height * width];
        int plane = height * width;
        for (int n = 0; n < pictures.length; n++) {
            FaceImage picture = pictures[n];
            byte[] pixels = picture.pixels();
            int from = 0;
            for (int y = 0; y < picture.height; y++) {
                int to = n * 3 * plane + y * width;
                for (int x = 0; x < picture.width; x++, to++, from += 3) {
                    values[to] = pixels[from] & 255;
                    values[to + plane] = pixels[from + 1] & 255;
                    values[to + 2 * plane] = pixels[from + 2] & 255;
                }
            }
        }
        return new Tensor(values, pictures.length, 3, height, width);
    }

    /** Pictures as (N, height, width, 3), padded with black at the right and at the bottom. */
    private static Tensor interleaved(FaceImage[] pictures, int height, int width) {
        float[] values = new float[pictures.length * height * width * 3];
        for (int n = 0; n < pictures.length; n++) {
            FaceImage picture = pictures[n];
            byte[] pixels = picture.pixels();
            int from = 0;
            for (int y = 0; y < picture.height; y++) {
                int to = 3 * (n * height + y) * width;
                for (int end = to + 3 * picture.width; to < end; to++) {
                    values[to] = pixels[from++] & 255;
                }
            }
        }
        return new Tensor(values, pictures.length, height, width, 3);
    }

    /**
     * The mean of a face's landmarks and of what closer looks at it say, in pixels of the view.
     *
     * <p>Each face on its own: that is faster than many at once, and takes the same memory for a crowd as for one.
     */
    private float[] lookAgain(FaceImage photo, FaceImage view, float[] landmarks) {
        double[][] canvases = new double[FILLS.length][];
        FaceImage[] cuts = new FaceImage[FILLS.length];
        try {
            for (int i = 0; i < canvases.length; i++) {
                canvases[i] = canvas(landmarks, FILLS[i], MIRRORED[i]);
            }
        } catch (AlignmentException error) {
            return landmarks; // no geometry to look closer with: the first estimate stands
        }
        for (int i = 0; i < canvases.length; i++) {
            cuts[i] = cut(photo, view, canvases[i]);
        }
        Tensor[] grids = run(cuts);
        double[] sums = new double[landmarks.length];
        int estimates = 0;
        // Where the photo shows the face larger than the view did, the first estimate is the poorest and is left out.
        if (!fromPhoto(photo, view, canvases[0])) {
            add(sums, asDoubles(landmarks));
            estimates++;
        }
        for (int i = 0; i < canvases.length; i++) {
            float[] seen = seenAgain(Anchors.decode(grids, i, FLOOR), FILLS[i]);
            if (seen != null) {
                double[] points = MIRRORED[i] ? swapped(seen) : asDoubles(seen);
                add(sums, Alignment.mapped(points, Alignment.inverse(canvases[i])));
                estimates++;
            }
        }
        if (estimates == 0) {
            return landmarks;
        }
        float[] mean = new float[sums.length];
        for (int i = 0; i < mean.length; i++) {
            mean[i] = (float) (sums[i] / estimates);
        }
        return mean;
    }

    private static void add(double[] sums, double[] numbers) {
        for (int i = 0; i < sums.length; i++) {
            sums[i] += numbers[i];
        }
    }

    private static double[] asDoubles(float[] numbers) {
        double[] result = new double[numbers.length];
        for (int i = 0; i < result.length; i++) {
            result[i] = numbers[i];
        }
        return result;
    }

    private static double[] swapped(float[] points) {
        double[] result = new double[points.length];
        for (int i = 0; i < MIRRORED_POINTS.length; i++) {
            result[2 * i] = points[2 * MIRRORED_POINTS[i]];
            result[2 * i + 1] = points[2 * MIRRORED_POINTS[i] + 1];
        }
        return result;
    }

    /** The transform that puts a face upright into the middle of a canvas. */
    private static double[] canvas(float[] landmarks, double fill, boolean mirrored) {
        double[] matrix = Alignment.similarityTransform(new Landmarks(landmarks), target(fill));
        if (mirrored) {
            matrix[0] = -matrix[0];
            matrix[1] = -matrix[1];
            matrix[2] = LOOK - 1 - matrix[2];
        }
        return matrix;
    }

    /** Where the landmarks of a face come to lie on a canvas, before it is mirrored. */
    private static double[] target(double fill) {
        double[] points = Alignment.arcfaceTemplate();
        for (int i = 0; i < points.length; i++) {
            points[i] = (points[i] - (Alignment.CROP_SIZE - 1) / 2.0) * (fill * LOOK / Alignment.CROP_SIZE)
                    + (LOOK - 1) / 2.0;
        }
        return points;
    }

    /** Whether a canvas is cut from the photo: where the shrunk view has too few pixels of the face. */
    private static boolean fromPhoto(FaceImage photo, FaceImage view, double[] matrix) {
        return view != photo && Math.hypot(matrix[0], matrix[3]) > 1;
    }

    /** A canvas, from the view if that has pixels enough (it was shrunk without aliasing), else from the photo. */
    private static FaceImage cut(FaceImage photo, FaceImage view, double[] matrix) {
        if (!fromPhoto(photo, view, matrix)) {
            return Pictures.warp(view, matrix, LOOK);
        }
        double x = ratio(view.width, photo.width);
        double y = ratio(view.height, photo.height);
        // photo to view: v = (p + 0.5) * ratio - 0.5
        double shiftX = (x - 1) / 2;
        double shiftY = (y - 1) / 2;
        return Pictures.warp(
                photo,
                new double[] {
                    matrix[0] * x,
                    matrix[1] * y,
                    matrix[0] * shiftX + matrix[1] * shiftY + matrix[2],
                    matrix[3] * x,
                    matrix[4] * y,
                    matrix[3] * shiftX + matrix[4] * shiftY + matrix[5]
                },
                LOOK);
    }

    /** The landmarks of the face for which a canvas was cut, or null where it is not seen. */
    private static float[] seenAgain(Anchors anchors, double fill) {
        double[] target = target(fill);
        int top = -1;
        for (int i = 0; i < anchors.count; i++) {
            float[] points = anchors.landmarks(i);
            double x = 0;
            double y = 0;
            for (int j = 0; j < points.length; j += 2) {
                x += (points[j] - target[j]) / Landmarks.COUNT;
                y += (points[j + 1] - target[j + 1]) / Landmarks.COUNT;
            }
            boolean near = Math.hypot(x, y) < NEAR * fill * LOOK;
            if (near && (top < 0 || anchors.scores[i] > anchors.scores[top])) {
                top = i;
            }
        }
        return top < 0 ? null : anchors.blended(top);
    }
}
