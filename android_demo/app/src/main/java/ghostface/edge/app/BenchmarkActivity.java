package ghostface.edge.app;

import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.net.Uri;
import android.os.Build;
import android.os.Bundle;
import android.view.View;
import android.widget.Button;
import android.widget.ProgressBar;
import android.widget.RadioGroup;
import android.widget.TableLayout;
import android.widget.TextView;
import android.widget.Toast;
import ghostface.edge.FaceImage;
import ghostface.edge.benchmark.Row;
import ghostface.edge.benchmark.Run;
import ghostface.edge.benchmark.Summary;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** How long each step takes on this phone; the result is a file that {@code ghostface-edge bench report} reads. */
public final class BenchmarkActivity extends ScreenActivity {
    private static final int PHOTO = 1;
    private static final int SAVE = 2;
    private static final String URI = "photo";
    private static final String DRAWN = "drawn people";

    private BenchmarkFlow flow;
    private Uri uri;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setScreen(R.layout.benchmark);
        flow = (BenchmarkFlow) getLastNonConfigurationInstance();
        if (flow == null) {
            flow = new BenchmarkFlow(engines(), new AndroidPhone(getApplicationContext(), version()));
        }
        uri = PhotoPicker.saved(saved, URI);
        findViewById(R.id.choose_photo).setOnClickListener(view -> PhotoPicker.pick(this, PHOTO));
        findViewById(R.id.start).setOnClickListener(view -> startOrStop());
        findViewById(R.id.save).setOnClickListener(view -> PhotoPicker.create(this, fileName(), SAVE));
        findViewById(R.id.share).setOnClickListener(view -> share());
        showPhoto();
    }

    @Override
    protected void onStart() {
        super.onStart();
        flow.state().observe(this::show);
    }

    @Override
    protected void onStop() {
        flow.state().observe(null);
        if (!isChangingConfigurations()) {
            flow.stop();  // in the background the system gives an app less of the CPU
        }
        super.onStop();
    }

    @Override
    public Object onRetainNonConfigurationInstance() {
        return flow;
    }

    @Override
    protected void onSaveInstanceState(Bundle saved) {
        super.onSaveInstanceState(saved);
        PhotoPicker.save(saved, URI, uri);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result != RESULT_OK || data == null || data.getData() == null) {
            return;
        }
        if (request == PHOTO) {
            uri = data.getData();
            showPhoto();
        } else {
            save(data.getData());
        }
    }

    @Override
    void update(Engines.State state) {}

    private void startOrStop() {
        if (flow.state().get().running) {
            flow.stop();
            return;
        }
        RadioGroup runs = findViewById(R.id.runs);
        boolean quick = runs.getCheckedRadioButtonId() == R.id.quick;
        if (uri == null) {
            Context context = getApplicationContext();
            flow.start(() -> drawn(context), DRAWN, quick);
        } else {
            flow.start(PhotoPicker.photo(this, uri), "photo", quick);  // its name is nobody's business
        }
    }

    /** People who do not exist: drawn by a program, the same on every phone. */
    static FaceImage drawn(Context context) {
        return Photos.read(() -> context.getResources().openRawResource(R.raw.people), DRAWN);
    }

    private void showPhoto() {
        text(R.id.photo_name, getString(uri == null ? R.string.drawn_people : R.string.own_photo));
    }

    private void show(BenchmarkFlow.State state) {
        Button start = findViewById(R.id.start);
        start.setText(state.running ? R.string.benchmark_stop : R.string.benchmark_start);
        ProgressBar progress = findViewById(R.id.progress);
        progress.setVisibility(state.running ? View.VISIBLE : View.INVISIBLE);
        progress.setIndeterminate(state.share <= 0);
        progress.setProgress((int) (progress.getMax() * state.share));
        getWindow().getDecorView().setKeepScreenOn(state.running);
        visible(R.id.results, state.run != null);
        if (state.run != null) {
            show(state.run);
        }
        text(R.id.hint, hint(state));
    }

    private String hint(BenchmarkFlow.State state) {
        if (state.problem != null) {
            return inWords(state.problem);
        }
        if (state.running) {
            return getString(state.share <= 0 ? R.string.warming_up : R.string.measuring);
        }
        return state.run == null ? getString(R.string.benchmark_hint) : "";
    }

    private void show(Run run) {
        TableLayout table = findViewById(R.id.table);
        table.removeAllViews();
        String[] head = getResources().getStringArray(R.array.percentiles);
        row(table, head[0], head[1], head[2], head[3]);
        for (Row row : run.rows) {
            Summary times = row.summary;
            row(table, name(row.subject.stage), millis(times.p50), millis(times.p90), millis(times.p99));
        }
        Row first = run.rows.get(0);
        String flags = String.join(", ", first.summary.flags);
        String conditions = getString(
                R.string.conditions, first.subject.name, first.subject.precision, first.subject.runtime,
                first.subject.threads, first.summary.count);
        text(R.id.conditions, flags.isEmpty() ? conditions : conditions + "\n" + getString(R.string.flags, flags));
    }

    private void row(TableLayout table, String... cells) {
        View row = getLayoutInflater().inflate(R.layout.stage, table, false);
        int[] ids = {R.id.stage, R.id.p50, R.id.p90, R.id.p99};
        for (int i = 0; i < ids.length; i++) {
            ((TextView) row.findViewById(ids[i])).setText(cells[i]);
        }
        table.addView(row);
    }

    private String name(String stage) {
        switch (stage) {
            case "detect":
                return getString(R.string.stage_detect);
            case "align":
                return getString(R.string.stage_align);
            case "embed":
                return getString(R.string.stage_embed);
            case "match":
                return getString(R.string.stage_search);
            default:
                return getString(R.string.stage_total);
        }
    }

    private static String millis(double time) {
        return String.format(Locale.getDefault(), time < 100 ? "%.2f" : "%.1f", time);
    }

    private String fileName() {
        return BenchmarkFlow.fileName(Build.MODEL, flow.state().get().run);
    }

    private void save(Uri target) {
        Run run = flow.state().get().run;
        if (run == null) {  // the process was started anew while the user looked for a place
            Toast.makeText(this, R.string.no_results, Toast.LENGTH_LONG).show();
            return;
        }
        Context context = getApplicationContext();
        engines().after(() -> {  // the place may be on a network
            String words = write(context, target, run);
            engines().onMain(() -> Toast.makeText(context, words, Toast.LENGTH_LONG).show());
        });
    }

    /** What there is to say about it. */
    private static String write(Context context, Uri target, Run run) {
        try (OutputStream stream = context.getContentResolver().openOutputStream(target, "wt")) {
            if (stream == null) {
                throw new IOException("its provider does not answer");
            }
            stream.write(run.toJson().getBytes(StandardCharsets.UTF_8));
        } catch (IOException | RuntimeException error) {  // RuntimeException: of another app, which may throw anything
            return context.getString(R.string.not_saved, error.getMessage());
        }
        return context.getString(R.string.saved);
    }

    private void share() {
        Intent intent = new Intent(Intent.ACTION_SEND);
        intent.setType("application/json");
        intent.putExtra(Intent.EXTRA_SUBJECT, fileName());
        intent.putExtra(Intent.EXTRA_TEXT, flow.state().get().run.toJson());
        startActivity(Intent.createChooser(intent, getString(R.string.share_json)));
    }

    private String version() {
        try {
            return getPackageManager().getPackageInfo(getPackageName(), 0).versionName;
        } catch (PackageManager.NameNotFoundException error) {
            throw new IllegalStateException(error);  // a package that does not know itself
        }
    }
}
