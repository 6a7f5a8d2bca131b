package ghostface.edge.benchmark;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What samples say; all times in milliseconds. */
public final class Summary {
    /** Samples. */
    public final int count;
    public final double mean;
    /** Standard deviation (dividing by {@code count - 1}; 0 for one sample). */
    public final double std;
    public final double min;
    /** The median. */
    public final double p50;
    public final double p90;
    public final double p99;
    public final double max;
    /** Lower end of the 95 % interval of the median. */
    public final double p50Low;
    /** Upper end. */
    public final double p50High;
    /** Median of the second half over median of the first. */
    public final double drift;
    /**
     * What to know before one believes it: {@code quick} (fewer samples than a full run has), {@code noisy},
     * {@code drifting}, {@code warming} (the warm-up had not ended), {@code throttled} (the device slowed down),
     * {@code emulated}, {@code incomplete} (interrupted).
     */
    public final List<String> flags;

    Summary(int count, double mean, double std, Percentiles milliseconds, double[] interval, double drift,
            List<String> flags) {
        this.count = count;
        this.mean = mean;
        this.std = std;
        min = milliseconds.at(0);
        p50 = milliseconds.median();
        p90 = milliseconds.at(90);
        p99 = milliseconds.at(99);
        max = milliseconds.at(100);
        p50Low = Math.min(interval[0], p50);
        p50High = Math.max(interval[1], p50);
        this.drift = drift;
        this.flags = Collections.unmodifiableList(flags);
    }

    Map<String, Object> toMap() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("count", count);
        values.put("mean", mean);
        values.put("std", std);
        values.put("min", min);
        values.put("p50", p50);
        values.put("p90", p90);
        values.put("p99", p99);
        values.put("max", max);
        values.put("p50_low", p50Low);
        values.put("p50_high", p50High);
        values.put("drift", drift);
        values.put("flags", flags);
        return values;
    }
}
