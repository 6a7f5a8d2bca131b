package ghostface.edge.app;

import ghostface.edge.FaceImage;

/** A photo that was not decoded yet. */
public interface PhotoSource {
    /**
     * Decode it; on the background thread.
     *
     * @throws ghostface.edge.errors.ImageException it is no usable picture
     */
    FaceImage read();
}
