package ghostface.edge;

import java.util.Locale;

/** An axis-aligned rectangle in pixels. It may reach beyond the photo. */
public final class Box {
    public final float x1;
    public final float y1;
    public final float x2;
    public final float y2;

    /** Left, top, right, bottom. */
    public Box(float x1, float y1, float x2, float y2) {
        this.x1 = x1;
        this.y1 = y1;
        this.x2 = x2;
        this.y2 = y2;
    }

    public float width() {
        return x2 - x1;
    }

    public float height() {
        return y2 - y1;
    }

    /** Square pixels; 0 for an empty box. */
    public double area() {
        return Math.max((double) x2 - x1, 0) * Math.max((double) y2 - y1, 0);
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "Box(%.1f, %.1f, %.1f, %.1f)", x1, y1, x2, y2);
    }
}
