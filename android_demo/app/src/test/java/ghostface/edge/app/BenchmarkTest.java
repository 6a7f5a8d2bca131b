package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.net.Uri;
import android.widget.TableLayout;
import android.widget.TextView;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import ghostface.edge.benchmark.Row;
import ghostface.edge.benchmark.Run;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.shadows.ShadowActivity;
import org.robolectric.shadows.ShadowToast;

/** The benchmark screen, on real networks; that Python reads its file is tested beside Python's. */
@RunWith(RobolectricTestRunner.class)
public class BenchmarkTest {
    private ActivityController<BenchmarkActivity> controller;
    private BenchmarkActivity screen;

    @Before
    public void open() throws Exception {
        TestApp.useRealModels();
        controller = Robolectric.buildActivity(BenchmarkActivity.class).setup();
        screen = controller.get();
        Screens.await("models are open", () -> Screens.visible(screen, R.id.content));
    }

    @Test
    public void everyStageIsTimedAndTheFileIsSavedWhereTheUserSays() throws Exception {
        BenchmarkFlow flow = (BenchmarkFlow) screen.onRetainNonConfigurationInstance();
        flow.start(() -> BenchmarkActivity.drawn(screen), "drawn people", 0, 12);
        Screens.await("a result", () -> Screens.visible(screen, R.id.results));
        Run run = flow.state().get().run;
        List<String> stages = new ArrayList<>();
        double steps = 0;
        for (Row row : run.rows) {
            stages.add(row.subject.stage);
            steps += row.subject.stage.equals("whole") ? 0 : row.summary.mean;
            assertTrue(row.summary.count >= 12);
            assertTrue(row.summary.p50 > 0);
        }
        assertEquals(Arrays.asList("detect", "align", "embed", "match", "whole"), stages);
        double whole = run.rows.get(4).summary.mean;
        assertTrue("the steps are all of it", steps <= whole * (1 + 1e-9) && steps > 0.9 * whole);
        TableLayout table = screen.findViewById(R.id.table);
        assertEquals("a head and five stages", 6, table.getChildCount());
        assertEquals("Total", ((TextView) table.getChildAt(5).findViewById(R.id.stage)).getText().toString());
        Screenshot.take(screen, "benchmark");

        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        Uri uri = Uri.parse("content://files/run.json");
        shadowOf(screen.getContentResolver()).registerOutputStream(uri, saved);
        Screens.click(screen, R.id.save);
        ShadowActivity shadow = shadowOf(screen);
        Intent asked = shadow.getNextStartedActivityForResult().intent;
        assertEquals(Intent.ACTION_CREATE_DOCUMENT, asked.getAction());
        assertTrue(asked.getStringExtra(Intent.EXTRA_TITLE).matches("pipeline-[a-z0-9-]+-\\d{4}-\\d\\d-\\d\\d\\.json"));
        shadow.receiveResult(asked, Activity.RESULT_OK, new Intent().setData(uri));
        Screens.await("it is written", () -> "Saved".equals(ShadowToast.getTextOfLatestToast()));
        JsonObject file = JsonParser.parseString(saved.toString("UTF-8")).getAsJsonObject();
        assertEquals("pipeline", file.get("kind").getAsString());
        assertEquals(5, file.getAsJsonArray("rows").size());
        JsonObject subject = file.getAsJsonArray("rows").get(0).getAsJsonObject().getAsJsonObject("subject");
        int threads = ((FaceApp) RuntimeEnvironment.getApplication()).engines().settings().threads;
        assertEquals(threads, subject.get("threads").getAsInt());
    }

    @Test
    public void aRunIsEndedWhenTheUserLeavesAndNotWhenThePhoneIsTurned() throws Exception {
        Screens.click(screen, R.id.start);
        assertEquals("Stop", Screens.text(screen, R.id.start));
        Screens.turn(controller);
        screen = controller.get();
        BenchmarkFlow flow = (BenchmarkFlow) screen.onRetainNonConfigurationInstance();
        Screens.await("it goes on", () -> flow.state().get().share > 0);
        assertEquals("Stop", Screens.text(screen, R.id.start));
        controller.pause().stop();
        Screens.await("it ends", () -> !flow.state().get().running);
        Run run = flow.state().get().run;
        assertFalse(run != null && run.complete);
    }

    @Test
    public void aPhotoWithoutAFaceSaysSo() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.file("wall.png", EnrolTest.png(EnrolTest.wall(320, 240))));
        assertEquals("A photo of yours", Screens.text(screen, R.id.photo_name));
        Screens.click(screen, R.id.start);
        Screens.awaitText(screen, R.id.hint, "No face found");
    }
}
