package ghostface.edge.benchmark;

import ghostface.edge.errors.OptionException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongSupplier;

/** How long each step of a picture's way takes: detection, alignment, embedding, and all of it. */
public final class Pipeline {
    /** The stage that is all steps of a picture together. */
    public static final String WHOLE = "whole";

    /** What one round lasts, and how many pictures it has, at least. */
    private static final double ROUND_MS = 50;
    private static final int ROUND_CALLS = 3;
    /** The least of a warm-up; a frequency governor takes some tenths of a second to raise the clock. */
    private static final double WARM_MS = 500;
    private static final int WARM_CALLS = 8;
    /** After this, what still gets faster is timed as it is, and flagged. */
    private static final double WARM_AT_MOST_MS = 10_000;
    /** A warm-up lasts while calls take less than this share of the time of those before. */
    private static final double WARM = 0.97;

    private final Subject subject;
    private final Device device;
    private final Map<String, ?> settings;
    private final LongSupplier clock;

    /**
     * @param subject  the embedder in its runtime; its stage does not matter
     * @param device   see {@link Device#here}
     * @param settings of the run, by name: plain values for JSON, such as the detector and what the pictures are
     */
    public Pipeline(Subject subject, Device device, Map<String, ?> settings) {
        this(subject, device, settings, System::nanoTime);
    }

    Pipeline(Subject subject, Device device, Map<String, ?> settings, LongSupplier clock) {
        this.subject = subject;
        this.device = device;
        this.settings = settings;
        this.clock = clock;
    }

    /**
     * Time the work on pictures in whole rounds of them, after a warm-up of which nothing counts.
     *
     * @param work     what is done to a picture
     * @param pictures how many there are
     * @param seconds  for all of it, at least: {@link Samples#SECONDS} or {@link Samples#QUICK_SECONDS}
     * @param least    pictures, at least: {@link Samples#LEAST} or {@link Samples#QUICK_LEAST}
     * @param watch    follows it, and may end it
     * @return the whole rounds; null where it was ended before there was one
     * @throws OptionException a senseless number
     */
    public Run measure(Work work, int pictures, double seconds, int least, Watch watch) {
        if (pictures < 1 || least < 1 || !(seconds >= 0 && seconds <= Double.MAX_VALUE)) {
            throw new OptionException("pictures=" + pictures + ", seconds=" + seconds + ", least=" + least
                    + ": at least 1 picture, 0 seconds, 1 sample");
        }
        Condition before = Condition.now();
        boolean warm = warmUp(work, pictures, watch);
        Map<String, Samples> stages = new LinkedHashMap<>();
        Map<String, Double> totals = new LinkedHashMap<>();
        Set<String> throttled = new LinkedHashSet<>();
        int done = 0;
        boolean goOn = watch.goOn(0);
        long start = clock.getAsLong();
        while (goOn && (done < least || since(start) < 1e3 * seconds)) {
            Map<String, List<Double>> round = new LinkedHashMap<>();
            int count = 0;
            long begin = clock.getAsLong();
            while (goOn && (count % pictures != 0 || count < ROUND_CALLS || since(begin) < ROUND_MS)) {
                Laps laps = new Laps(clock);
                work.run(count % pictures, laps);
                for (Map.Entry<String, Double> lap : laps.finish().entrySet()) {
                    round.computeIfAbsent(lap.getKey(), key -> new ArrayList<>()).add(lap.getValue());
                }
                count++;
                double timed = seconds > 0 ? since(start) / (1e3 * seconds) : 1;
                goOn = watch.goOn(Math.min(1, Math.min(timed, (done + count) / (double) least)));
            }
            if (goOn || count % pictures == 0 && count >= ROUND_CALLS) {  // else a round that is not whole
                keep(round, stages, totals);
                done += count;
            }
            if (!watch.slowed().isEmpty()) {
                throttled.add(watch.slowed());
            }
        }
        if (stages.isEmpty()) {
            return null;
        }
        Map<String, Object> all = new LinkedHashMap<>(settings);
        boolean quick = seconds < Samples.SECONDS || least < Samples.LEAST;
        all.put("pictures", pictures);
        all.put("quick", quick);
        all.put("seconds", seconds);
        all.put("least", least);
        all.put("throttled", new ArrayList<>(throttled));
        boolean complete = done >= least && since(start) >= 1e3 * seconds;
        List<String> flags = new ArrayList<>();
        for (Object[] flag : new Object[][] {
            {"quick", quick}, {"warming", !warm}, {"throttled", !throttled.isEmpty()},
            {"emulated", device.emulated != null}, {"incomplete", !complete}}) {
            if ((Boolean) flag[1]) {
                flags.add((String) flag[0]);
            }
        }
        return new Run(device, Arrays.asList(before, Condition.now()), all,
                rows(stages, totals, flags.toArray(new String[0])), complete, Instant.now());
    }

