package ghostface.edge.benchmark;

import ghostface.edge.errors.EvaluationException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** How long calls of one subject took, in rounds, in the order in which they were made; see {@code samples.py}. */
public final class Samples {
    /** What each subject is timed for, and how many samples it has, at least. */
    public static final double SECONDS = 60;
    public static final int LEAST = 1024;
    /** The same of a quick run, which is labelled so. */
    public static final double QUICK_SECONDS = 5;
    public static final int QUICK_LEAST = 128;

    /** Rounds differ by more than this: from their 10th to their 90th percentile, as a share of the median. */
    static final double NOISY = 0.10;
    /** The second half differs from the first by more than this. */
    static final double DRIFTING = 0.05;

    private static final int FEW_ROUNDS = 10;
    private static final int RESAMPLES = 2000;
    private static final long SEED = 0;

    /** What was timed. */
    public final Subject subject;
    private final List<double[]> rounds = new ArrayList<>();  // milliseconds

    public Samples(Subject subject) {
        this.subject = subject;
    }

    /**
     * Append one round.
     *
     * @param milliseconds one or more
     * @throws EvaluationException there are none, or one is not a time
     */
    public void add(double... milliseconds) {
        boolean times = milliseconds.length > 0;
        for (double value : milliseconds) {
            times &= value >= 0 && value <= Double.MAX_VALUE;
        }
        if (!times) {
            throw new EvaluationException(subject + ": a round is one or more finite times, not "
                    + Arrays.toString(Arrays.copyOf(milliseconds, Math.min(milliseconds.length, 8))));
        }
        rounds.add(milliseconds.clone());
    }

    /** Milliseconds, all samples. */
    public double[] milliseconds() {
        int count = 0;
        for (double[] round : rounds) {
            count += round.length;
        }
        double[] all = new double[count];
        int filled = 0;
        for (double[] round : rounds) {
            System.arraycopy(round, 0, all, filled, round.length);
            filled += round.length;
        }
        return all;
    }

    /**
     * What the samples say. The interval of the median is from a bootstrap that draws whole blocks, because samples
     * that follow each other are not independent: rounds, or where these are fewer than ten, runs of samples as long as
     * the cube root of their number. Sources: {@code Samples.summary} in {@code samples.py}.
     *
     * @param flags what the run knows of these samples; see {@link Summary#flags}
     * @throws EvaluationException there are no samples
     */
    public Summary summary(String... flags) {
        double[] values = milliseconds();
        if (values.length == 0) {
            throw new EvaluationException("there are no samples of " + subject);
        }
        Percentiles all = Percentiles.of(values);
        double mean = mean(values);
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        double std = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0;
        double drift = 1;
        int half = values.length / 2;
        if (half > 0) {
            double first = Percentiles.of(Arrays.copyOf(values, half)).median();
            double second = Percentiles.of(Arrays.copyOfRange(values, half, values.length)).median();
            drift = first > 0 ? second / first : 1;
        }
        List<double[]> blocks = blocks(values);
        double[] medians = new double[blocks.size()];
        for (int block = 0; block < medians.length; block++) {
            medians[block] = Percentiles.of(blocks.get(block)).median();
        }
        Percentiles ofBlocks = Percentiles.of(medians);
        Set<String> found = new LinkedHashSet<>(Arrays.asList(flags));
        if (ofBlocks.at(90) - ofBlocks.at(10) > NOISY * all.median()) {
            found.add("noisy");
        }
        if (Math.abs(drift - 1) > DRIFTING) {
            found.add("drifting");
        }
        mean = Math.max(all.at(0), Math.min(all.at(100), mean));  // whatever is rounded
        return new Summary(values.length, mean, std, all, medianInterval(blocks), drift, new ArrayList<>(found));
    }

    private List<double[]> blocks(double[] values) {
        if (rounds.size() >= FEW_ROUNDS) {
            return rounds;
        }
        int count = (int) Math.ceil(values.length / Math.ceil(Math.pow(values.length, 1.0 / 3)));
        List<double[]> blocks = new ArrayList<>();
        int begin = 0;
        for (int block = 0; block < count; block++) {
            int end = begin + values.length / count + (block < values.length % count ? 1 : 0);
            blocks.add(Arrays.copyOfRange(values, begin, end));
            begin = end;
        }
        return blocks;
    }

    /** The 95 % interval of the median of all samples, from resampled blocks. */
    private static double[] medianInterval(List<double[]> blocks) {
        List<double[]> pairs = new ArrayList<>();  // a sample and the number of its block
        for (int block = 0; block < blocks.size(); block++) {
            for (double value : blocks.get(block)) {
                pairs.add(new double[] {value, block});
            }
        }
        pairs.sort((a, b) -> Double.compare(a[0], b[0]));
        int[] owners = new int[pairs.size()];
        for (int at = 0; at < owners.length; at++) {
            owners[at] = (int) pairs.get(at)[1];
        }
        Random random = new Random(SEED);
        double[] medians = new double[RESAMPLES];
        for (int draw = 0; draw < RESAMPLES; draw++) {
            int[] drawn = new int[blocks.size()];
            long count = 0;
            for (int place = 0; place < drawn.length; place++) {
                int block = random.nextInt(drawn.length);
                drawn[block]++;
                count += blocks.get(block).length;
            }
            // Between two middle samples of an even number lies the median; the lower one is within the clock's noise.
            long wanted = (count + 1) / 2;
            int at = -1;
            for (long below = 0; below < wanted; below += drawn[owners[at]]) {
                at++;
            }
            medians[draw] = pairs.get(at)[0];
        }
        Percentiles found = Percentiles.of(medians);
        return new double[] {found.at(2.5), found.at(97.5)};
    }

    private static double mean(double[] values) {
        double total = 0;
        for (double value : values) {
            total += value;
        }
        return total / values.length;
    }
}
