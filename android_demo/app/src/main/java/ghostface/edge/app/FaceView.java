package ghostface.edge.app;

import android.content.Context;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Paint;
import android.graphics.RectF;
import android.graphics.Typeface;
import android.util.AttributeSet;
import android.util.TypedValue;
import android.view.MotionEvent;
import android.view.View;
import android.view.ViewOutlineProvider;
import ghostface.edge.Box;
import java.util.Collections;
import java.util.List;

/** A photo with boxes and names on its faces, or only those, to lie on the preview of a camera. */
public final class FaceView extends View {
    /** A box to draw. */
    public static final class Mark {
        final Box box;
        final String label;
        final int colour;

        /**
         * @param box    pixels of the picture
         * @param label  may be empty
         * @param colour ARGB
         */
        public Mark(Box box, String label, int colour) {
            this.box = box;
            this.label = label;
            this.colour = colour;
        }
    }

    /** Is told which mark was tapped. */
    public interface OnMarkTapped {
        void tapped(int mark);
    }

    private final Paint photoPaint = new Paint(Paint.FILTER_BITMAP_FLAG);
    private final Paint line = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint tag = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final Paint text = new Paint(Paint.ANTI_ALIAS_FLAG);
    private final RectF place = new RectF();
    private final float dp;

    private Bitmap photo;
    private int pictureWidth;
    private int pictureHeight;
    private boolean mirrored;
    private List<Mark> marks = Collections.emptyList();
    private OnMarkTapped listener;
    private float touchedX;
    private float touchedY;

    public FaceView(Context context, AttributeSet attributes) {
        super(context, attributes);
        dp = getResources().getDisplayMetrics().density;
        line.setStyle(Paint.Style.STROKE);
        line.setStrokeWidth(2.5f * dp);
        text.setTextSize(TypedValue.applyDimension(
                TypedValue.COMPLEX_UNIT_SP, 13, getResources().getDisplayMetrics()));
        text.setTypeface(Typeface.create("sans-serif-medium", Typeface.NORMAL));
        text.setColor(context.getColor(R.color.camera));
        setClipToOutline(true);
        setOutlineProvider(ViewOutlineProvider.BACKGROUND);
    }

    /**
     * What to draw.
     *
     * @param bitmap the picture, of any resolution; null to draw marks only
     * @param width  of the picture in which the marks are measured, as its height; 0 to draw nothing
     */
    public void show(Bitmap bitmap, int width, int height, boolean mirror, List<Mark> boxes) {
        photo = bitmap;
        pictureWidth = width;
        pictureHeight = height;
        mirrored = mirror;
        marks = boxes;
        invalidate();
    }

    public void setOnMarkTapped(OnMarkTapped tapped) {
        listener = tapped;
    }

    private Fit fit() {
        return new Fit(pictureWidth, pictureHeight, getWidth(), getHeight(), mirrored);
    }

    @Override
    protected void onDraw(Canvas canvas) {
        if (pictureWidth < 1) {
            return;
        }
        Fit fit = fit();
        if (photo != null) {
            place.set(fit.left, fit.top, fit.left + pictureWidth * fit.scale, fit.top + pictureHeight * fit.scale);
            canvas.drawBitmap(photo, null, place, photoPaint);
        }
        for (Mark mark : marks) {
            draw(canvas, mark, fit);
        }
    }

    private void draw(Canvas canvas, Mark mark, Fit fit) {
        place(mark.box, fit);
        line.setColor(mark.colour);
        canvas.drawRoundRect(place, 6 * dp, 6 * dp, line);
        if (mark.label.isEmpty()) {
            return;
        }
        float width = text.measureText(mark.label) + 12 * dp;
        float height = text.getTextSize() + 8 * dp;
        float left = Math.max(Math.min(place.left - line.getStrokeWidth() / 2, getWidth() - width), 0);
        float top = place.top - height - 2 * dp < 0 ? place.bottom + 2 * dp : place.top - height - 2 * dp;
        tag.setColor(mark.colour);
        canvas.drawRoundRect(left, top, left + width, top + height, 4 * dp, 4 * dp, tag);
        canvas.drawText(mark.label, left + 6 * dp, top + height - 6.5f * dp, text);
    }

    private void place(Box box, Fit fit) {
        float x1 = fit.x(box.x1);
        float x2 = fit.x(box.x2);
        place.set(Math.min(x1, x2), fit.y(box.y1), Math.max(x1, x2), fit.y(box.y2));
    }

    @Override
    public boolean onTouchEvent(MotionEvent event) {
        if (listener == null || marks.isEmpty()) {
            return super.onTouchEvent(event);
        }
        if (event.getAction() == MotionEvent.ACTION_UP) {
            touchedX = event.getX();
            touchedY = event.getY();
            performClick();
        }
        return true;
    }

    @Override
    public boolean performClick() {
        super.performClick();
        Fit fit = fit();
        for (int i = marks.size() - 1; i >= 0; i--) {  // the smallest was drawn last, and lies on top
            place(marks.get(i).box, fit);
            place.inset(-12 * dp, -12 * dp);  // a finger is wider than a small face
            if (place.contains(touchedX, touchedY)) {
                listener.tapped(i);
                break;
            }
        }
        return true;
    }
}
