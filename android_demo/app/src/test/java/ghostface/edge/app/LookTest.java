package ghostface.edge.app;

import android.content.Context;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

@RunWith(RobolectricTestRunner.class)
public class LookTest {
    @Test
    public void enrol() throws Exception {
        TestApp.useRealModels();
        EnrolActivity a = Robolectric.buildActivity(EnrolActivity.class).setup().get();
        Screens.await("ready", () -> Screens.visible(a, R.id.content));
        Screenshot.take(a, "enrol-empty");
    }
    @Test
    public void missing() throws Exception {
        TestApp.models = new java.io.File("none");
        EnrolActivity a = Robolectric.buildActivity(EnrolActivity.class).setup().get();
        Screens.await("problem", () -> Screens.visible(a, R.id.problem));
        Screenshot.take(a, "no-model");
    }
    @Test
    public void verify() throws Exception {
        TestApp.useRealModels();
        VerifyActivity a = Robolectric.buildActivity(VerifyActivity.class).setup().get();
        Screens.await("ready", () -> Screens.visible(a, R.id.content));
        Screenshot.take(a, "verify-empty");
    }
    @Test
    public void settings() throws Exception {
        TestApp.useRealModels();
        SettingsActivity a = Robolectric.buildActivity(SettingsActivity.class).setup().get();
        Screens.await("ready", () -> ((android.widget.RadioGroup) a.findViewById(R.id.models)).getChildCount() > 0);
        Screenshot.take(a, "settings");
    }
    @Test
    public void people() throws Exception {
        TestApp.useRealModels();
        PeopleActivity a = Robolectric.buildActivity(PeopleActivity.class).setup().get();
        Screens.await("ready", () -> Screens.visible(a, R.id.content));
        Screenshot.take(a, "people-empty");
    }
    @Test
    public void benchmark() throws Exception {
        TestApp.useRealModels();
        BenchmarkActivity a = Robolectric.buildActivity(BenchmarkActivity.class).setup().get();
        Screens.await("ready", () -> Screens.visible(a, R.id.content));
        Screenshot.take(a, "benchmark");
    }
    @Test
    public void live() throws Exception {
        TestApp.useRealModels();
        LiveActivity a = Robolectric.buildActivity(LiveActivity.class).setup().get();
        Screens.await("ready", () -> Screens.visible(a, R.id.content));
        Screenshot.take(a, "live");
    }
}
