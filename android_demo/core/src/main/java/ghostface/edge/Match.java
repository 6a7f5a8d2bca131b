package ghostface.edge;

/** One person found in a gallery. */
public final class Match {
    public final String name;
    /** Cosine similarity to the best of the person's templates, -1 to 1. */
    public final double similarity;
    /** Row of that template in the gallery. */
    public final long templateId;
    /** {@code similarity >= threshold}; null where no threshold was asked for. */
    public final Boolean match;

    public Match(String name, double similarity, long templateId, Boolean match) {
        this.name = name;
        this.similarity = similarity;
        this.templateId = templateId;
        this.match = match;
    }
}
