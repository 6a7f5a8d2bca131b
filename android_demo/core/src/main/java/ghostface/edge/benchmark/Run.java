package ghostface.edge.benchmark;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import ghostface.edge.errors.EvaluationException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One run of a benchmark, whose file {@code ghostface-edge bench report} and {@code compare} read: a run of kind
 * {@code pipeline} in the JSON schema of {@code benchmarks/run_file.py}.
 */
public final class Run {
    /** Version of the schema. */
    static final int SCHEMA = 1;
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss'+00:00'", Locale.ROOT).withZone(ZoneOffset.UTC);
    private static final Gson GSON = new GsonBuilder().serializeNulls().setPrettyPrinting().disableHtmlEscaping()
            .create();

    public final Device device;
    /** How the device was before and after. */
    public final List<Condition> conditions;
    /** What was asked for, by name: plain values for JSON. */
    public final Map<String, Object> settings;
    /** Results by subject, no two of the same. */
    public final List<Row> rows;
    /** False where the run was interrupted. */
    public final boolean complete;
    /** When it ended, ISO 8601 in UTC. */
    public final String created;

    Run(Device device, List<Condition> conditions, Map<String, Object> settings, List<Row> rows, boolean complete,
            Instant created) {
        this.device = device;
        this.conditions = Collections.unmodifiableList(conditions);
        this.settings = Collections.unmodifiableMap(settings);
        this.rows = Collections.unmodifiableList(rows);
        this.complete = complete;
        this.created = TIME.format(created);
    }

    /**
     * The text of the file, to be written as UTF-8.
     *
     * @throws EvaluationException a setting is NaN or infinity, or no plain value
     */
    public String toJson() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("schema", SCHEMA);
        values.put("kind", "pipeline");
        values.put("created", created);
        values.put("complete", complete);
        values.put("command", Collections.singletonList(Pipeline.class.getName()));
        values.put("device", device.toMap());
        List<Object> moments = new ArrayList<>();
        for (Condition condition : conditions) {
            moments.add(condition.toMap());
        }
        values.put("conditions", moments);
        values.put("settings", settings);
        List<Object> lines = new ArrayList<>();
        for (Row row : rows) {
            lines.add(row.toMap());
        }
        values.put("rows", lines);
        try {
            return GSON.toJson(values) + "\n";
        } catch (IllegalArgumentException error) {
            throw new EvaluationException("results that cannot be written as JSON: " + error.getMessage(), error);
        }
    }
}
