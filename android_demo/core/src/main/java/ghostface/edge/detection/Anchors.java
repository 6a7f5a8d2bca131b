package ghostface.edge.detection;

import ghostface.edge.Box;
import ghostface.edge.Detection;
import ghostface.edge.Landmarks;
import ghostface.edge.runtime.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Anchors that see a face: decoding, non-maximum suppression, and blending the anchors of one face. The formulas and
 * their sources are those of {@code ghostface_edge/detection/anchors.py}.
 */
final class Anchors {
    /** Pixels of the detector's input per cell, in the order of the model's outputs. */
    static final int[] STRIDES = {8, 16, 32};

    /** Numbers per cell: class and objectness logits, box (4), landmarks (10). */
    static final int CHANNELS = 16;

    private static final int POINTS = 2 * Landmarks.COUNT;

    private static final float LARGEST_LOG_SIDE = 10; // exp of more is no face but an overflow

    /** Score below which an anchor says nothing. */
    static final double FLOOR = 0.3;

    /** Overlap (IoU) with the best anchor from which on another anchor has seen the same face. */
    private static final float SAME_FACE = 0.4f;

    final int count;
    /** 0 to 1. */
    final float[] scores;
    /** Left, top, right, bottom of each in pixels. */
    final float[] boxes;
    /** 10 numbers each, pixels. */
    final float[] landmarks;

    private Anchors(int count, float[] scores, float[] boxes, float[] landmarks) {
        this.count = count;
        this.scores = scores;
        this.boxes = boxes;
        this.landmarks = landmarks;
    }

    /**
     * The anchors of one picture whose score reaches a floor.
     *
     * @param grids one tensor (1, h, w, 16) per stride
     * @param least score below which anchors are left out
     * @return anchors in pixels of the network's input
     */
    static Anchors decode(Tensor[] grids, double least) {
        // The score is the geometric mean of two probabilities. Neither is above 1, so where it reaches `least`, both
        // reach its square; this leaves a handful of cells to compute with.
        float worth = (float) Math.log(least * least / (1 - least * least));
        float floor = (float) least;
        int count = 0;
        float[] scores = new float[16];
        float[] boxes = new float[4 * scores.length];
        float[] landmarks = new float[POINTS * scores.length];
        for (int level = 0; level < STRIDES.length; level++) {
            int stride = STRIDES[level];
            float[] cells = grids[level].values;
            int[] shape = grids[level].shape();
            int cell = 0;
            for (int row = 0; row < shape[1]; row++) {
                for (int column = 0; column < shape[2]; column++, cell += CHANNELS) {
                    if (!(cells[cell] >= worth && cells[cell + 1] >= worth)) {
                        continue;
                    }
                    float score = (float) Math.sqrt(probability(cells[cell]) * probability(cells[cell + 1]));
                    if (!(score >= floor)) {
                        continue;
                    }
                    if (count == scores.length) {
                        scores = Arrays.copyOf(scores, 2 * count);
                        boxes = Arrays.copyOf(boxes, 4 * scores.length);
                        landmarks = Arrays.copyOf(landmarks, POINTS * scores.length);
                    }
                    float x = (column + cells[cell + 2]) * stride;
                    float y = (row + cells[cell + 3]) * stride;
                    float halfWidth = exp(Math.min(cells[cell + 4], LARGEST_LOG_SIDE)) * (stride / 2);
                    float halfHeight = exp(Math.min(cells[cell + 5], LARGEST_LOG_SIDE)) * (stride / 2);
                    scores[count] = score;
                    boxes[4 * count] = x - halfWidth;
                    boxes[4 * count + 1] = y - halfHeight;
                    boxes[4 * count + 2] = x + halfWidth;
                    boxes[4 * count + 3] = y + halfHeight;
                    for (int i = 0; i < POINTS; i += 2) {
                        landmarks[POINTS * count + i] = (cells[cell + 6 + i] + column) * stride;
                        landmarks[POINTS * count + i + 1] = (cells[cell + 7 + i] + row) * stride;
                    }
                    count++;
                }
            }
        }
        return new Anchors(count, scores, boxes, landmarks);
    }

    private static float probability(float logit) {
        return 1 / (1 + exp(-logit));
    }

    private static float exp(float value) {
        return (float) Math.exp(value);
    }

    /** These and more of the same picture, in the same coordinates. */
    Anchors and(Anchors more) {
        int sum = count + more.count;
        float[] newScores = Arrays.copyOf(scores, sum);
        float[] newBoxes = Arrays.copyOf(boxes, 4 * sum);
        float[] newLandmarks = Arrays.copyOf(landmarks, POINTS * sum);
        System.arraycopy(more.scores, 0, newScores, count, more.count);
        System.arraycopy(more.boxes, 0, newBoxes, 4 * count, 4 * more.count);
        System.arraycopy(more.landmarks, 0, newLandmarks, POINTS * count, POINTS * more.count);
        return new Anchors(sum, newScores, newBoxes, newLandmarks);
    }

