package ghostface.edge.app;

import android.os.Bundle;
import android.view.View;
import android.widget.RadioButton;
import android.widget.RadioGroup;
import android.widget.TextView;
import ghostface.edge.ModelCard;
import ghostface.edge.Threshold;
import ghostface.edge.detection.YuNet;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Which model, at which false-match rate, on how many threads. */
public final class SettingsActivity extends ScreenActivity {
    private static final int[] THREADS = {1, 2, 4};

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setScreen(R.layout.settings);
    }

    /** A model that cannot be opened is changed here. */
    @Override
    boolean needsRecogniser() {
        return false;
    }

    @Override
    void update(Engines.State state) {
        Settings settings = engines().settings();
        showModels(settings, state);
        showThresholds(settings);
        showThreads(settings);
    }

    private void showModels(Settings settings, Engines.State state) {
        RadioGroup group = clear(R.id.models);
        ModelFolder.Entry chosen = chosen(settings);
        for (ModelFolder.Entry entry : engines().embedders()) {
            String words = entry.file == null
                    ? entry.name + "\n" + inWords(entry.problem)
                    : getString(R.string.model_row, entry.file.card.name, entry.file.card.precision,
                            megabytes(entry.file.bytes().length));
            RadioButton button = add(group, words, entry == chosen);
            button.setEnabled(entry.file != null);
            button.setOnClickListener(view -> engines().apply(engines().settings().withModel(entry.name)));
        }
        TextView note = findViewById(R.id.model_note);
        if (state.problem != null) {
            note.setTextColor(getColor(R.color.bad));
            note.setText(inWords(state.problem));
        } else {
            note.setTextColor(getColor(R.color.muted));
            ModelCard card = chosen == null || chosen.file == null ? null : chosen.file.card;
            note.setText(card == null ? "" : getString(R.string.licence, card.licence));
        }
    }

    private ModelFolder.Entry chosen(Settings settings) {
        for (ModelFolder.Entry entry : engines().embedders()) {
            if (entry.name.equals(settings.model) || settings.model.isEmpty() && entry.file != null) {
                return entry;
            }
        }
        return null;
    }

    private void showThresholds(Settings settings) {
        RadioGroup group = clear(R.id.thresholds);
        ModelFolder.Entry chosen = chosen(settings);
        List<Threshold> thresholds = new ArrayList<>();
        if (chosen != null && chosen.file != null) {
            for (Threshold threshold : chosen.file.card.thresholds) {
                if (threshold.detector.equals(YuNet.Mode.ACCURATE.detector)) {
                    thresholds.add(threshold);
                }
            }
        }
        for (Threshold threshold : thresholds) {
            String words = getString(
                    R.string.threshold_row, Rates.inWords(this, threshold.fmr), threshold.similarity,
                    100 * threshold.fnmr);
            RadioButton button = add(group, words, threshold.fmr == settings.fmr);
            button.setOnClickListener(view -> engines().apply(engines().settings().withFmr(threshold.fmr)));
        }
        text(R.id.threshold_note, getString(
                thresholds.isEmpty() && chosen != null ? R.string.no_threshold_text : R.string.threshold_note));
    }

    private void showThreads(Settings settings) {
        RadioGroup group = clear(R.id.threads);
        for (int threads : THREADS) {
            RadioButton button = add(group, String.format(Locale.getDefault(), "%d", threads),
                    threads == settings.threads);
            int gap = getResources().getDimensionPixelSize(R.dimen.gap);
            button.setPaddingRelative(button.getPaddingStart(), 0, gap, 0);
            button.setOnClickListener(view -> engines().apply(engines().settings().withThreads(threads)));
        }
    }

    private RadioGroup clear(int id) {
        RadioGroup group = findViewById(id);
        group.removeAllViews();
        return group;
    }

    private RadioButton add(RadioGroup group, String words, boolean checked) {
        RadioButton button = (RadioButton) getLayoutInflater().inflate(R.layout.choice, group, false);
        button.setId(View.generateViewId());
        button.setText(words);
        group.addView(button);
        if (checked) {
            group.check(button.getId());
        }
        return button;
    }

    private static double megabytes(int bytes) {
        return bytes / 1e6;
    }
}
