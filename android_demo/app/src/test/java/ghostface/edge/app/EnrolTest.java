package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertTrue;

import android.database.Cursor;
import android.database.sqlite.SQLiteDatabase;
import android.graphics.Bitmap;
import android.graphics.Color;
import android.os.Bundle;
import android.view.inputmethod.EditorInfo;
import android.widget.EditText;
import android.widget.ListView;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import ghostface.edge.Matching;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** From a photo to a row in the gallery, with the official models. */
@RunWith(RobolectricTestRunner.class)
public class EnrolTest {
    private ActivityController<EnrolActivity> controller;
    private EnrolActivity screen;

    @Before
    public void open() throws Exception {
        TestApp.useRealModels();
        controller = Robolectric.buildActivity(EnrolActivity.class).setup();
        screen = controller.get();
        Screens.await("models are open", () -> Screens.visible(screen, R.id.content));
    }

    @Test
    public void oneOfThreeFacesIsEnrolledAsPythonComputesIt() throws Exception {
        Screenshot.take(screen, "enrol-empty");
        Screens.pick(screen, R.id.choose_photo, Screens.people());
        Screens.awaitText(screen, R.id.hint, "3 faces found; face 1 is chosen");
        Screens.click(screen, R.id.next_face);
        assertTrue(Screens.text(screen, R.id.hint).contains("face 2 is chosen"));
        type("Ada");
        Screenshot.take(screen, "enrol");
        Screens.click(screen, R.id.enrol);
        Screens.awaitText(screen, R.id.hint, "Ada is enrolled.");
        assertFalse("the same face twice", screen.findViewById(R.id.enrol).isEnabled());
        ((EditText) screen.findViewById(R.id.name)).onEditorAction(EditorInfo.IME_ACTION_DONE);  // nor by the keyboard
        assertEquals("Ada is enrolled.", Screens.text(screen, R.id.hint));

        float[] stored = storedEmbedding();
        JsonArray faces = expected().getAsJsonArray("faces");
        float[] chosen = floats(faces.get(1).getAsJsonArray());
        float[] main = floats(faces.get(0).getAsJsonArray());
        assertEquals(1, Matching.cosine(stored, chosen), 1e-5);
        assertEquals(Matching.cosine(main, chosen), Matching.cosine(main, stored), 1e-3);  // 0.905

        PeopleActivity people = Robolectric.buildActivity(PeopleActivity.class).setup().get();
        ListView list = people.findViewById(R.id.list);
        Screens.await("the list", () -> list.getAdapter() != null && list.getAdapter().getCount() == 1);
        Screenshot.take(people, "people-one");
    }

