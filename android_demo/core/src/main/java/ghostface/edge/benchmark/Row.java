package ghostface.edge.benchmark;

import java.util.LinkedHashMap;
import java.util.Map;

/** Results of one subject. */
public final class Row {
    public final Subject subject;
    /** Its times. */
    public final Summary summary;
    /** What else is known of it, by name: plain values for JSON. */
    public final Map<String, Object> figures;

    Row(Subject subject, Summary summary, Map<String, Object> figures) {
        this.subject = subject;
        this.summary = summary;
        this.figures = figures;
    }

    Map<String, Object> toMap() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("subject", subject.toMap());
        values.put("summary", summary.toMap());
        values.put("figures", figures);
        return values;
    }
}
