package ghostface.edge.detection;

import ghostface.edge.FaceImage;
import ghostface.edge.Pictures;
import java.util.ArrayList;
import java.util.List;

/**
 * A photo, or the photo made smaller: at one of the sizes at which a detector looks at it. For one thread.
 *
 * <p>Pixel centres lie at whole numbers, so the edge of a view lies at -0.5, as that of the photo does.
 */
public final class View {
    public final FaceImage pixels;
    /** How much wider the photo is. */
    public final double scaleX;
    /** How much higher the photo is. */
    public final double scaleY;

    private View half; // null until it is asked for

    /** The photo itself. */
    public View(FaceImage photo) {
        this(photo, 1, 1);
    }

    private View(FaceImage pixels, double scaleX, double scaleY) {
        this.pixels = pixels;
        this.scaleX = scaleX;
        this.scaleY = scaleY;
    }

    /** Its longest side, pixels. */
    public int longest() {
        return Math.max(pixels.width, pixels.height);
    }

    /** Half as wide and high, computed once; at least 2 pixels must be there in either direction. */
    public View half() {
        if (half == null) {
            half = new View(Pictures.halved(pixels), 2 * scaleX, 2 * scaleY);
        }
        return half;
    }

    /** This view, and it halved again and again until no side is longer, pixels: the largest first. */
    public List<View> halved(int longest) {
        List<View> views = new ArrayList<>();
        View view = this;
        views.add(view);
        while (view.longest() > longest && view.canBeHalved()) {
            view = view.half();
            views.add(view);
        }
        return views;
    }

    /**
     * At most so many pixels wide and high; never enlarged.
     *
     * <p>Halved as far as that leaves enough pixels, and then interpolated by less than two: nothing aliases.
     */
    public View shrunk(int longest) {
        View view = this;
        while (view.longest() >= 2L * longest && view.canBeHalved()) {
            view = view.half();
        }
        if (view.longest() <= longest) {
            return view;
        }
        int width = view.part(view.pixels.width, longest);
        int height = view.part(view.pixels.height, longest);
        return new View(
                Pictures.interpolated(view.pixels, width, height),
                (double) view.pixels.width / width * view.scaleX,
                (double) view.pixels.height / height * view.scaleY);
    }

    /** What becomes of a side when the longest one becomes so many pixels. */
    private int part(int side, int longest) {
        return Math.max((int) Math.rint((double) side * longest / longest()), 1);
    }

    /** How much wider this view is than another of the same photo. */
    public double ratioX(View other) {
        return other.scaleX / scaleX;
    }

    /** How much higher this view is than another of the same photo. */
    public double ratioY(View other) {
        return other.scaleY / scaleY;
    }

    private boolean canBeHalved() {
        return Math.min(pixels.width, pixels.height) > 1;
    }
}
