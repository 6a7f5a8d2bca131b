package ghostface.edge.app;

import android.graphics.Rect;
import android.media.Image;
import ghostface.edge.FaceImage;
import ghostface.edge.YuvImage;

/** A frame of camera2 on its way through the pipeline. */
final class CameraFrame implements LivePipeline.Frame {
    private final Image image;
    private final int rotation;

    /** @param rotation degrees clockwise that turn it upright */
    CameraFrame(Image image, int rotation) {
        this.image = image;
        this.rotation = rotation;
    }

    /** Not mirrored, whatever the preview shows: photos of the gallery are not, and templates of both must compare. */
    @Override
    public FaceImage picture() {
        Image.Plane[] planes = image.getPlanes();
        Rect crop = image.getCropRect();
        return new YuvImage(
                image.getWidth(), image.getHeight(),
                plane(planes[0]), plane(planes[1]), plane(planes[2]),
                crop.left, crop.top, crop.right, crop.bottom).toRgb(rotation, false);
    }

    private static YuvImage.Plane plane(Image.Plane plane) {
        return new YuvImage.Plane(plane.getBuffer(), plane.getRowStride(), plane.getPixelStride());
    }

    @Override
    public void close() {
        image.close();
    }
}
