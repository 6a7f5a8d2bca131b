package ghostface.edge.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.widget.RadioGroup;
import android.widget.TextView;
import ghostface.edge.Gallery;
import ghostface.edge.ModelIdentity;
import ghostface.edge.Template;
import java.io.File;
import java.nio.file.Files;
import java.util.Arrays;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;

/** Models that are missing, without a card, damaged, or not the gallery's. */
@RunWith(RobolectricTestRunner.class)
public class ModelsTest {
    /** The smallest ONNX file: {@code ir_version} and nothing else. */
    private static final byte[] NO_CARD = {8, 8};

    @Rule
    public final TemporaryFolder temporary = new TemporaryFolder();

    private File galleries;

    @Before
    public void begin() throws Exception {
        TestApp.models = temporary.newFolder("models");
        galleries = RuntimeEnvironment.getApplication().getFilesDir();
    }

    @Test
    public void withoutModelsTheScreenSaysWhichCommandMakesThem() throws Exception {
        PeopleActivity screen = open(PeopleActivity.class);
        Screens.awaitText(screen, R.id.problem_title, "This app was built without models");
        assertTrue(Screens.text(screen, R.id.problem_text).contains("python android_demo/models.py"));
        assertFalse(Screens.visible(screen, R.id.content));
        Screenshot.take(screen, "no-model");
        Screens.click(screen, R.id.problem_other);
        assertEquals(SettingsActivity.class.getName(),
                shadowOf(screen).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void aModelWithoutACardSaysWhichCommandGivesItOne() throws Exception {
        write("embedder.onnx", NO_CARD);
        PeopleActivity screen = open(PeopleActivity.class);
        Screens.awaitText(screen, R.id.problem_title, "The model does not say how it is used");
        assertTrue(Screens.text(screen, R.id.problem_text).contains("python android_demo/models.py"));
        assertTrue(Screens.text(screen, R.id.problem_detail).contains("embedder.onnx"));
        Screenshot.take(screen, "no-card");
    }

    @Test
    public void aDamagedModelIsNotLoaded() throws Exception {
        TestApp.useRealModels();
        File folder = TestApp.models;
        TestApp.models = temporary.newFolder("damaged");
        for (File file : folder.listFiles((parent, name) -> name.endsWith(".onnx"))) {
            byte[] bytes = Files.readAllBytes(file.toPath());
            if (file.getName().startsWith("ghostfacenet")) {
                bytes[bytes.length / 2] ^= 1;
            }
            write(file.getName(), bytes);
        }
        PeopleActivity screen = open(PeopleActivity.class);
        Screens.awaitText(screen, R.id.problem_title, "The model cannot be loaded");
        SettingsActivity settings = open(SettingsActivity.class);
        RadioGroup models = settings.findViewById(R.id.models);
        Screens.await("the models are listed", () -> models.getChildCount() == 1);
        assertFalse("it cannot be chosen", models.getChildAt(0).isEnabled());
        assertTrue(((TextView) models.getChildAt(0)).getText().toString().contains("The model cannot be loaded"));
    }

    @Test
    public void aGalleryOfAnotherModelIsKeptAndANewOneBegun() throws Exception {
        TestApp.useRealModels();
        float[] embedding = new float[512];
        embedding[0] = 1;
        ModelIdentity other = new ModelIdentity("another-model", "float32", "yunet");
        String old = new File(galleries, "people.db").getPath();
        try (Gallery gallery = Gallery.open(old, other, AndroidDatabase::open)) {
            gallery.enroll("Ada", new Template(embedding, other));
        }
        PeopleActivity screen = open(PeopleActivity.class);
        Screens.awaitText(screen, R.id.problem_title, "The enrolled people belong to another model");
        assertTrue(Screens.text(screen, R.id.problem_detail).contains("another-model"));
        Screenshot.take(screen, "other-model");
        Screens.click(screen, R.id.problem_action);
        Screens.await("the new gallery is open", () -> Screens.visible(screen, R.id.content));
        assertTrue(new File(galleries, "people-2.db").isFile());
        try (Gallery gallery = Gallery.open(old, null, AndroidDatabase::open)) {
            assertTrue("nothing is lost", gallery.contains("Ada"));
        }
        ((FaceApp) RuntimeEnvironment.getApplication()).engines().reopen();  // the choice is kept
        Screens.await("opening", () -> !Screens.visible(screen, R.id.content));
        Screens.await("open again", () -> Screens.visible(screen, R.id.content));
    }

    @Test
    public void aDamagedGalleryIsKeptAsItIs() throws Exception {
        TestApp.useRealModels();
        byte[] damaged = new byte[4096];
        Arrays.fill(damaged, (byte) 'x');
        File old = new File(galleries, "people.db");
        Files.write(old.toPath(), damaged);
        PeopleActivity screen = open(PeopleActivity.class);
        Screens.awaitText(screen, R.id.problem_title, "The gallery cannot be used");
        Screens.click(screen, R.id.problem_action);
        Screens.await("the new gallery is open", () -> Screens.visible(screen, R.id.content));
        assertArrayEquals(damaged, Files.readAllBytes(old.toPath()));
    }

    private static <T extends ScreenActivity> T open(Class<T> screen) {
        ActivityController<T> controller = Robolectric.buildActivity(screen).setup();
        return controller.get();
    }

    private static void write(String name, byte[] bytes) throws Exception {
        Files.write(new File(TestApp.models, name).toPath(), bytes);
    }
}
