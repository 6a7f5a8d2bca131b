package ghostface.edge;

import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.OptionException;

/**
 * Five landmarks to the 112x112 ArcFace crop: the one geometry that GhostFaceNets were trained on.
 *
 * <p>The formulas and their sources are those of {@code ghostface_edge/alignment.py}. A transform is 6 numbers a, b, x,
 * c, d, y: the point (p, q) goes to (a p + b q + x, c p + d q + y).
 */
public final class Alignment {
    /** Side of the aligned crop in pixels. */
    public static final int CROP_SIZE = 112;

    private static final int LARGEST_SIZE = 4096;

    /** {@code arcface_dst} in InsightFace, {@code python-package/insightface/utils/face_align.py}. */
    private static final double[] ARCFACE_TEMPLATE = {
        38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041
    };

    /** Landmarks whose narrow extent is below this share of their wide extent lie on a line; in profile it is 0.3. */
    private static final double FLATTEST = 1e-3;

    private static final double FARTHEST = 1e6;

    private Alignment() {}

    /** Where the landmarks come to lie in a crop of {@link #CROP_SIZE} pixels: x and y in turn; a copy. */
    public static double[] arcfaceTemplate() {
        return ARCFACE_TEMPLATE.clone();
    }

    /**
     * The similarity transform (rotation, uniform scale, translation) that maps the points of a face onto the ArcFace
     * template with the least squared error.
     *
     * @throws AlignmentException points that are not finite, coincide, or lie on one line
     */
    public static double[] similarityTransform(Landmarks landmarks) {
        return similarityTransform(landmarks, ARCFACE_TEMPLATE);
    }

    /**
     * The same onto a template of the caller's own.
     *
     * @param template where the landmarks should come to lie: x and y in turn, 10 numbers
     * @throws AlignmentException points that are not finite, coincide, or lie on one line
     */
    public static double[] similarityTransform(Landmarks landmarks, double[] template) {
        double[] source = checked(landmarks);
        double[] target = template.clone();
        double sourceX = centred(source, 0);
        double sourceY = centred(source, 1);
        double targetX = centred(target, 0);
        double targetY = centred(target, 1);
        // Points as complex numbers: a similarity is w = a z + b, and least squares gives a = <z, w> / <z, z>.
        double both = 0; // the squares of the extents of the centred points: their sum ...
        double differenceRe = 0; // ... and their difference
        double differenceIm = 0;
        double re = 0;
        double im = 0;
        for (int i = 0; i < source.length; i += 2) {
            double x = source[i];
            double y = source[i + 1];
            both += x * x + y * y;
            differenceRe += x * x - y * y;
            differenceIm += 2 * x * y;
            re += x * target[i] + y * target[i + 1];
            im += x * target[i + 1] - y * target[i];
        }
        double difference = Math.hypot(differenceRe, differenceIm);
        if (!(both > 1e-12)) {
            throw new AlignmentException("the landmarks coincide: no similarity transform can be computed");
        }
        if (both - difference < FLATTEST * FLATTEST * (both + difference)) {
            throw new AlignmentException("the landmarks lie on one line: no similarity transform can be computed");
        }
        re /= both;
        im /= both;
        if (!(Math.hypot(re, im) > 1e-9)) {
            throw new AlignmentException(
                    "the landmarks define no invertible similarity transform: they are mirrored or too far apart");
        }
        return new double[] {
            re, -im, targetX - (re * sourceX - im * sourceY), im, re, targetY - (im * sourceX + re * sourceY)
        };
    }

    /** The transform that undoes another. */
    public static double[] inverse(double[] matrix) {
        double a = matrix[0];
        double b = matrix[1];
        double x = matrix[2];
        double c = matrix[3];
        double d = matrix[4];
        double y = matrix[5];
        double determinant = a * d - b * c;
        return new double[] {
            d / determinant,
            -b / determinant,
            (b * y - d * x) / determinant,
            -c / determinant,
            a / determinant,
            (c * x - a * y) / determinant
        };
    }

