package ghostface.edge;

import ghostface.edge.detection.View;

/**
 * Resampling as OpenCV computes it, so that networks see on a phone what they see in Python.
 *
 * <p>{@link #halved} and {@link #interpolated} give OpenCV's very bytes (4.10 to 5.0 agree). {@link #warp} gives those
 * of OpenCV 5.0, which interpolates in float; OpenCV 4 rounds coordinates to 1/32 of a pixel, and on photographs 99.9 %
 * of its values lie within 1 grey level of these.
 */
public final class Pictures {
    private static final int WEIGHT_BITS = 8; // of those of OpenCV's fixed-point numbers
    private static final int ONE = 1 << WEIGHT_BITS; // the sum of two weights

    private Pictures() {}

    /**
     * The picture at most {@code longest} pixels wide and high, as {@link View#shrunk} has it; the picture itself where
     * it is no larger.
     */
    public static FaceImage shrunk(FaceImage image, int longest) {
        return new View(image).shrunk(longest).pixels;
    }

    /**
     * The picture half as wide and high; each pixel is the mean of 2 x 2, .5 rounded up (OpenCV's {@code INTER_AREA}).
     * The last pixel of an odd side is left out.
     *
     * @param image at least 2 pixels wide and high
     */
    public static FaceImage halved(FaceImage image) {
        int width = image.width / 2;
        int height = image.height / 2;
        byte[] pixels = image.pixels();
        int line = 3 * image.width;
        byte[] result = new byte[3 * width * height];
        int to = 0;
        for (int row = 0; row < height; row++) {
            int corner = 2 * row * line;
            for (int column = 0; column < width; column++, corner += 6) {
                for (int from = corner; from < corner + 3; from++) {
                    int sum = (pixels[from] & 255)
                            + (pixels[from + 3] & 255)
                            + (pixels[from + line] & 255)
                            + (pixels[from + line + 3] & 255);
                    result[to++] = (byte) (sum + 2 >> 2);
                }
            }
        }
        return FaceImage.ofRgb(result, width, height, image.source);
    }

    /**
     * The picture at another size, bilinearly (OpenCV's {@code INTER_LINEAR_EXACT}).
     *
     * @param width  as that of the image, or less; below a half of it pixels are passed over
     * @param height the same
     */
    public static FaceImage interpolated(FaceImage image, int width, int height) {
        Between columns = new Between(image.width, width);
        Between rows = new Between(image.height, height);
        byte[] result = new byte[3 * width * height];
        int[] upper = new int[3 * width];
        int[] lower = new int[3 * width];
        int last = -1; // the row of the image that is in lower
        int to = 0;
        for (int row = 0; row < height; row++) {
            if (rows.first[row] == last) {
                int[] spare = upper;
                upper = lower;
                lower = spare;
            } else {
                columns.interpolate(image, rows.first[row], upper);
            }
            last = rows.second(row);
            columns.interpolate(image, last, lower);
            int weight = rows.weight[row];
            for (int place = 0; place < upper.length; place++) {
                int value = upper[place] * (ONE - weight) + lower[place] * weight;
                result[to++] = (byte) (value + ONE * ONE / 2 >> 2 * WEIGHT_BITS);
            }
        }
        return FaceImage.ofRgb(result, width, height, image.source);
    }

    /** Between which two pixels the new ones lie, along one side of a picture that becomes no larger. */
    private static final class Between {
        /** The first of the two. */
        final int[] first;
        /** Of the second, 0 to {@link #ONE}. */
        final int[] weight;

        private final int end;

        Between(int large, int small) {
            double scale = 1 / ((double) small / large); // not large / small: the roundings are OpenCV's
            first = new int[small];
            weight = new int[small];
            end = large - 1;
            for (int i = 0; i < small; i++) {
                double place = scale * (i + 0.5) - 0.5;
                first[i] = Math.min((int) place, end);
                weight[i] = first[i] == end ? 0 : (int) Math.rint((place - first[i]) * ONE);
            }
        }

        /** The second of the two; beyond the last pixel there is none, and no weight. */
        int second(int i) {
            return Math.min(first[i] + 1, end);
        }

        /** A row of a picture, {@link #ONE} times as bright, put into a list of numbers. */
        void interpolate(FaceImage image, int row, int[] result) {
            byte[] pixels = image.pixels();
            int line = 3 * image.width * row;
            int to = 0;
            for (int i = 0; i < first.length; i++) {
                int a = line + 3 * first[i];
                int b = line + 3 * second(i);
                int share = weight[i];
                for (int channel = 0; channel < 3; channel++) {
                    result[to++] = (pixels[a + channel] & 255) * (ONE - share) + (pixels[b + channel] & 255) * share;
                }
            }
        }
    }

    /**
     * The square of {@code size} pixels that a transform cuts out of a picture, bilinearly, black beyond its border
     * (OpenCV's {@code warpAffine}).
     *
     * @param matrix photo to square, 6 numbers as {@link Alignment#similarityTransform} returns them
     */
    public static FaceImage warp(FaceImage image, double[] matrix, int size) {
        double[] back = Alignment.inverse(matrix);
        float columnX = (float) back[0];
        float rowX = (float) back[1];
        float startX = (float) back[2];
        float columnY = (float) back[3];
        float rowY = (float) back[4];
        float startY = (float) back[5];
        byte[] pixels = image.pixels();
        int line = 3 * image.width;
        byte[] result = new byte[3 * size * size];
        for (int row = 0; row < size; row++) {
            float lineX = rowX * row + startX;
            float lineY = rowY * row + startY;
            int place = 3 * size * row;
            for (int column = 0; column < size; column++, place += 3) {
                float x = fused(columnX, column, lineX);
                float y = fused(columnY, column, lineY);
                int left = (int) Math.floor(x);
                int top = (int) Math.floor(y);
                if (left < -1 || left >= image.width || top < -1 || top >= image.height) {
                    continue;
                }
                x -= left;
                y -= top;
                boolean hasLeft = left >= 0;
                boolean hasRight = left < image.width - 1;
                boolean hasTop = top >= 0;
                boolean hasBottom = top < image.height - 1;
                int corner = top * line + 3 * left;
                for (int channel = 0; channel < 3; channel++) {
                    int from = corner + channel;
                    int a = hasTop && hasLeft ? pixels[from] & 255 : 0;
                    int b = hasTop && hasRight ? pixels[from + 3] & 255 : 0;
                    int c = hasBottom && hasLeft ? pixels[from + line] & 255 : 0;
                    int d = hasBottom && hasRight ? pixels[from + line + 3] & 255 : 0;
                    float upper = fused(x, b - a, a);
                    float lower = fused(x, d - c, c);
                    result[place + channel] = (byte) (int) Math.rint(fused(y, lower - upper, upper));
                }
            }
        }
        return FaceImage.ofRgb(result, size, size, image.source);
    }

    /** a * b + c, rounded once as by the multiply-add of a CPU; Java has none before version 9. */
    private static float fused(float a, float b, float c) {
        return (float) ((double) a * b + c);
    }
}
