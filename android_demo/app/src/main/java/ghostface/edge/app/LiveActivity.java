package ghostface.edge.app;

import android.Manifest;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.hardware.camera2.CameraAccessException;
import android.hardware.display.DisplayManager;
import android.media.Image;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;
import android.view.Display;
import android.view.SurfaceHolder;
import android.view.SurfaceView;
import android.view.View;
import android.widget.TextView;
import ghostface.edge.Match;
import ghostface.edge.errors.GhostFaceException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** The first screen: the camera, with boxes and names on the faces, and the way to all others. */
public final class LiveActivity extends ScreenActivity
        implements SurfaceHolder.Callback, DisplayManager.DisplayListener {
    private static final int ASK = 1;
    private static final String FRONT = "front";
    private static final String DETAILS = "details";
    private static final String ASKED = "asked";

    private SurfaceHolder surface;
    private FaceView faces;
    private DisplayManager displays;
    private boolean front = true;
    private boolean details;
    private boolean asked;
    private boolean resumed;
    private boolean ready;

    private Camera.Choice choice;
    private Camera camera;
    private LivePipeline pipeline;
    private int surfaceWidth;
    private int surfaceHeight;
    private volatile int rotation;
    private LivePipeline.Seen seen;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.live);
        if (saved != null) {
            front = saved.getBoolean(FRONT);
            details = saved.getBoolean(DETAILS);
            asked = saved.getBoolean(ASKED);
        }
        displays = getSystemService(DisplayManager.class);
        faces = findViewById(R.id.faces);
        SurfaceView preview = findViewById(R.id.preview);
        surface = preview.getHolder();
        surface.addCallback(this);
        findViewById(R.id.switch_camera).setOnClickListener(view -> switchCamera());
        findViewById(R.id.enrol_frame).setOnClickListener(view -> enrolFrame());
        findViewById(R.id.timings).setOnClickListener(view -> toggleDetails());
        findViewById(R.id.go_enrol).setOnClickListener(view -> go(EnrolActivity.class));
        findViewById(R.id.go_verify).setOnClickListener(view -> go(VerifyActivity.class));
        findViewById(R.id.go_people).setOnClickListener(view -> go(PeopleActivity.class));
        findViewById(R.id.go_benchmark).setOnClickListener(view -> go(BenchmarkActivity.class));
        findViewById(R.id.go_settings).setOnClickListener(view -> go(SettingsActivity.class));
        show(null);
    }

    @Override
    protected void onSaveInstanceState(Bundle saved) {
        super.onSaveInstanceState(saved);
        saved.putBoolean(FRONT, front);
        saved.putBoolean(DETAILS, details);
        saved.putBoolean(ASKED, asked);
    }

    @Override
    protected void onResume() {
        super.onResume();
        resumed = true;
        displays.registerDisplayListener(this, null);
        startCamera();
    }

    @Override
    protected void onPause() {
        resumed = false;
        displays.unregisterDisplayListener(this);
        stopCamera();
        super.onPause();
    }

    @Override
    void update(Engines.State state) {
        ready = state.recogniser != null;
        if (ready) {
            startCamera();
        } else {
            stopCamera();
        }
    }

    // -----------------------------------------------------------------------------------------------------------
    // The camera

    private void startCamera() {
        if (!resumed || !ready || camera != null) {
            return;
        }
        if (checkSelfPermission(Manifest.permission.CAMERA) != PackageManager.PERMISSION_GRANTED) {
            if (asked) {
                fail(CameraProblem.NOT_ALLOWED);
            } else {
                asked = true;
                requestPermissions(new String[] {Manifest.permission.CAMERA}, ASK);
            }
            return;
        }
        try {
            choice = Camera.choose(this, front);
            visible(R.id.switch_camera, Camera.canSwitch(this));
        } catch (CameraAccessException error) {
            fail(Camera.problem(error));
            return;
        }
        if (choice == null) {
            fail(CameraProblem.NONE);
            return;
        }
        visible(R.id.problem, false);
        visible(R.id.content, true);
        turn();
        surface.setFixedSize(choice.preview[0], choice.preview[1]);
        openCamera();
    }

    /** Once the surface has the camera's size. */
    private void openCamera() {
        if (choice == null || camera != null) {
            return;
        }
        if (surfaceWidth != choice.preview[0] || surfaceHeight != choice.preview[1]) {
            return;
        }
        LivePipeline live = new LivePipeline(engines(), new LivePipeline.Listener() {
            @Override
            public void seen(LivePipeline.Seen result) {
                show(result);
            }

            @Override
            public void failed(GhostFaceException problem) {
                status(inWords(problem));
            }
        });
        pipeline = live;
        camera = new Camera(this, engines(), new Camera.Listener() {
            @Override
            public void frame(Image image) {
                live.offer(new CameraFrame(image, rotation));
            }

            @Override
            public void failed(CameraProblem problem) {
                stopCamera();
                fail(problem);
            }
        });
        camera.open(choice, surface.getSurface());
    }

    private void stopCamera() {
        choice = null;
        if (pipeline != null) {
            pipeline.stop();
            pipeline = null;
        }
        if (camera != null) {
            camera.close();
            camera = null;
        }
        show(null);
    }

    private void switchCamera() {
        front = !front;
        stopCamera();
        startCamera();
    }

    private void fail(CameraProblem problem) {
        visible(R.id.content, false);
        showProblem(getString(problem.title), getString(problem.text), "");
        if (problem == CameraProblem.NOT_ALLOWED) {
            action(R.id.problem_action, R.string.open_settings, this::openSettings);
        } else {
            action(R.id.problem_action, R.string.try_again, this::startCamera);
        }
        action(R.id.problem_other, R.string.enrol_from_photo, () -> go(EnrolActivity.class));
    }

    private void openSettings() {
        startActivity(new Intent(
                Settings.ACTION_APPLICATION_DETAILS_SETTINGS, Uri.fromParts("package", getPackageName(), null)));
    }

    /** The answer itself is asked for again when the screen resumes, which follows. */
    @Override
    public void onRequestPermissionsResult(int request, String[] permissions, int[] results) {
        super.onRequestPermissionsResult(request, permissions, results);
        startCamera();
    }

    /** The phone was turned, which does not start the screen anew if it was turned upside down. */
    private void turn() {
        int display = 90 * displays.getDisplay(Display.DEFAULT_DISPLAY).getRotation();
        rotation = CameraSizes.rotation(choice.sensor, display, choice.front);
        boolean upright = rotation % 180 == 0;
        AspectFrame aspect = findViewById(R.id.aspect);
        aspect.setRatio(choice.preview[upright ? 0 : 1], choice.preview[upright ? 1 : 0]);
    }

    @Override
    public void onDisplayChanged(int display) {
        if (choice != null) {
            turn();
        }
    }

    @Override
    public void onDisplayAdded(int display) {}

    @Override
    public void onDisplayRemoved(int display) {}

    @Override
    public void surfaceCreated(SurfaceHolder holder) {}

    @Override
    public void surfaceChanged(SurfaceHolder holder, int format, int width, int height) {
        surfaceWidth = width;
        surfaceHeight = height;
        openCamera();
    }

    @Override
    public void surfaceDestroyed(SurfaceHolder holder) {
        surfaceWidth = 0;
        surfaceHeight = 0;
        stopCamera();
    }

    // -----------------------------------------------------------------------------------------------------------
    // What it sees

    /** @param result null where nothing was seen yet */
    void show(LivePipeline.Seen result) {
        seen = result;
        boolean someone = result != null && !result.faces.isEmpty();
        findViewById(R.id.enrol_frame).setEnabled(someone);
        if (result == null) {
            faces.show(null, 0, 0, false, Collections.emptyList());
            status(getString(R.string.camera_starts));
        } else {
            boolean mirror = choice != null && choice.front;
            faces.show(null, result.picture.width, result.picture.height, mirror, marks(result.faces));
            int count = result.faces.size();
            status(count == 0
                    ? getString(R.string.nobody_in_view)
                    : getResources().getQuantityString(R.plurals.faces_in_view, count, count));
        }
        showTimes();
    }

    private List<FaceView.Mark> marks(List<LivePipeline.Known> known) {
        List<FaceView.Mark> marks = new ArrayList<>(known.size());
        StringBuilder names = new StringBuilder();
        for (LivePipeline.Known face : known) {
            boolean same = face.match != null && Boolean.TRUE.equals(face.match.match);
            String label = label(face.match);
            marks.add(new FaceView.Mark(face.detection.box, label, getColor(same ? R.color.box_known : R.color.box)));
            names.append(names.length() == 0 ? "" : ", ").append(label);
        }
        faces.setContentDescription(names);
        return marks;
    }

    private String label(Match match) {
        if (match == null) {
            return "";  // nobody is enrolled
        }
        if (match.match == null) {  // no threshold: the nearest, and how near
            return getString(R.string.nearest, match.name, match.similarity);
        }
        return match.match
                ? getString(R.string.recognised, match.name, match.similarity)
                : getString(R.string.unknown);
    }

    private void status(String words) {
        TextView view = findViewById(R.id.status);
        if (!words.contentEquals(view.getText())) {
            view.setText(words);
        }
    }

    private void toggleDetails() {
        details = !details;
        showTimes();
    }

    private void showTimes() {
        TextView view = findViewById(R.id.timings);
        boolean known = seen != null && seen.times.count(Stage.TOTAL) > 0;
        view.setVisibility(known ? View.VISIBLE : View.GONE);
        if (known) {
            view.setText(details ? table(seen.times) : getString(
                    R.string.latency, seen.times.percentile(Stage.TOTAL, 50)));
            view.setContentDescription(getString(
                    details ? R.string.hide_times : R.string.show_times, seen.times.percentile(Stage.TOTAL, 50)));
        }
    }

    private String table(StageTimes.Summary times) {
        String[] head = getResources().getStringArray(R.array.percentiles);
        StringBuilder table = new StringBuilder(String.format("%-8s%6s%6s", "ms", head[1], head[2]));
        for (Stage stage : Stage.values()) {
            if (times.count(stage) > 0) {
                table.append(String.format(
                        Locale.getDefault(), "\n%-8.8s%6.1f%6.1f", getString(name(stage)),
                        times.percentile(stage, 50), times.percentile(stage, 90)));
            }
        }
        return table.toString();
    }

    /** String resource. */
    static int name(Stage stage) {
        switch (stage) {
            case CONVERT:
                return R.string.stage_convert;
            case DETECT:
                return R.string.stage_detect;
            case ALIGN:
                return R.string.stage_align;
            case EMBED:
                return R.string.stage_embed;
            case SEARCH:
                return R.string.stage_search;
            default:
                return R.string.stage_total;
        }
    }

    private void enrolFrame() {
        if (seen != null) {
            ((FaceApp) getApplication()).putFrame(seen.picture);
            startActivity(new Intent(this, EnrolActivity.class).putExtra(EnrolActivity.FRAME, true));
        }
    }
}
