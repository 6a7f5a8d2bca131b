package ghostface.edge;

import ghostface.edge.errors.AlignmentException;

/**
 * The five points of a face: left eye, right eye, nose, left and right corner of the mouth, as seen in the picture
 * ({@code left} is the viewer's left). Pixels of the upright photo, x to the right, y down, the centre of the top-left
 * pixel at (0, 0).
 */
public final class Landmarks {
    /** Number of points. */
    public static final int COUNT = 5;

    private final float[] xy;

    /**
     * @param xy x and y of each point in turn, 10 numbers; copied
     * @throws AlignmentException not 10 numbers
     */
    public Landmarks(float... xy) {
        if (xy.length != 2 * COUNT) {
            throw new AlignmentException("landmarks are " + COUNT + " points, 10 numbers, got " + xy.length);
        }
        this.xy = xy.clone();
    }

    public float x(int point) {
        return xy[2 * point];
    }

    public float y(int point) {
        return xy[2 * point + 1];
    }

    /** A copy: x and y of each point in turn. */
    public float[] toArray() {
        return xy.clone();
    }
}
