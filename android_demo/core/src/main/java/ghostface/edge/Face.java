package ghostface.edge;

/** One detected, aligned and embedded face. */
public final class Face {
    public final Detection detection;
    public final Template template;

    public Face(Detection detection, Template template) {
        this.detection = detection;
        this.template = template;
    }
}
