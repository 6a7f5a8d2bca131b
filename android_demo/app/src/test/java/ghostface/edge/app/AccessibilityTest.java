package ghostface.edge.app;

import static org.junit.Assert.assertTrue;

import android.Manifest;
import android.app.Activity;
import android.view.View;
import android.view.ViewGroup;
import android.widget.TextView;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.Shadows;

/** Everything that can be touched is named and large enough, and no text is cut, on every screen. */
@RunWith(RobolectricTestRunner.class)
public class AccessibilityTest {
    /** Android's guide, "Make apps more accessible": the least side of a touch target, in dp. */
    private static final int LEAST = 48;

    @Before
    public void begin() {
        TestApp.useRealModels();
        Shadows.shadowOf(RuntimeEnvironment.getApplication()).grantPermissions(Manifest.permission.CAMERA);
    }

    @Test
    public void live() throws Exception {
        check(LiveActivity.class, 5);
    }

    @Test
    public void enrol() throws Exception {
        check(EnrolActivity.class, 4);
    }

    @Test
    public void verify() throws Exception {
        check(VerifyActivity.class, 3);
    }

    @Test
    public void people() throws Exception {
        check(PeopleActivity.class, 2);
    }

    @Test
    public void settings() throws Exception {
        check(SettingsActivity.class, 9);
    }

    @Test
    public void benchmark() throws Exception {
        check(BenchmarkActivity.class, 5);
    }

    /** What Android 14 offers at most. */
    @Test
    public void textOfTwiceTheSizeIsNotCut() throws Exception {
        RuntimeEnvironment.setFontScale(2);
        check(LiveActivity.class, 5);
        check(EnrolActivity.class, 4);
        check(VerifyActivity.class, 3);
        check(PeopleActivity.class, 2);
        check(SettingsActivity.class, 9);
        check(BenchmarkActivity.class, 5);
    }

    /** @param least number of things to touch; fewer would mean that the screen was not looked at */
    private static void check(Class<? extends ScreenActivity> type, int least) throws Exception {
        Activity screen = Robolectric.buildActivity(type).setup().get();
        Engines engines = ((FaceApp) RuntimeEnvironment.getApplication()).engines();
        Screens.await("models are open", () -> !engines.embedders().isEmpty());
        Screenshot.take(screen, "accessibility");  // lays it out
        int found = check(screen.findViewById(android.R.id.content));
        assertTrue(type.getSimpleName() + ": only " + found, found >= least);
    }

    private static int check(View view) {
        if (view.getVisibility() != View.VISIBLE) {
            return 0;
        }
        int count = 0;
        if (view.isClickable()) {
            float density = view.getResources().getDisplayMetrics().density;
            String what = view.getClass().getSimpleName() + " " + view;
            assertTrue(what + " is too small", view.getHeight() >= LEAST * density && view.getWidth() >= LEAST * density);
            CharSequence name = view.getContentDescription();
            if (name == null && view instanceof TextView) {
                TextView text = (TextView) view;
                name = text.getText().length() == 0 ? text.getHint() : text.getText();
            }
            assertTrue(what + " has no name", name != null && name.length() > 0);
            count++;
        }
        if (view instanceof TextView && ((TextView) view).getLayout() != null) {
            TextView text = (TextView) view;
            int needed = text.getCompoundPaddingTop() + text.getLayout().getHeight() + text.getCompoundPaddingBottom();
            assertTrue("\"" + text.getText() + "\" is cut", text.getHeight() >= needed);
        }
        if (view instanceof ViewGroup) {
            for (int i = 0; i < ((ViewGroup) view).getChildCount(); i++) {
                count += check(((ViewGroup) view).getChildAt(i));
            }
        }
        return count;
    }
}
