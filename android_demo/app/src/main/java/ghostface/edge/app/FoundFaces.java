package ghostface.edge.app;

import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.Pictures;
import ghostface.edge.detection.Detections;
import ghostface.edge.errors.NoFaceException;
import java.util.List;

/** A photo, its faces, and the one of them that counts. */
public final class FoundFaces {
    /** Longest side in pixels of {@link #preview}: what a screen can show. */
    private static final int PREVIEW = 1024;

    public final FaceImage photo;
    /** The photo, small enough to draw. */
    public final FaceImage preview;
    /** Largest first; may be empty. */
    public final List<Detection> faces;
    /** Position in {@link #faces}, -1 where there is none. */
    public final int chosen;

    private FoundFaces(FaceImage photo, FaceImage preview, List<Detection> faces, int chosen) {
        this.photo = photo;
        this.preview = preview;
        this.faces = faces;
        this.chosen = chosen;
    }

    /** Look for the faces of a photo and choose the main one. */
    public static FoundFaces in(FaceImage photo, Recogniser recogniser) {
        List<Detection> faces = recogniser.engine.detect(photo);
        int chosen = faces.isEmpty() ? -1 : faces.indexOf(Detections.mainFace(photo, faces));
        return new FoundFaces(photo, Pictures.shrunk(photo, PREVIEW), faces, chosen);
    }

    /** The same with another choice. */
    public FoundFaces choosing(int face) {
        return new FoundFaces(photo, preview, faces, face);
    }

    /** That there is no face; null where there is one. */
    public NoFaceException problem() {
        return chosen >= 0 ? null : new NoFaceException(
                "no face found in " + photo.source + " (" + photo.width + " x " + photo.height + " pixels)");
    }

    /** The face that counts; only where there is one. */
    public Detection face() {
        return faces.get(chosen);
    }
}