    /** Points (x and y in turn) after a transform. */
    public static double[] mapped(double[] points, double[] matrix) {
        double[] result = new double[points.length];
        for (int i = 0; i < points.length; i += 2) {
            result[i] = points[i] * matrix[0] + points[i + 1] * matrix[1] + matrix[2];
            result[i + 1] = points[i] * matrix[3] + points[i + 1] * matrix[4] + matrix[5];
        }
        return result;
    }

    /** {@link #align(FaceImage, Landmarks, int)} to {@link #CROP_SIZE} pixels. */
    public static FaceImage align(FaceImage image, Landmarks landmarks) {
        return align(image, landmarks, CROP_SIZE);
    }

    /**
     * Warp a face to the ArcFace template, bilinearly; what lies beyond the photo is black.
     *
     * @param size side of the crop in pixels, 1 to 4096; the template is scaled with it
     * @return size x size pixels
     * @throws AlignmentException as {@link #similarityTransform}, or the face lies wholly outside the photo
     * @throws OptionException    a size out of range
     */
    public static FaceImage align(FaceImage image, Landmarks landmarks, int size) {
        if (size < 1 || size > LARGEST_SIZE) {
            throw new OptionException("size=" + size + " is not a number of pixels: use 1 to " + LARGEST_SIZE);
        }
        double[] target = ARCFACE_TEMPLATE.clone();
        for (int i = 0; i < target.length; i++) {
            target[i] *= (double) size / CROP_SIZE;
        }
        double[] matrix = similarityTransform(landmarks, target);
        // Two rectangles are apart where a side of one of them parts them.
        if (apart(size, size, inverse(matrix), image.width, image.height)
                || apart(image.width, image.height, matrix, size, size)) {
            throw new AlignmentException("the face lies outside the photo " + image.source + " of " + image.width
                    + " x " + image.height + " pixels");
        }
        return Pictures.warp(image, matrix, size);
    }

    /** Whether a picture, once transformed, lies wholly beyond one side of another. */
    private static boolean apart(int width, int height, double[] matrix, int otherWidth, int otherHeight) {
        int right = width - 1;
        int bottom = height - 1;
        double[] corners = mapped(new double[] {0, 0, right, 0, 0, bottom, right, bottom}, matrix);
        double left = Math.min(Math.min(corners[0], corners[2]), Math.min(corners[4], corners[6]));
        double top = Math.min(Math.min(corners[1], corners[3]), Math.min(corners[5], corners[7]));
        double farX = Math.max(Math.max(corners[0], corners[2]), Math.max(corners[4], corners[6]));
        double farY = Math.max(Math.max(corners[1], corners[3]), Math.max(corners[5], corners[7]));
        return farX < 0 || left > otherWidth - 1 || farY < 0 || top > otherHeight - 1;
    }

    private static double[] checked(Landmarks landmarks) {
        float[] xy = landmarks.toArray();
        double[] points = new double[xy.length];
        double largest = 0;
        for (int i = 0; i < xy.length; i++) {
            points[i] = xy[i];
            largest = Math.max(largest, Math.abs(points[i])); // NaN stays NaN
        }
        if (Double.isNaN(largest) || Double.isInfinite(largest)) {
            throw new AlignmentException("the landmarks hold NaN or infinity");
        }
        if (largest > FARTHEST) {
            throw new AlignmentException("the landmarks are beyond 1,000,000 pixels");
        }
        return points;
    }

    /** Takes the mean of every second number off them, in place, and returns it. */
    private static double centred(double[] points, int first) {
        double mean = 0;
        for (int i = first; i < points.length; i += 2) {
            mean += points[i];
        }
        mean /= points.length / 2;
        for (int i = first; i < points.length; i += 2) {
            points[i] -= mean;
        }
        return mean;
    }
}
