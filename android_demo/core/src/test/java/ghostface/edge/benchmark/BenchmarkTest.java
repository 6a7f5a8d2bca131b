package ghostface.edge.benchmark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import ghostface.edge.Golden;
import ghostface.edge.errors.EvaluationException;
import ghostface.edge.errors.OptionException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Samples, devices and files of runs, against Python's; the clocks are made up where times are compared. */
class BenchmarkTest {
    private static final Subject SUBJECT = new Subject(
            "golden-net with yunet", "golden-net", "float16", "tensorflow-lite 2.16.1", 2, "ab".repeat(32), "");
    private static final Gson GSON = new GsonBuilder().serializeNulls().create();

    @TempDir
    Path folder;

    private static void assertClose(JsonElement expected, double found) {
        double value = expected.getAsDouble();
        assertEquals(value, found, 1e-9 * Math.abs(value) + 1e-12);
    }

    private Device device(Path root) {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("ghostface-edge", "0.1.0");
        versions.put("tensorflow-lite", "2.16.1");
        return Device.here(root.toFile(), "Android 14", "Example Phone", "", versions, null);
    }

    @Test
    void percentilesAreNumpys() {
        JsonObject expected = Golden.read("benchmark").getAsJsonObject("percentiles");
        Percentiles percentiles = Percentiles.of(Golden.numbers(expected.get("values")));
        double[] percents = Golden.numbers(expected.get("percents"));
        for (int place = 0; place < percents.length; place++) {
            assertClose(expected.getAsJsonArray("found").get(place), percentiles.at(percents[place]));
        }
        assertEquals(2.5, Percentiles.of(4, 1, 2, 3).median(), 0);
        for (double[] bad : new double[][] {{}, {1, Double.NaN}, {Double.NEGATIVE_INFINITY}}) {
            assertThrows(EvaluationException.class, () -> Percentiles.of(bad));
        }
        assertThrows(EvaluationException.class, () -> percentiles.at(101));
        assertThrows(EvaluationException.class, () -> percentiles.at(Double.NaN));
    }

    @Test
    void summariesArePythons() {
        for (JsonElement element : Golden.read("benchmark").getAsJsonArray("samples")) {
            Samples samples = new Samples(SUBJECT);
            for (JsonElement round : element.getAsJsonObject().getAsJsonArray("rounds")) {
                samples.add(Golden.numbers(round));
            }
            JsonObject expected = element.getAsJsonObject().getAsJsonObject("summary");
            JsonObject found = GSON.toJsonTree(samples.summary("quick").toMap()).getAsJsonObject();
            assertEquals(expected.keySet(), found.keySet());
            assertEquals(expected.get("count").getAsInt(), found.get("count").getAsInt());
            assertEquals(expected.get("flags"), found.get("flags"));
            for (String name : new String[] {"mean", "std", "min", "p50", "p90", "p99", "max", "drift"}) {
                assertClose(expected.get(name), found.get(name).getAsDouble());
            }
            // Both intervals are from 2,000 draws, of two generators of random numbers: from one to another, an end
            // scatters by 2 % of the samples between the ends (the standard error of a percentile, times the root of 2).
            double low = rank(samples, expected.get("p50_low"));
            double high = rank(samples, expected.get("p50_high"));
            assertEquals(low, rank(samples, found.get("p50_low")), 0.1 * (high - low));
            assertEquals(high, rank(samples, found.get("p50_high")), 0.1 * (high - low));
            assertTrue(found.get("p50_low").getAsDouble() <= found.get("p50").getAsDouble());
            assertTrue(found.get("p50_high").getAsDouble() >= found.get("p50").getAsDouble());
        }
    }

    /** How many samples are not above a value; where it is a mean of two, those below it. */
    private static long rank(Samples samples, JsonElement value) {
        return Arrays.stream(samples.milliseconds()).filter(sample -> sample <= value.getAsDouble() + 1e-9).count();
    }

    @Test
    void whatIsNoRound() {
        Samples samples = new Samples(SUBJECT.at("detect"));
        for (double[] bad : new double[][] {{}, {Double.NaN}, {Double.POSITIVE_INFINITY}, {0.1, -0.1}}) {
            assertThrows(EvaluationException.class, () -> samples.add(bad));
        }
        assertEquals("there are no samples of golden-net with yunet float16, tensorflow-lite 2.16.1, 2 threads, detect",
                assertThrows(EvaluationException.class, samples::summary).getMessage());
    }

