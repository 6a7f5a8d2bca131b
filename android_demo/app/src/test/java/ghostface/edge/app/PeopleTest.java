package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.app.AlertDialog;
import android.view.View;
import android.widget.ListView;
import android.widget.TextView;
import ghostface.edge.Template;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.shadows.ShadowAlertDialog;
import org.robolectric.shadows.ShadowLooper;

/** The list of people, on the gallery that is open. */
@RunWith(RobolectricTestRunner.class)
public class PeopleTest {
    private ActivityController<PeopleActivity> controller;
    private PeopleActivity screen;

    @Before
    public void open() throws Exception {
        TestApp.useRealModels();
        controller = Robolectric.buildActivity(PeopleActivity.class).setup();
        screen = controller.get();
        Screens.await("models are open", () -> Screens.visible(screen, R.id.content));
    }

    @Test
    public void nobodyIsEnrolledAtFirst() throws Exception {
        assertTrue(Screens.visible(screen, R.id.nobody));
        Screenshot.take(screen, "people-empty");
    }

    @Test
    public void whoIsDeletedIsGoneAndTheOthersStay() throws Exception {
        enrol("Grace", 1);
        enrol("Ada", 3);
        enrol("Émilie", 2);
        assertEquals("Ada", row(0, R.id.name));
        assertTrue(row(0, R.id.templates).startsWith("3 photos · 20"));
        assertTrue(row(1, R.id.templates).startsWith("1 photo · 20"));
        Screenshot.take(screen, "people");
        ask(0);
        answer(AlertDialog.BUTTON_NEGATIVE);
        assertEquals("Cancel deletes nobody", 3, list().getAdapter().getCount());
        ask(0);
        answer(AlertDialog.BUTTON_POSITIVE);
        Screens.await("Ada is gone", () -> list().getAdapter().getCount() == 2);
        assertEquals("Grace", row(0, R.id.name));
        assertEquals("Émilie", row(1, R.id.name));
    }

    @Test
    public void turningThePhoneKeepsTheQuestion() throws Exception {
        enrol("Ada", 1);
        ask(0);
        Screens.turn(controller);
        screen = controller.get();
        answer(AlertDialog.BUTTON_POSITIVE);
        Screens.await("nobody is left", () -> Screens.visible(screen, R.id.nobody));
        assertFalse(Screens.visible(screen, R.id.list));
    }

    private void enrol(String name, int templates) throws Exception {
        Engines engines = ((FaceApp) RuntimeEnvironment.getApplication()).engines();
        int before = list().getAdapter().getCount();
        engines.run(recogniser -> {
            Template[] rows = new Template[templates];
            for (int i = 0; i < templates; i++) {
                float[] embedding = new float[512];
                embedding[i] = 1;
                rows[i] = new Template(embedding, recogniser.engine.model());
            }
            return recogniser.gallery.enroll(name, rows);
        }, (person, problem) -> controller.pause().stop().start().resume());  // comes back to the screen
        Screens.await(name + " is in the list", () -> list().getAdapter().getCount() == before + 1);
        Screenshot.take(screen, "people-some");  // lays the rows out
    }

    private ListView list() {
        return screen.findViewById(R.id.list);
    }

    private String row(int position, int id) {
        View row = list().getAdapter().getView(position, null, list());
        return ((TextView) row.findViewById(id)).getText().toString();
    }

    private void ask(int position) {
        list().getAdapter().getView(position, null, list()).findViewById(R.id.delete).performClick();
        ShadowLooper.idleMainLooper();
    }

    private static void answer(int button) {
        ((AlertDialog) ShadowAlertDialog.getLatestDialog()).getButton(button).performClick();
        ShadowLooper.idleMainLooper();
    }
}
