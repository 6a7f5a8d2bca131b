package ghostface.edge.app;

import android.content.Context;
import android.os.Build;
import android.os.PowerManager;
import ghostface.edge.benchmark.Device;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** This phone, as results of benchmarks describe it. */
final class AndroidPhone implements BenchmarkFlow.Phone {
    /** Names of the boards that Android's emulator pretends to have. */
    private static final List<String> EMULATORS = Arrays.asList("goldfish", "ranchu", "cutf_cvm");

    /** By {@code PowerManager.THERMAL_STATUS_...}. */
    private static final String[] THERMAL =
            {"none", "light", "moderate", "severe", "critical", "emergency", "shutdown"};

    private final PowerManager power;
    private final String version;

    AndroidPhone(Context context, String version) {
        this.power = context.getSystemService(PowerManager.class);
        this.version = version;
    }

    @Override
    public Device describe(String runtime) {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("ghostface-edge", version);
        int space = runtime.lastIndexOf(' ');
        versions.put(space < 0 ? runtime : runtime.substring(0, space), runtime.substring(space + 1));
        boolean named = Build.VERSION.SDK_INT >= Build.VERSION_CODES.S;
        String cpu = named ? Build.SOC_MANUFACTURER + " " + Build.SOC_MODEL : "";
        return Device.here(
                "Android " + Build.VERSION.RELEASE, Build.MANUFACTURER + " " + Build.MODEL, cpu, versions,
                EMULATORS.contains(Build.HARDWARE) ? "Android emulator" : null);
    }

    @Override
    public String slowed() {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) {
            return "";
        }
        int status = power.getCurrentThermalStatus();
        boolean slow = status >= PowerManager.THERMAL_STATUS_MODERATE && status < THERMAL.length;
        return slow ? "thermal status " + THERMAL[status] : "";
    }
}
