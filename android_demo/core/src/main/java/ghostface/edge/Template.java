package ghostface.edge;

/** An embedding together with the model that made it: what galleries keep and comparisons take. */
public final class Template {
    public final ModelIdentity model;
    private final float[] embedding;

    /** @param embedding D numbers, L2-normalised; copied */
    public Template(float[] embedding, ModelIdentity model) {
        this.embedding = embedding.clone();
        this.model = model;
    }

    /** A copy. */
    public float[] embedding() {
        return embedding.clone();
    }

    /** D. */
    public int size() {
        return embedding.length;
    }
}
