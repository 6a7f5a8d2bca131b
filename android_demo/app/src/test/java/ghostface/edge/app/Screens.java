package ghostface.edge.app;

import static org.junit.Assert.fail;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.content.res.Configuration;
import android.net.Uri;
import android.view.MotionEvent;
import android.view.View;
import android.widget.TextView;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.BooleanSupplier;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowLooper;

/** What a user does with a screen. */
final class Screens {
    private static final long SECONDS = 30;

    private Screens() {}

    /** Let the two threads work until something is so. */
    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + SECONDS * 1_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (TestApp.crash != null) {
                throw new AssertionError("the background thread ended", TestApp.crash);
            }
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
        return view.getVisibility() == View.VISIBLE ? view.getText().toString() : "";
    }

    /** A file that the user can pick. */
    static Uri file(String name, byte[] bytes) {
        Uri uri = Uri.parse("content://photos/" + name);
        shadowOf(RuntimeEnvironment.getApplication().getContentResolver())
                .registerInputStreamSupplier(uri, () -> new ByteArrayInputStream(bytes));
        return uri;
    }

    /** The drawn people that come with the app. */
    static Uri people() throws IOException {
        try (InputStream stream = RuntimeEnvironment.getApplication().getResources().openRawResource(R.raw.people)) {
            return file("people.jpg", stream.readAllBytes());
        }
    }

    /** Click a button that opens the system's picker, and pick. */
    static void pick(Activity activity, int button, Uri uri) {
        click(activity, button);
        ShadowActivity shadow = shadowOf(activity);
        Intent asked = shadow.getNextStartedActivityForResult().intent;
        shadow.receiveResult(asked, Activity.RESULT_OK, new Intent().setData(uri));
        ShadowLooper.idleMainLooper();
    }

    /** Turn the phone to landscape, which makes a new screen. */
    static void turn(ActivityController<? extends Activity> controller) {
        Configuration turned = new Configuration(controller.get().getResources().getConfiguration());
        turned.orientation = Configuration.ORIENTATION_LANDSCAPE;
        turned.screenWidthDp = controller.get().getResources().getConfiguration().screenHeightDp;
        turned.screenHeightDp = controller.get().getResources().getConfiguration().screenWidthDp;
        controller.configurationChange(turned);
        ShadowLooper.idleMainLooper();
    }

    /** Touch a point of the picture that a view shows. */
    static void tap(FaceView view, Fit fit, float x, float y) {
        for (int action : new int[] {MotionEvent.ACTION_DOWN, MotionEvent.ACTION_UP}) {
            view.dispatchTouchEvent(MotionEvent.obtain(0, 0, action, fit.x(x), fit.y(y), 0));
        }
        ShadowLooper.idleMainLooper();
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
