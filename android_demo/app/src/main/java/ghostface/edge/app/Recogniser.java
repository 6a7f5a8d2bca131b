package ghostface.edge.app;

import ghostface.edge.Detection;
import ghostface.edge.FaceEngine;
import ghostface.edge.FaceImage;
import ghostface.edge.Gallery;
import ghostface.edge.Match;
import ghostface.edge.Template;
import ghostface.edge.Threshold;
import ghostface.edge.runtime.Session;
import java.util.List;

/** All that is open at a time: two networks, the gallery of their model, and the threshold of decisions. */
public final class Recogniser {
    public final FaceEngine engine;
    public final Session embedder;
    public final Session detector;
    public final Gallery gallery;
    /** What the card holds for the detector at the false-match rate of the settings; null where it holds nothing. */
    public final Threshold threshold;

    Recogniser(FaceEngine engine, Session embedder, Session detector, Gallery gallery, Threshold threshold) {
        this.engine = engine;
        this.embedder = embedder;
        this.detector = detector;
        this.gallery = gallery;
        this.threshold = threshold;
    }

    /** The template of a face that was found. */
    public Template template(FaceImage image, Detection detection) {
        return engine.embed(engine.align(image, detection));
    }

    /** The most similar person; null in an empty gallery. */
    public Match best(Template template) {
        List<Match> found = gallery.search(template, 1, threshold == null ? null : threshold.similarity);
        return found.isEmpty() ? null : found.get(0);
    }

    void close() {
        gallery.close();
        embedder.close();
        detector.close();
    }
}
