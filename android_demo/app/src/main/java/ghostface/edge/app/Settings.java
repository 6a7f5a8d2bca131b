package ghostface.edge.app;

/** What the user chose. */
public final class Settings {
    /** File of the embedder; empty for the first there is. */
    public final String model;
    /** False-match rate at which names are given and faces called the same. */
    public final double fmr;
    /** CPU threads of one inference. */
    public final int threads;

    public Settings(String model, double fmr, int threads) {
        this.model = model;
        this.fmr = fmr;
        this.threads = threads;
    }

    public Settings withModel(String value) {
        return new Settings(value, fmr, threads);
    }

    public Settings withFmr(double value) {
        return new Settings(model, value, threads);
    }

    public Settings withThreads(int value) {
        return new Settings(model, fmr, value);
    }
}
