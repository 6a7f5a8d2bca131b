package ghostface.edge.app;

/** Where a picture lies in a view that shows all of it, as large as possible and in the middle. */
public final class Fit {
    /** Pixels of the view per pixel of the picture. */
    public final float scale;
    public final float left;
    public final float top;
    private final float width;
    private final boolean mirrored;

    /**
     * @param width    of the picture, as its height
     * @param into     width of the view, as its height
     * @param mirrored whether the view shows the picture mirrored, as the preview of a front camera does
     */
    public Fit(int width, int height, int into, int intoHeight, boolean mirrored) {
        this.scale = Math.min((float) into / width, (float) intoHeight / height);
        this.left = (into - width * scale) / 2;
        this.top = (intoHeight - height * scale) / 2;
        this.width = width;
        this.mirrored = mirrored;
    }

    /** Column of the view at which a column of the picture lies. */
    public float x(float x) {
        return left + (mirrored ? width - x : x) * scale;
    }

    public float y(float y) {
        return top + y * scale;
    }

    /** Column of the picture that lies at a column of the view. */
    public float pictureX(float x) {
        float place = (x - left) / scale;
        return mirrored ? width - place : place;
    }

    public float pictureY(float y) {
        return (y - top) / scale;
    }
}