    @Test
    void aPhoneIsReadAsPythonReadsIt() throws IOException {
        int number = 0;
        for (JsonElement element : Golden.read("benchmark").getAsJsonArray("devices")) {
            JsonObject expected = element.getAsJsonObject();
            Path root = folder.resolve("root" + number++);
            for (Map.Entry<String, JsonElement> file : expected.getAsJsonObject("files").entrySet()) {
                Path path = root.resolve(file.getKey());
                Files.createDirectories(path.getParent());
                Files.writeString(path, file.getValue().getAsString());
            }
            JsonObject device = GSON.toJsonTree(device(root).toMap()).getAsJsonObject();
            for (Map.Entry<String, JsonElement> value : expected.getAsJsonObject("device").entrySet()) {
                assertEquals(value.getValue(), device.get(value.getKey()), value.getKey());
            }
            JsonElement condition = GSON.toJsonTree(Condition.now(root.toFile()).toMap());
            assertEquals(expected.get("condition"), condition);
        }
    }

    /** Nanoseconds that pass only when something takes time. */
    private static final class Clock implements LongSupplier {
        long now;

        @Override
        public long getAsLong() {
            return now;
        }
    }

    private static final Pipeline.Watch PATIENT = share -> true;

    /** The steps of {@code benchmark.py}: 1/256, 1/512 and 1/128 s. */
    private static Pipeline.Work steps(Clock clock) {
        return (picture, laps) -> {
            clock.now += 3_906_250;
            laps.end("detect");
            clock.now += 1_953_125;
            laps.end("align");
            clock.now += 7_812_500;
            laps.end("embed");
        };
    }

    @Test
    void aRunIsWhatPythonWouldWrite() {
        Clock clock = new Clock();
        Pipeline pipeline = new Pipeline(
                SUBJECT, device(folder), Collections.singletonMap("detector", "yunet"), clock);
        Run run = pipeline.measure(steps(clock), 1, 0, 128, new Pipeline.Watch() {
            @Override
            public boolean goOn(double share) {
                return true;
            }

            @Override
            public String slowed() {
                return "thermal status severe";
            }
        });
        JsonObject found = JsonParser.parseString(run.toJson()).getAsJsonObject();
        JsonObject expected = Golden.read("benchmark").getAsJsonObject("run");
        assertTrue(Instant.parse(found.get("created").getAsString().replace("+00:00", "Z"))
                .isAfter(Instant.now().minusSeconds(60)));
        found.add("created", expected.get("created"));
        // Of the machine that runs this test:
        for (String key : new String[] {"system", "architecture", "cpu", "features", "cpus"}) {
            assertTrue(found.getAsJsonObject("device").has(key), key);
            found.getAsJsonObject("device").add(key, expected.getAsJsonObject("device").get(key));
        }
        assertEquals(expected.keySet(), found.keySet());
        assertEquals(expected.getAsJsonArray("conditions").get(0).getAsJsonObject().keySet(),
                found.getAsJsonArray("conditions").get(1).getAsJsonObject().keySet());
        found.add("conditions", expected.get("conditions"));
        assertSame(expected, found, "");
    }

    /** Equal but for what is rounded, and whole numbers stay whole. */
    private static void assertSame(JsonElement expected, JsonElement found, String where) {
        if (expected.isJsonObject()) {
            assertEquals(expected.getAsJsonObject().keySet(), found.getAsJsonObject().keySet(), where);
            for (String key : expected.getAsJsonObject().keySet()) {
                assertSame(expected.getAsJsonObject().get(key), found.getAsJsonObject().get(key), where + "." + key);
            }
        } else if (expected.isJsonArray()) {
            assertEquals(expected.getAsJsonArray().size(), found.getAsJsonArray().size(), where);
            for (int place = 0; place < expected.getAsJsonArray().size(); place++) {
                assertSame(expected.getAsJsonArray().get(place), found.getAsJsonArray().get(place),
                        where + "[" + place + "]");
            }
        } else if (expected.toString().contains(".") && !expected.getAsJsonPrimitive().isString()) {
            assertClose(expected, found.getAsDouble());
        } else {
            assertEquals(expected, found, where);
        }
    }