    /**
     * The same anchors in a picture that is {@code x} times as wide and {@code y} times as high. Pixel centres lie at
     * whole numbers, so the edge of the picture lies at -0.5 in both.
     */
    Anchors rescaled(double x, double y) {
        return new Anchors(count, scores, rescaled(boxes, x, y), rescaled(landmarks, x, y));
    }

    private static float[] rescaled(float[] xy, double x, double y) {
        float factorX = (float) x;
        float factorY = (float) y;
        float shiftX = (factorX - 1) / 2;
        float shiftY = (factorY - 1) / 2;
        float[] result = new float[xy.length];
        for (int i = 0; i < xy.length; i += 2) {
            result[i] = xy[i] * factorX + shiftX;
            result[i + 1] = xy[i + 1] * factorY + shiftY;
        }
        return result;
    }

    /**
     * Non-maximum suppression: one anchor per face, best first.
     *
     * @param least   score that an anchor needs
     * @param overlap IoU with a better anchor above which an anchor is dropped
     * @return indices
     */
    int[] best(double least, double overlap) {
        float floor = (float) least;
        float limit = (float) overlap;
        boolean[] done = new boolean[count];
        int[] kept = new int[count];
        int found = 0;
        while (true) {
            int top = -1;
            for (int i = 0; i < count; i++) {
                if (!done[i] && scores[i] >= floor && (top < 0 || scores[i] > scores[top])) {
                    top = i;
                }
            }
            if (top < 0) {
                return Arrays.copyOf(kept, found);
            }
            kept[found++] = top;
            for (int i = 0; i < count; i++) {
                done[i] |= i == top || overlap(top, i) > limit;
            }
        }
    }

    /** IoU of two boxes. */
    float overlap(int a, int b) {
        float width = Math.min(boxes[4 * a + 2], boxes[4 * b + 2]) - Math.max(boxes[4 * a], boxes[4 * b]);
        float height = Math.min(boxes[4 * a + 3], boxes[4 * b + 3]) - Math.max(boxes[4 * a + 1], boxes[4 * b + 1]);
        float both = Math.max(width, 0) * Math.max(height, 0);
        float union = area(b) + area(a) - both;
        return both / Math.max(union, Float.MIN_NORMAL);
    }

    private float area(int index) {
        return (boxes[4 * index + 2] - boxes[4 * index]) * (boxes[4 * index + 3] - boxes[4 * index + 1]);
    }

    /** The box of one anchor. */
    Box box(int index) {
        return new Box(boxes[4 * index], boxes[4 * index + 1], boxes[4 * index + 2], boxes[4 * index + 3]);
    }

    /** The landmarks of one anchor, 10 numbers. */
    float[] landmarks(int index) {
        return Arrays.copyOfRange(landmarks, POINTS * index, POINTS * (index + 1));
    }

    /**
     * Landmarks of a face (10 numbers), averaged over every anchor that saw it: one anchor's scatter by 2 to 3.6 pixels
     * of the aligned crop, the mean scatters less and costs nothing.
     *
     * <p>An anchor weighs what its score is above {@link #FLOOR} times what its overlap is above that of another face:
     * so none comes or goes with a jump.
     */
    float[] blended(int index) {
        double[] sums = new double[POINTS];
        double weights = 0;
        for (int i = 0; i < count; i++) {
            float weight = Math.max(scores[i] - (float) FLOOR, 0) * Math.max(overlap(index, i) - SAME_FACE, 0);
            if (i == index) {
                weight = Math.max(weight, Float.MIN_NORMAL); // a box without area does not even overlap itself
            }
            weights += weight;
            for (int j = 0; j < POINTS; j++) {
                sums[j] += (double) weight * landmarks[POINTS * i + j];
            }
        }
        float[] mean = new float[POINTS];
        for (int j = 0; j < POINTS; j++) {
            mean[j] = (float) (sums[j] / weights);
        }
        return mean;
    }

    /** One of the anchors, with other landmarks (10 numbers). */
    Anchors with(int index, float[] points) {
        return new Anchors(
                1, new float[] {scores[index]}, Arrays.copyOfRange(boxes, 4 * index, 4 * index + 4), points.clone());
    }

    /** Each anchor as a result. */
    List<Detection> detections() {
        List<Detection> result = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            result.add(new Detection(box(i), scores[i], new Landmarks(landmarks(i))));
        }
        return result;
    }
}