    @Test
    public void theMainFaceIsChosenFirstAndATapChoosesAnother() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.people());
        Screens.awaitText(screen, R.id.hint, "3 faces found; face 1 is chosen");
        Screenshot.take(screen, "enrol-main");
        FaceView photo = screen.findViewById(R.id.photo);
        Fit fit = new Fit(900, 420, photo.getWidth(), photo.getHeight(), false);
        Screens.tap(photo, fit, 735, 220);  // the person on the right; see benchmarks/drawn_people.py
        assertTrue(Screens.text(screen, R.id.hint).contains("face 3 is chosen"));
        Screens.tap(photo, fit, 300, 10);  // the wall
        assertTrue(Screens.text(screen, R.id.hint).contains("face 3 is chosen"));
    }

    @Test
    public void turningThePhoneKeepsPhotoChoiceAndName() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.people());
        Screens.awaitText(screen, R.id.hint, "3 faces found");
        Screens.click(screen, R.id.next_face);
        type("Grace");
        Screens.turn(controller);
        EnrolActivity turned = controller.get();
        assertNotSame(screen, turned);
        assertTrue(Screens.text(turned, R.id.hint).contains("3 faces found; face 2 is chosen"));
        assertEquals("Grace", Screens.text(turned, R.id.name));
        Screenshot.take(turned, "enrol-land");
        Screens.click(turned, R.id.enrol);
        Screens.awaitText(turned, R.id.hint, "Grace is enrolled.");
    }

    /** Android may end the process in the background; the screen is then the first that asks for the models. */
    @Test
    public void aNewProcessReadsThePhotoOfBeforeAgain() throws Exception {
        Bundle saved = new Bundle();
        PhotoPicker.save(saved, "photo", Screens.people());
        TestApp app = (TestApp) RuntimeEnvironment.getApplication();
        app.onTerminate();
        app.onCreate();
        EnrolActivity anew = Robolectric.buildActivity(EnrolActivity.class).setup(saved).get();
        Screens.awaitText(anew, R.id.hint, "3 faces found");
    }

    @Test
    public void aSecondPhotoOfAPersonIsCounted() throws Exception {
        for (String hint : new String[] {"Ada is enrolled.", "Ada is enrolled, now with 2 photos."}) {
            Screens.pick(screen, R.id.choose_photo, Screens.people());
            Screens.awaitText(screen, R.id.hint, "3 faces found");
            type(" Ada ");
            Screens.click(screen, R.id.enrol);
            Screens.awaitText(screen, R.id.hint, hint);
        }
    }

    @Test
    public void aPhotoWithoutAFaceSaysSo() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.file("wall.png", png(wall(640, 480))));
        Screens.awaitText(screen, R.id.hint, "No face found. Choose a photo in which the face is larger");
        assertFalse(screen.findViewById(R.id.enrol).isEnabled());
        Screenshot.take(screen, "enrol-no-face");
    }

    @Test
    public void aFileThatIsNoPictureSaysSo() throws Exception {
        byte[] text = "not a picture".getBytes(StandardCharsets.UTF_8);
        Screens.pick(screen, R.id.choose_photo, Screens.file("notes.jpg", text));
        Screens.awaitText(screen, R.id.hint, "The photo cannot be opened.");
        assertFalse(screen.findViewById(R.id.enrol).isEnabled());
    }

    @Test
    public void ofTwoPhotosTheLastOneCounts() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.people());
        Screens.pick(screen, R.id.choose_photo, Screens.file("wall.png", png(wall(640, 480))));
        Screens.awaitText(screen, R.id.hint, "No face found.");
    }

    @Test
    public void aSenselessNameSaysSoAndLosesNothing() throws Exception {
        Screens.pick(screen, R.id.choose_photo, Screens.people());
        Screens.awaitText(screen, R.id.hint, "3 faces found");
        Screens.click(screen, R.id.enrol);
        Screens.awaitText(screen, R.id.hint, "a name has 1 to 200 characters, and this one 0");
        type("Ada");
        Screens.click(screen, R.id.enrol);
        Screens.awaitText(screen, R.id.hint, "Ada is enrolled.");
    }

    @Test
    public void aPhotoOfFiftyMegapixelsIsEnrolled() throws Exception {
        FaceImages people = FaceImages.of(BenchmarkActivity.drawn(screen));
        byte[] large = people.enlarged(9).asPng();  // 8,100 x 3,780 = 31 million pixels
        assertTrue(Photos.sampling(8160, 6120) > 1);
        Screens.pick(screen, R.id.choose_photo, Screens.file("large.png", large));
        Screens.awaitText(screen, R.id.hint, "3 faces found");
        type("Ada");
        Screens.click(screen, R.id.enrol);
        Screens.awaitText(screen, R.id.hint, "Ada is enrolled.");
        float[] main = floats(expected().getAsJsonArray("faces").get(0).getAsJsonArray());
        assertTrue(Matching.cosine(storedEmbedding(), main) > 0.9);
    }

    @Test
    public void aFrameOfTheCameraIsEnrolled() throws Exception {
        FaceApp app = (FaceApp) RuntimeEnvironment.getApplication();
        app.putFrame(BenchmarkActivity.drawn(app));
        EnrolActivity fromCamera = Robolectric.buildActivity(
                EnrolActivity.class, new android.content.Intent().putExtra(EnrolActivity.FRAME, true)).setup().get();
        Screens.awaitText(fromCamera, R.id.hint, "3 faces found");
        assertSame("kept once", null, app.takeFrame());
    }

    // -----------------------------------------------------------------------------------------------------------

    private void type(String name) {
        ((EditText) screen.findViewById(R.id.name)).setText(name);
    }

    /** The only one of the gallery, read from the file beside the app. */
    private static float[] storedEmbedding() {
        File file = new File(RuntimeEnvironment.getApplication().getFilesDir(), "people.db");
        try (SQLiteDatabase database = SQLiteDatabase.openDatabase(
                        file.getPath(), null, SQLiteDatabase.OPEN_READONLY | SQLiteDatabase.ENABLE_WRITE_AHEAD_LOGGING);
                Cursor cursor = database.rawQuery("SELECT embedding, detector FROM template", null)) {
            assertEquals(1, cursor.getCount());
            cursor.moveToFirst();
            assertEquals("yunet", cursor.getString(1));
            ByteBuffer blob = ByteBuffer.wrap(cursor.getBlob(0)).order(ByteOrder.LITTLE_ENDIAN);
            float[] embedding = new float[blob.remaining() / 4];
            blob.asFloatBuffer().get(embedding);
            return embedding;
        }
    }

    /** What Python computes of the same photo. */
    static JsonObject expected() throws Exception {
        try (Reader reader = new FileReader(new File(TestApp.GENERATED, "people.json"))) {
            return JsonParser.parseReader(reader).getAsJsonObject();
        }
    }

    static float[] floats(JsonArray numbers) {
        float[] floats = new float[numbers.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = numbers.get(i).getAsFloat();
        }
        return floats;
    }

    static Bitmap wall(int width, int height) {
        Bitmap bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        bitmap.eraseColor(Color.rgb(150, 164, 174));
        return bitmap;
    }

    static byte[] png(Bitmap bitmap) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bitmap.compress(Bitmap.CompressFormat.PNG, 100, bytes);
        return bytes.toByteArray();
    }
}