    private void keep(Map<String, List<Double>> round, Map<String, Samples> stages, Map<String, Double> totals) {
        for (Map.Entry<String, List<Double>> stage : round.entrySet()) {
            double[] values = new double[stage.getValue().size()];
            for (int index = 0; index < values.length; index++) {
                values[index] = stage.getValue().get(index);
                totals.merge(stage.getKey(), values[index], Double::sum);
            }
            stages.computeIfAbsent(stage.getKey(), name -> new Samples(subject.at(name))).add(values);
        }
    }

    private static List<Row> rows(Map<String, Samples> stages, Map<String, Double> totals, String[] flags) {
        List<Row> rows = new ArrayList<>();
        double whole = totals.get(WHOLE);
        stages.put(WHOLE, stages.remove(WHOLE));  // comes last, though the first picture may lack a step
        for (Map.Entry<String, Samples> stage : stages.entrySet()) {
            Samples samples = stage.getValue();
            Map<String, Object> figures = new LinkedHashMap<>();
            if (whole > 0 && stage.getKey().equals(WHOLE)) {
                figures.put("frames_per_second", 1e3 * samples.milliseconds().length / whole);
            } else if (whole > 0) {
                figures.put("share", totals.get(stage.getKey()) / whole);
            }
            rows.add(new Row(samples.subject, samples.summary(flags), figures));
        }
        return rows;
    }

    /** Run until it gets no faster; false if it still does after {@link #WARM_AT_MOST_MS}. See {@code warmed_up}. */
    private boolean warmUp(Work work, int pictures, Watch watch) {
        long begin = clock.getAsLong();
        double best = Double.POSITIVE_INFINITY;
        int good = 0;
        int picture = 0;
        while (since(begin) < WARM_AT_MOST_MS) {
            Samples window = new Samples(subject);
            long opened = clock.getAsLong();
            while (window.milliseconds().length < WARM_CALLS || since(opened) < WARM_MS / 5) {
                long start = clock.getAsLong();
                work.run(picture++ % pictures, new Laps(clock));
                window.add(since(start));
                if (!watch.goOn(0)) {
                    return false;
                }
            }
            double median = Percentiles.of(window.milliseconds()).median();
            good = median >= WARM * best ? good + 1 : 0;
            best = Math.min(best, median);
            if (good >= 2 && since(begin) >= WARM_MS) {
                return true;
            }
        }
        return false;
    }

    private double since(long nanoseconds) {
        return (clock.getAsLong() - nanoseconds) / 1e6;
    }

    /** What is done to a picture. */
    public interface Work {
        /**
         * Do it once.
         *
         * @param picture its number, from 0 on
         * @param laps    is told the end of each step
         */
        void run(int picture, Laps laps);
    }

    /** The clock beside the steps of one picture. */
    public static final class Laps {
        private final Map<String, Double> milliseconds = new LinkedHashMap<>();
        private final LongSupplier clock;
        private final long begin;
        private long last;

        private Laps(LongSupplier clock) {
            this.clock = clock;
            begin = last = clock.getAsLong();
        }

        /** A step has just ended; the next one begins. A step may have several parts. */
        public void end(String step) {
            long now = clock.getAsLong();
            milliseconds.merge(step, (now - last) / 1e6, Double::sum);
            last = now;
        }

        private Map<String, Double> finish() {
            milliseconds.put(WHOLE, (clock.getAsLong() - begin) / 1e6);
            return milliseconds;
        }
    }

    /** Follows a run. */
    public interface Watch {
        /**
         * Is told after each picture how much is done.
         *
         * @param share 0 to 1
         * @return false to end the run with the rounds that there are
         */
        boolean goOn(double share);

        /** Why the device is slowed down at this moment, such as {@code thermal status severe}; empty if it is not. */
        default String slowed() {
            return "";
        }
    }
}
