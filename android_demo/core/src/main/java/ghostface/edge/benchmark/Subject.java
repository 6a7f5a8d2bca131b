package ghostface.edge.benchmark;

import java.util.LinkedHashMap;
import java.util.Map;

/** What was timed: the identity under which samples are kept. */
public final class Subject {
    /** Of the model, its file or its architecture. */
    public final String name;
    /** Of its card; empty where there is none. */
    public final String modelId;
    /** As model cards name it, such as {@code float32}; empty where there is none. */
    public final String precision;
    /** Library and version, such as {@code onnxruntime 1.24.1}. */
    public final String runtime;
    /** CPU threads of one call. */
    public final int threads;
    /** Of the model's file; empty where there is none. */
    public final String fileSha256;
    /** What was called: {@code detect}, {@code whole} ... */
    public final String stage;

    public Subject(String name, String modelId, String precision, String runtime, int threads, String fileSha256,
            String stage) {
        this.name = name;
        this.modelId = modelId;
        this.precision = precision;
        this.runtime = runtime;
        this.threads = threads;
        this.fileSha256 = fileSha256;
        this.stage = stage;
    }

    /** The same with another stage. */
    public Subject at(String stage) {
        return new Subject(name, modelId, precision, runtime, threads, fileSha256, stage);
    }

    Map<String, Object> toMap() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("name", name);
        values.put("model_id", modelId);
        values.put("precision", precision);
        values.put("runtime", runtime);
        values.put("threads", threads);
        values.put("file_sha256", fileSha256);
        values.put("stage", stage);
        return values;
    }

    @Override
    public String toString() {
        return name + " " + precision + ", " + runtime + ", " + threads + (threads == 1 ? " thread, " : " threads, ")
                + stage;
    }
}
