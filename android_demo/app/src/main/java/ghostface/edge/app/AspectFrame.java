package ghostface.edge.app;

import android.content.Context;
import android.util.AttributeSet;
import android.widget.FrameLayout;

/** As large as fits into the space it is given, in the shape of the camera's upright picture. */
public final class AspectFrame extends FrameLayout {
    private int ratioWidth = 3;
    private int ratioHeight = 4;

    public AspectFrame(Context context, AttributeSet attributes) {
        super(context, attributes);
    }

    /** Width and height of the picture, in any unit. */
    public void setRatio(int width, int height) {
        if (width != ratioWidth || height != ratioHeight) {
            ratioWidth = width;
            ratioHeight = height;
            requestLayout();
        }
    }

    @Override
    protected void onMeasure(int widthSpec, int heightSpec) {
        int width = MeasureSpec.getSize(widthSpec);
        int height = MeasureSpec.getSize(heightSpec);
        if ((long) width * ratioHeight > (long) height * ratioWidth) {
            width = (int) ((long) height * ratioWidth / ratioHeight);
        } else {
            height = (int) ((long) width * ratioHeight / ratioWidth);
        }
        super.onMeasure(
                MeasureSpec.makeMeasureSpec(width, MeasureSpec.EXACTLY),
                MeasureSpec.makeMeasureSpec(height, MeasureSpec.EXACTLY));
    }
}
