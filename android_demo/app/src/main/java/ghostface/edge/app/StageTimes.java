package ghostface.edge.app;

import ghostface.edge.benchmark.Percentiles;
import java.util.Arrays;

/** How long each stage took in the last frames. One thread only; a {@link Summary} may go to others. */
public final class StageTimes {
    /** Frames that count: some seconds of camera, so that the figures follow what the phone does now. */
    static final int FRAMES = 120;

    private final double[][] millis = new double[Stage.values().length][FRAMES];
    private final int[] counts = new int[Stage.values().length];

    /** Measures one frame. */
    public final class Clock {
        private final long start = System.nanoTime();
        private long last = start;

        private Clock() {}

        /** A stage ends here, where the one before ended; {@link Stage#TOTAL} began with the clock. */
        public void done(Stage stage) {
            long now = System.nanoTime();
            add(stage, (now - (stage == Stage.TOTAL ? start : last)) / 1e6);
            last = now;
        }
    }

    /** Percentiles of each stage, in milliseconds. */
    public static final class Summary {
        private final double[][] millis;

        private Summary(double[][] millis) {
            this.millis = millis;
        }

        /** Number of frames in which the stage ran, of the last {@link #FRAMES}. */
        public int count(Stage stage) {
            return millis[stage.ordinal()].length;
        }

        /**
         * The time below which a share of the frames stayed; NaN where there is none.
         *
         * @param percent 0 to 100
         */
        public double percentile(Stage stage, double percent) {
            double[] times = millis[stage.ordinal()];
            return times.length == 0 ? Double.NaN : Percentiles.of(times).at(percent);
        }
    }

    /** Begin a frame. */
    public Clock start() {
        return new Clock();
    }

    void add(Stage stage, double time) {
        int index = stage.ordinal();
        millis[index][counts[index] % FRAMES] = time;
        counts[index]++;
    }

    public Summary summary() {
        double[][] copies = new double[millis.length][];
        for (int i = 0; i < copies.length; i++) {
            copies[i] = Arrays.copyOf(millis[i], Math.min(counts[i], FRAMES));
        }
        return new Summary(copies);
    }
}
