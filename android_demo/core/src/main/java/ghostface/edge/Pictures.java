package ghostface.edge;

import java.util.Arrays;

/**
 * Resampling as OpenCV computes it, so that networks see on a phone what they see in Python.
 *
 * <p>{@link #shrunk} gives OpenCV's very bytes (4.10 to 5.0 agree). {@link #warp} gives those of OpenCV 5.0, which
 * interpolates in float; OpenCV 4 rounds coordinates to 1/32 of a pixel, and on photographs 99.9 % of its values lie
 * within 1 grey level of these.
 */
public final class Pictures {
    private Pictures() {}

    /**
     * The picture at most {@code longest} pixels wide and high, by the mean over areas (OpenCV's {@code INTER_AREA});
     * the picture itself where it is no larger.
     */
    public static FaceImage shrunk(FaceImage image, int longest) {
        double scale = (double) longest / Math.max(image.width, image.height);
        if (scale >= 1) {
            return image;
        }
        int width = Math.max((int) Math.rint(image.width * scale), 1);
        int height = Math.max((int) Math.rint(image.height * scale), 1);
        byte[] rgb = image.width % width == 0 && image.height % height == 0
                ? meanOfBlocks(image, width, height)
                : meanOfAreas(image, width, height);
        return FaceImage.ofRgb(rgb, width, height, image.source);
    }

    /**
     * The picture half as wide and high; each pixel is the mean of 2 x 2. The last pixel of an odd side is left out.
     *
     * @param image at least 2 pixels wide and high
     */
    public static FaceImage halved(FaceImage image) {
        int width = image.width / 2;
        int height = image.height / 2;
        return FaceImage.ofRgb(meanOfBlocks(image, width, height), width, height, image.source);
    }

    /** Where each new pixel covers a whole number of pixels. */
    private static byte[] meanOfBlocks(FaceImage image, int width, int height) {
        byte[] pixels = image.pixels();
        int across = image.width / width;
        int down = image.height / height;
        float share = 1f / (across * down);
        boolean byTwo = across == 2 && down == 2; // OpenCV rounds .5 up here, and to even elsewhere
        byte[] result = new byte[3 * width * height];
        int[] sums = new int[3 * width];
        for (int row = 0; row < height; row++) {
            Arrays.fill(sums, 0);
            int from = 3 * row * down * image.width;
            for (int y = 0; y < down; y++) {
                for (int to = 0; to < sums.length; to += 3) {
                    int red = 0;
                    int green = 0;
                    int blue = 0;
                    for (int x = 0; x < across; x++) {
                        red += pixels[from] & 255;
                        green += pixels[from + 1] & 255;
                        blue += pixels[from + 2] & 255;
                        from += 3;
                    }
                    sums[to] += red;
                    sums[to + 1] += green;
                    sums[to + 2] += blue;
                }
                from += 3 * (image.width - across * width);
            }
            int place = row * sums.length;
            for (int sum : sums) {
                result[place++] = (byte) (byTwo ? sum + 2 >> 2 : (int) Math.rint(sum * share));
            }
        }
        return result;
    }

    /** Where pixels are shared between new ones. The order of the additions is OpenCV's. */
    private static byte[] meanOfAreas(FaceImage image, int width, int height) {
        byte[] pixels = image.pixels();
        Shares columns = new Shares(image.width, width);
        Shares rows = new Shares(image.height, height);
        byte[] result = new byte[3 * width * height];
        float[] sums = new float[3 * width];
        for (int row = 0; row < height; row++) {
            Arrays.fill(sums, 0);
            for (int j = rows.start[row]; j < rows.start[row + 1]; j++) {
                float weight = rows.share[j];
                int line = 3 * image.width * rows.from[j];
                int to = 0;
                for (int column = 0; column < width; column++) {
                    float red = 0;
                    float green = 0;
                    float blue = 0;
                    for (int i = columns.start[column]; i < columns.start[column + 1]; i++) {
                        int from = line + 3 * columns.from[i];
                        float share = columns.share[i];
                        red += (pixels[from] & 255) * share;
                        green += (pixels[from + 1] & 255) * share;
                        blue += (pixels[from + 2] & 255) * share;
                    }
                    sums[to++] += weight * red;
                    sums[to++] += weight * green;
                    sums[to++] += weight * blue;
                }
            }
            int place = row * sums.length;
            for (float sum : sums) {
                result[place++] = (byte) Math.min((int) Math.rint(sum), 255);
            }
        }
        return result;
    }

    /** What each new pixel takes of which old ones, along one side of a picture. */
    private static final class Shares {
        /** The entries of a new pixel begin here; those of the next one end them. */
        final int[] start;
        final int[] from;
        final float[] share;

        Shares(int large, int small) {
            double scale = 1 / ((double) small / large); // not large / small: the roundings are OpenCV's
            start = new int[small + 1];
            from = new int[large + 2 * small];
            share = new float[from.length];
            int count = 0;
            for (int i = 0; i < small; i++) {
                double left = i * scale;
                double right = left + scale;
                double extent = Math.min(scale, large - left);
                int last = Math.min((int) Math.floor(right), large - 1);
                int first = Math.min((int) Math.ceil(left), last);
                if (first - left > 1e-3) {
                    from[count] = first - 1;
                    share[count++] = (float) ((first - left) / extent);
                }
                for (int whole = first; whole < last; whole++) {
                    from[count] = whole;
                    share[count++] = (float) (1 / extent);
                }
                if (right - last > 1e-3) {
                    from[count] = last;
                    share[count++] = (float) (Math.min(Math.min(right - last, 1), extent) / extent);
                }
                start[i + 1] = count;
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
