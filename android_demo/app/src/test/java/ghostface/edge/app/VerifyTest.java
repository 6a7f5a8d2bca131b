package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertTrue;

import com.google.gson.JsonArray;
import ghostface.edge.Matching;
import java.nio.charset.StandardCharsets;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** Two photos, with the official models. */
@RunWith(RobolectricTestRunner.class)
public class VerifyTest {
    private ActivityController<VerifyActivity> controller;
    private VerifyActivity screen;

    @Before
    public void open() throws Exception {
        TestApp.useRealModels();
        controller = Robolectric.buildActivity(VerifyActivity.class).setup();
        screen = controller.get();
        Screens.await("models are open", () -> Screens.visible(screen, R.id.content));
    }

    @Test
    public void theSameFaceIsTheSamePerson() throws Exception {
        Screenshot.take(screen, "verify-empty");
        assertFalse("nothing is compared yet", Screens.visible(screen, R.id.result));
        Screens.pick(screen, R.id.choose_a, Screens.people());
        Screens.awaitText(screen, R.id.hint_a, "3 faces found; face 1 is chosen");
        assertFalse("one photo is not enough", Screens.visible(screen, R.id.result));
        Screens.pick(screen, R.id.choose_b, Screens.people());
        Screens.awaitText(screen, R.id.answer, "Same person");
        assertTrue(Screens.text(screen, R.id.similarity).startsWith("Similarity 1.000, threshold 0.311"));
        assertTrue(Screens.text(screen, R.id.explanation).contains("1 in 1,000 pairs of different people"));
        Screenshot.take(screen, "verify");
    }

    @Test
    public void anotherFaceIsComparedAsPythonDoes() throws Exception {
        Screens.pick(screen, R.id.choose_a, Screens.people());
        Screens.pick(screen, R.id.choose_b, Screens.people());
        Screens.awaitText(screen, R.id.answer, "Same person");
        FaceView photo = screen.findViewById(R.id.photo_b);
        Screens.tap(photo, new Fit(900, 420, photo.getWidth(), photo.getHeight(), false), 735, 220);
        Screens.awaitText(screen, R.id.hint_b, "face 3 is chosen");
        Screens.click(screen, R.id.next_b);  // without seeing the photo
        Screens.awaitText(screen, R.id.hint_b, "face 1 is chosen");
        Screens.click(screen, R.id.next_b);
        Screens.click(screen, R.id.next_b);
        Screens.awaitText(screen, R.id.hint_b, "face 3 is chosen");
        JsonArray faces = EnrolTest.expected().getAsJsonArray("faces");
        double similarity = Matching.cosine(
                EnrolTest.floats(faces.get(0).getAsJsonArray()), EnrolTest.floats(faces.get(2).getAsJsonArray()));
        Screens.awaitText(screen, R.id.similarity, String.format("Similarity %.3f", similarity));
    }

    @Test
    public void aBadPhotoIsNamedAndTheOtherStays() throws Exception {
        Screens.pick(screen, R.id.choose_a, Screens.people());
        Screens.awaitText(screen, R.id.hint_a, "3 faces found");
        byte[] text = "not a picture".getBytes(StandardCharsets.UTF_8);
        Screens.pick(screen, R.id.choose_b, Screens.file("notes.jpg", text));
        Screens.awaitText(screen, R.id.hint_b, "The photo cannot be opened.");
        assertTrue(Screens.text(screen, R.id.hint_a).contains("3 faces found"));
        Screens.pick(screen, R.id.choose_b, Screens.people());
        Screens.awaitText(screen, R.id.answer, "Same person");
    }

    @Test
    public void turningThePhoneKeepsTheAnswer() throws Exception {
        Screens.pick(screen, R.id.choose_a, Screens.people());
        Screens.pick(screen, R.id.choose_b, Screens.people());
        Screens.awaitText(screen, R.id.answer, "Same person");
        Screens.turn(controller);
        VerifyActivity turned = controller.get();
        assertNotSame(screen, turned);
        assertEquals("Same person", Screens.text(turned, R.id.answer));
        Screenshot.take(turned, "verify-land");
    }

    @Test
    public void anotherRateInTheSettingsChangesTheThreshold() throws Exception {
        Screens.pick(screen, R.id.choose_a, Screens.people());
        Screens.pick(screen, R.id.choose_b, Screens.people());
        Screens.awaitText(screen, R.id.answer, "Same person");
        Engines engines = ((FaceApp) RuntimeEnvironment.getApplication()).engines();
        engines.apply(engines.settings().withFmr(1e-5));
        Screens.awaitText(screen, R.id.explanation, "1 in 100,000 pairs");
        engines.apply(engines.settings().withFmr(0.5));
        Screens.awaitText(screen, R.id.answer, "No threshold");
        assertEquals("Similarity 1.000", Screens.text(screen, R.id.similarity));
    }
}
