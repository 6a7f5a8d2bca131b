package ghostface.edge.benchmark;

import java.io.File;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** How the device was at one moment, as far as the system tells; fields as in {@code benchmarks/device.py}. */
public final class Condition {
    private static final Pattern NEAR_CPU =
            Pattern.compile("cpu|soc|pkg|core|k10temp|tctl", Pattern.CASE_INSENSITIVE);
    private static final Pattern LOAD = Pattern.compile("\\d+\\.\\d+");
    private static final double COOLEST = -40;  // beyond, a sensor is not connected or counts in another unit
    private static final double HOTTEST = 150;

    private final Map<String, Object> values = new LinkedHashMap<>();

    private Condition(Kernel kernel) {
        TreeSet<String> governors = new TreeSet<>();
        List<Double> mhz = new ArrayList<>();
        for (int cpu : kernel.numbers(Kernel.CPUS, "cpu")) {
            String folder = Kernel.CPUS + "/cpu" + cpu + "/cpufreq";
            governors.add(kernel.text(folder + "/scaling_governor").trim());
            Long khz = kernel.whole(folder + "/scaling_cur_freq");
            if (khz != null && khz > 0) {
                mhz.add(khz / 1000.0);
            }
        }
        governors.remove("");
        Matcher load = LOAD.matcher(kernel.text("proc/loadavg"));
        values.put("governors", new ArrayList<>(governors));
        values.put("mhz", mhz);
        values.put("temperature", temperature(kernel));
        values.put("throttled", null);  // a Raspberry Pi's
        values.put("throttle_events", null);  // x86 cores'
        values.put("quota_waits", null);  // a container's
        values.put("load", load.lookingAt() ? Double.valueOf(load.group()) : null);
        values.put("throttled_words", Collections.emptyList());
    }

    /** The condition at this moment. */
    public static Condition now() {
        return now(new File("/"));
    }

    static Condition now(File root) {
        return new Condition(new Kernel(root));
    }

    Map<String, Object> toMap() {
        return values;
    }

    /** Of the hottest sensor at the CPU, or else of the hottest; degrees Celsius. */
    private static Double temperature(Kernel kernel) {
        Double hottest = null;
        boolean near = false;
        for (int zone : kernel.numbers("sys/class/thermal", "thermal_zone")) {
            String folder = "sys/class/thermal/thermal_zone" + zone;
            Long value = kernel.whole(folder + "/temp");
            if (value == null || value < 1000 * COOLEST || value > 1000 * HOTTEST) {
                continue;
            }
            boolean cpu = NEAR_CPU.matcher(kernel.text(folder + "/type")).find();
            if (hottest == null || cpu && !near || cpu == near && value / 1000.0 > hottest) {
                hottest = value / 1000.0;
                near = cpu;
            }
        }
        return hottest;
    }
}
