package ghostface.edge.benchmark;

import java.io.File;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Hardware and software that a benchmark ran on; fields as in {@code benchmarks/device.py}. */
public final class Device {
    /** Flags of /proc/cpuinfo that decide which kernels the runtimes choose, as in {@code doctor.py}: x86, ARM. */
    private static final List<String> FEATURES = Collections.unmodifiableList(Arrays.asList(
            "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8",
            "neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "sve", "sve2"));
    private static final Pattern MEMORY = Pattern.compile("(?m)^MemTotal:\\s*(\\d{1,15}) kB$");

    /** What plays this device, such as an emulator; null for real hardware. */
    public final String emulated;
    private final Map<String, Object> values = new LinkedHashMap<>();

    private Device(Kernel kernel, String os, String board, String cpu, Map<String, String> versions, String emulated) {
        this.emulated = emulated;
        Map<String, String> cpuinfo = cpuinfo(kernel);
        String architecture = System.getProperty("os.arch", "").replace("amd64", "x86_64");  // as Python names it
        values.put("system", (System.getProperty("os.name", "") + " " + System.getProperty("os.version", "")).trim());
        values.put("os", os);
        values.put("architecture", architecture);
        String known = cpuinfo.get(cpuinfo.containsKey("flags") ? "model name" : "model");
        values.put("cpu", !cpu.isEmpty() ? cpu : known == null ? "" : known);
        values.put("features", features(cpuinfo));
        values.put("cpus", Runtime.getRuntime().availableProcessors());
        values.put("clusters", clusters(kernel, architecture));
        values.put("cpu_limit", null);
        Matcher memory = MEMORY.matcher(kernel.text("proc/meminfo"));
        values.put("memory_mb", memory.find() ? Long.valueOf(Long.parseLong(memory.group(1)) / 1024) : null);
        values.put("board", board);
        values.put("versions", new LinkedHashMap<>(versions));
        values.put("emulated", emulated);
    }

    /**
     * This device.
     *
     * @param os       such as {@code Android 14}; empty where nobody tells
     * @param board    maker and model, such as {@code Google Pixel 7}; empty where nobody tells
     * @param cpu      its name; empty: what the kernel says
     * @param versions of this program and of its libraries, by name
     * @param emulated what plays this device, such as {@code Android emulator}; null for real hardware
     */
    public static Device here(String os, String board, String cpu, Map<String, String> versions, String emulated) {
        return here(new File("/"), os, board, cpu, versions, emulated);
    }

    static Device here(File root, String os, String board, String cpu, Map<String, String> versions, String emulated) {
        return new Device(new Kernel(root), os, board, cpu, versions, emulated);
    }

    Map<String, Object> toMap() {
        return values;
    }

    /** Of the first CPU. */
    private static Map<String, String> cpuinfo(Kernel kernel) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String line : kernel.text("proc/cpuinfo").split("\n")) {
            int colon = line.indexOf(':');
            if (colon >= 0) {
                values.putIfAbsent(line.substring(0, colon).trim().toLowerCase(Locale.ROOT),
                        line.substring(colon + 1).trim());
            }
        }
        return values;
    }

    private static List<String> features(Map<String, String> cpuinfo) {
        String flags = cpuinfo.containsKey("flags") ? cpuinfo.get("flags") : cpuinfo.get("features");
        List<String> found = new ArrayList<>(FEATURES);
        found.retainAll(Arrays.asList(flags == null ? new String[0] : flags.split("\\s+")));
        return found;
    }

    /** CPUs by kind, the fastest kind first. */
    private static List<Object> clusters(Kernel kernel, String architecture) {
        Map<Long, List<Integer>> kinds = new TreeMap<>(Collections.reverseOrder());
        for (int cpu : kernel.numbers(Kernel.CPUS, "cpu")) {
            Long capacity = kernel.whole(Kernel.CPUS + "/cpu" + cpu + "/cpu_capacity");
            if (capacity == null) {
                // x86 cores of one kind may differ in their highest frequency.
                capacity = architecture.contains("86") ? Long.valueOf(0) : Long.valueOf(maxKhz(kernel, cpu));
            }
            kinds.computeIfAbsent(capacity, key -> new ArrayList<>()).add(cpu);
        }
        List<Object> clusters = new ArrayList<>();
        for (List<Integer> cpus : kinds.values()) {
            long khz = 0;
            for (int cpu : cpus) {
                khz = Math.max(khz, maxKhz(kernel, cpu));
            }
            Map<String, Object> cluster = new LinkedHashMap<>();
            cluster.put("cpus", cpus);
            cluster.put("max_mhz", khz == 0 ? null : Double.valueOf(khz / 1000.0));
            clusters.add(cluster);
        }
        return clusters;
    }

    private static long maxKhz(Kernel kernel, int cpu) {
        Long khz = kernel.whole(Kernel.CPUS + "/cpu" + cpu + "/cpufreq/cpuinfo_max_freq");
        return khz == null ? 0 : khz;
    }
}
