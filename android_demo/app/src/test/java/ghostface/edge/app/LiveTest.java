package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.graphics.Bitmap;
import android.graphics.ImageFormat;
import android.graphics.drawable.BitmapDrawable;
import android.hardware.camera2.CameraAccessException;
import android.hardware.camera2.CameraCharacteristics;
import android.hardware.camera2.CameraManager;
import android.provider.Settings;
import android.util.Size;
import ghostface.edge.FaceImage;
import ghostface.edge.Person;
import ghostface.edge.errors.GhostFaceException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.shadow.api.Shadow;
import org.robolectric.shadows.ShadowCameraCharacteristics;
import org.robolectric.shadows.StreamConfigurationMapBuilder;

/** The camera screen; what a camera would send comes from the test. */
@RunWith(RobolectricTestRunner.class)
public class LiveTest {
    private FaceApp app;

    @Before
    public void begin() {
        TestApp.useRealModels();
        app = (FaceApp) RuntimeEnvironment.getApplication();
    }

    @Test
    public void whoForbidsTheCameraLearnsWhatItIsForAndWhereToAllowIt() throws Exception {
        LiveActivity screen = open();
        Screens.await("it asks", () -> shadowOf(screen).getLastRequestedPermission() != null);
        assertEquals(Manifest.permission.CAMERA, shadowOf(screen).getLastRequestedPermission().requestedPermissions[0]);
        screen.onRequestPermissionsResult(1, new String[] {Manifest.permission.CAMERA},
                new int[] {PackageManager.PERMISSION_DENIED});
        assertEquals("The camera is not allowed", Screens.text(screen, R.id.problem_title));
        assertFalse(Screens.visible(screen, R.id.content));
        Screenshot.take(screen, "camera-not-allowed");
        Screens.click(screen, R.id.problem_action);
        Intent settings = shadowOf(screen).getNextStartedActivity();
        assertEquals(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, settings.getAction());
        assertEquals("package:ghostface.edge.app", settings.getDataString());
        Screens.click(screen, R.id.problem_other);
        assertEquals(EnrolActivity.class.getName(),
                shadowOf(screen).getNextStartedActivity().getComponent().getClassName());
    }

    @Test
    public void aPhoneWithoutACameraSaysSo() throws Exception {
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA);
        LiveActivity screen = open();
        Screens.awaitText(screen, R.id.problem_title, "No camera");
    }

    @Test
    public void theFrontCameraIsTakenFirstAndTheOtherWhereThereIsNone() throws Exception {
        assertEquals(null, Camera.choose(app, true));
        add("0", CameraCharacteristics.LENS_FACING_BACK);
        Camera.Choice back = Camera.choose(app, true);
        assertEquals("0", back.id);
        assertFalse(back.front);
        assertFalse(Camera.canSwitch(app));
        assertEquals("640 x 480", back.frame[0] + " x " + back.frame[1]);
        add("1", CameraCharacteristics.LENS_FACING_FRONT);
        assertEquals("1", Camera.choose(app, true).id);
        assertEquals("0", Camera.choose(app, false).id);
        assertTrue(Camera.canSwitch(app));
    }

    @Test
    public void whyTheCameraFailedIsToldApart() {
        int[] reasons = {
            CameraAccessException.CAMERA_IN_USE, CameraAccessException.MAX_CAMERAS_IN_USE,
            CameraAccessException.CAMERA_DISABLED, CameraAccessException.CAMERA_ERROR};
        CameraProblem[] problems = {
            CameraProblem.IN_USE, CameraProblem.IN_USE, CameraProblem.DISABLED, CameraProblem.FAILED};
        for (int i = 0; i < reasons.length; i++) {
            assertEquals(problems[i], Camera.problem(new CameraAccessException(reasons[i])));
        }
    }

    @Test
    public void facesOfAFrameGetTheirNames() throws Exception {
        Bitmap people = Photos.bitmap(BenchmarkActivity.drawn(app));
        Bitmap one = Bitmap.createBitmap(people, 290, 0, 315, 420);  // the person in the middle
        showNames(Photos.picture(one, "frame"), 1, "live");
    }

    @Test
    @Config(qualifiers = "w720dp-h360dp-land-xhdpi")
    public void facesOfAFrameGetTheirNamesInLandscape() throws Exception {
        showNames(BenchmarkActivity.drawn(app), 3, "live-land");
    }

    private void showNames(FaceImage people, int count, String screenshot) throws Exception {
        shadowOf(app).grantPermissions(Manifest.permission.CAMERA);
        add("0", CameraCharacteristics.LENS_FACING_BACK);
        LiveActivity screen = open();
        Screens.await("models are open", () -> Screens.visible(screen, R.id.content));
        AtomicReference<Person> ada = new AtomicReference<>();
        app.engines().run(recogniser -> {
            FoundFaces found = FoundFaces.in(people, recogniser);
            return recogniser.gallery.enroll("Ada", recogniser.template(people, found.face()));
        }, (person, problem) -> ada.set(person));
        AtomicReference<LivePipeline.Seen> seen = new AtomicReference<>();
        LivePipeline pipeline = new LivePipeline(app.engines(), new LivePipeline.Listener() {
            @Override
            public void seen(LivePipeline.Seen result) {
                seen.set(result);
            }

            @Override
            public void failed(GhostFaceException problem) {
                throw problem;
            }
        });
        pipeline.offer(new TestFrame(people));
        Screens.await("the frame was worked on", () -> seen.get() != null);
        assertEquals(count, seen.get().faces.size());
        assertEquals("Ada", seen.get().faces.get(0).match.name);
        assertEquals(1, seen.get().faces.get(0).match.similarity, 1e-6);
        assertTrue(seen.get().faces.get(0).match.match);
        screen.show(seen.get());
        assertEquals(count == 1 ? "1 face" : count + " faces", Screens.text(screen, R.id.status));
        assertTrue(screen.findViewById(R.id.faces).getContentDescription().toString().startsWith("Ada 1.00"));
        Screens.click(screen, R.id.timings);
        assertTrue(Screens.text(screen, R.id.timings).contains("Detect"));
        AspectFrame aspect = screen.findViewById(R.id.aspect);
        aspect.setRatio(people.width, people.height);
        screen.findViewById(R.id.preview).setBackground(
                new BitmapDrawable(screen.getResources(), Photos.bitmap(people)));  // in place of the camera's picture
        Screenshot.take(screen, screenshot);
        Screens.click(screen, R.id.enrol_frame);
        assertTrue(shadowOf(screen).getNextStartedActivity().getBooleanExtra(EnrolActivity.FRAME, false));
        assertEquals(people, app.takeFrame());
    }

    private static LiveActivity open() {
        ActivityController<LiveActivity> controller = Robolectric.buildActivity(LiveActivity.class).setup();
        return controller.get();
    }

    private void add(String id, int facing) {
        CameraCharacteristics camera = ShadowCameraCharacteristics.newCameraCharacteristics();
        ShadowCameraCharacteristics shadow = Shadow.extract(camera);
        shadow.set(CameraCharacteristics.LENS_FACING, facing);
        shadow.set(CameraCharacteristics.SENSOR_ORIENTATION, 90);
        shadow.set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, StreamConfigurationMapBuilder.newBuilder()
                .addOutputSize(ImageFormat.YUV_420_888, new Size(1920, 1080))
                .addOutputSize(ImageFormat.YUV_420_888, new Size(640, 480))
                .addOutputSize(new Size(1280, 960))
                .build());
        shadowOf(app.getSystemService(CameraManager.class)).addCamera(id, camera);
    }
}