    @Test
    void theWarmUpDoesNotCountAndStepsMayLack() {
        Clock clock = new Clock();
        int[] calls = {0};
        Run run = new Pipeline(SUBJECT, device(folder), Collections.emptyMap(), clock).measure((picture, laps) -> {
            clock.now += calls[0]++ < 10 ? 900_000_000 : 5_000_000;
            laps.end("detect");
            if (picture == 1) {
                clock.now += 20_000_000;
                laps.end("embed");
            }
        }, 3, 1, 12, PATIENT);
        assertEquals("detect", run.rows.get(0).subject.stage);
        assertEquals(5, run.rows.get(0).summary.max, 1e-9);
        Row whole = run.rows.get(2);
        assertEquals(Pipeline.WHOLE, whole.subject.stage);
        assertEquals(25, whole.summary.max, 1e-9);
        Row embed = run.rows.get(1);
        assertEquals(20, embed.summary.p50, 1e-9);
        assertEquals(whole.summary.count, 3 * embed.summary.count); // whole rounds of pictures
        assertTrue(whole.summary.count * 35.0 / 3 >= 1000);
        assertEquals(Arrays.asList("quick"), embed.summary.flags);
        assertTrue(run.complete);
    }

    @Test
    void whatGetsFasterAndFasterIsFlagged() {
        Clock clock = new Clock();
        double[] cost = {1e8};
        Run run = new Pipeline(SUBJECT, device(folder), Collections.emptyMap(), clock).measure((picture, laps) -> {
            clock.now += (long) cost[0];
            cost[0] *= 0.995; // 10 s are over before it gets no faster
        }, 1, 0, 10, PATIENT);
        assertTrue(run.rows.get(0).summary.flags.contains("warming"));
    }

    @Test
    void aRunThatIsEndedKeepsWholeRoundsAndSaysSo() {
        for (int asked : new int[] {1, 30, 64 + 2}) {
            Clock clock = new Clock();
            List<Double> shares = new ArrayList<>();
            Run run = new Pipeline(SUBJECT, device(folder), Collections.emptyMap(), clock).measure(
                    steps(clock), 1, 0, 1000, share -> {
                        shares.add(share);
                        return shares.size() < asked;
                    });
            if (asked < 40) {
                assertNull(run);
            } else {
                int pictures = Collections.frequency(shares, 0.0);
                assertFalse(run.complete);
                Summary summary = run.rows.get(0).summary;
                assertEquals((shares.size() - pictures) / 4 * 4, summary.count);
                assertTrue(summary.flags.contains("incomplete"));
            }
        }
    }

    @Test
    void senselessNumbers() {
        Pipeline pipeline = new Pipeline(SUBJECT, device(folder), Collections.emptyMap());
        Pipeline.Work nothing = (picture, laps) -> { };
        assertThrows(OptionException.class, () -> pipeline.measure(nothing, 0, 1, 1, PATIENT));
        assertThrows(OptionException.class, () -> pipeline.measure(nothing, 1, Double.NaN, 1, PATIENT));
        assertThrows(OptionException.class, () -> pipeline.measure(nothing, 1, -1, 1, PATIENT));
        assertThrows(OptionException.class, () -> pipeline.measure(nothing, 1, 1, 0, PATIENT));
    }

    @Test
    void aSettingThatIsNoNumberOfJsonIsRefused() {
        Clock clock = new Clock();
        Run run = new Pipeline(SUBJECT, device(folder), Collections.singletonMap("load", Double.NaN), clock)
                .measure(steps(clock), 1, 0, 4, PATIENT);
        assertThrows(EvaluationException.class, run::toJson);
    }

    /** For {@code examine} in {@code benchmark.py}: real time, and this machine as the device. */
    @Test
    void aRunForPython() throws IOException {
        Golden.generated("gallery-python.db"); // where the command prepared the folder
        Device here = Device.here("", "JVM", "", Collections.singletonMap("java", System.getProperty("java.version")),
                null);
        Run run = new Pipeline(SUBJECT, here, Collections.singletonMap("detector", "yunet")).measure(
                (picture, laps) -> {
                    for (String step : new String[] {"detect", "align", "embed"}) {
                        double[] values = new double[2000];
                        Arrays.setAll(values, Math::sqrt);
                        laps.end(values[1] > 0 ? step : "");
                    }
                }, 1, 0.2, 100, PATIENT);
        Files.writeString(Golden.GENERATED.resolve("benchmark-java.json"), run.toJson());
        assertTrue(run.rows.get(0).summary.p50 > 0);
    }
}
