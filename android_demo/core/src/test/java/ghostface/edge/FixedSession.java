package ghostface.edge;

import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Tensor;

/** Stands for a network that answers every picture with the same numbers, sensible or not. */
class FixedSession implements Session {
    private final int size;
    private final float[] output;

    FixedSession(int size, float[] output) {
        this.size = size;
        this.output = output;
    }

    @Override
    public ModelCard card() {
        return ModelCard.fromJson(Golden.read("cards").get("card").getAsString());
    }

    @Override
    public Tensor[] run(Tensor input) {
        return new Tensor[] {new Tensor(output, 1, size)};
    }

    @Override
    public String file() {
        return "fixed";
    }

    @Override
    public String sha256() {
        return "";
    }

    @Override
    public String runtime() {
        return "fixed";
    }

    @Override
    public String version() {
        return "fixed";
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public void close() {}
}
