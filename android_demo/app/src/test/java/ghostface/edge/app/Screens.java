package ghostface.edge.app;

import static org.junit.Assert.fail;

import android.app.Activity;
import android.view.View;
import android.widget.TextView;
import java.util.function.BooleanSupplier;
import org.robolectric.shadows.ShadowLooper;

/** What a user does with a screen. */
final class Screens {
    private static final long SECONDS = 60;

    private Screens() {}

    /** Let the two threads work until something is so. */
    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + SECONDS * 1_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                fail("after " + SECONDS + " s still not: " + what);
            }
            Thread.sleep(5);
            ShadowLooper.idleMainLooper();
        }
    }

    static void awaitText(Activity activity, int id, String text) throws InterruptedException {
        await(text, () -> text(activity, id).contains(text));
    }

    /** Shown text, empty where the view is hidden. */
    static String text(Activity activity, int id) {
        TextView view = activity.findViewById(id);
        return view.isShown() || view.getVisibility() == View.VISIBLE ? view.getText().toString() : "";
    }

    static boolean visible(Activity activity, int id) {
        return activity.findViewById(id).getVisibility() == View.VISIBLE;
    }

    static void click(Activity activity, int id) {
        View view = activity.findViewById(id);
        if (!view.isEnabled()) {
            fail("not enabled: " + activity.getResources().getResourceEntryName(id));
        }
        view.performClick();
        ShadowLooper.idleMainLooper();
    }
}
