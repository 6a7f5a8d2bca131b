package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import android.graphics.Color;
import android.widget.RadioButton;
import android.widget.RadioGroup;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowLooper;

/** Settings, with the thresholds of the official model's card. */
@RunWith(RobolectricTestRunner.class)
public class SettingsTest {
    private Engines engines;
    private SettingsActivity screen;

    @Before
    public void open() throws Exception {
        TestApp.useRealModels();
        engines = ((FaceApp) RuntimeEnvironment.getApplication()).engines();
        screen = Robolectric.buildActivity(SettingsActivity.class).setup().get();
        Screens.await("models are listed", () -> group(R.id.models).getChildCount() == 1);
    }

    @Test
    public void theRateDecidesTheThreshold() throws Exception {
        assertEquals("1 in 1,000", chosen(R.id.thresholds).split("\n")[0]);
        Screenshot.take(screen, "settings");
        choose(R.id.thresholds, "1 in 10,000");
        Screens.await("the choice is shown", () -> chosen(R.id.thresholds).startsWith("1 in 10,000"));
        double[] threshold = new double[2];
        engines.run(recogniser -> recogniser.threshold, (found, problem) -> {
            threshold[0] = found.fmr;
            threshold[1] = found.similarity;
        });
        Screens.await("an answer", () -> threshold[0] != 0);
        assertEquals(1e-4, threshold[0], 0);
        assertTrue(chosen(R.id.thresholds).contains(String.format("similarity %.3f", threshold[1])));
    }

    @Test
    @Config(qualifiers = "+night")
    public void theDarkThemeIsDark() throws Exception {
        assertTrue(Color.luminance(Screenshot.take(screen, "settings-dark").getPixel(10, 10)) < 0.05);
    }

    @Test
    public void theNumberOfThreadsReachesTheRuntime() throws Exception {
        choose(R.id.threads, "1");
        int[] threads = new int[1];
        engines.run(recogniser -> recogniser.embedder.threads(), (found, problem) -> threads[0] = found);
        Screens.await("an answer", () -> threads[0] == 1);
        assertEquals("1", chosen(R.id.threads));
    }

    @Test
    public void choicesSurvive() {
        engines.apply(engines.settings().withFmr(1e-5).withThreads(2).withModel("another.tflite"));
        SettingsStore store = new SettingsStore(
                RuntimeEnvironment.getApplication().getSharedPreferences("settings", 0));
        assertEquals(1e-5, store.load().fmr, 0);
        assertEquals(2, store.load().threads);
        assertEquals("another.tflite", store.load().model);
    }

    private RadioGroup group(int id) {
        return screen.findViewById(id);
    }

    /** Text of the checked button, empty where none is. */
    private String chosen(int id) {
        RadioButton button = group(id).findViewById(group(id).getCheckedRadioButtonId());
        return button == null ? "" : button.getText().toString();
    }

    private void choose(int id, String words) {
        for (int i = 0; i < group(id).getChildCount(); i++) {
            RadioButton button = (RadioButton) group(id).getChildAt(i);
            if (button.getText().toString().split("\n")[0].equals(words)) {
                button.performClick();
                ShadowLooper.idleMainLooper();
                return;
            }
        }
        throw new AssertionError("no choice " + words);
    }
}
