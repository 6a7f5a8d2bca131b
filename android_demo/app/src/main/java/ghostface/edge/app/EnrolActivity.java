package ghostface.edge.app;

import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.view.View;
import android.view.inputmethod.EditorInfo;
import android.widget.EditText;
import ghostface.edge.FaceImage;
import ghostface.edge.Person;

/** A face of a photo, or of the frame that the camera screen kept, gets a name. */
public final class EnrolActivity extends ScreenActivity {
    /** Extra: take the frame that {@link FaceApp} keeps. */
    static final String FRAME = "frame";

    private static final int PHOTO = 1;
    private static final String URI = "photo";

    private EnrolFlow flow;
    private Uri uri;
    private FoundFaces shown;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setScreen(R.layout.enrol);
        flow = (EnrolFlow) getLastNonConfigurationInstance();
        if (flow == null) {
            flow = new EnrolFlow(engines());
            open(saved);
        } else {
            uri = PhotoPicker.saved(saved, URI);
        }
        findViewById(R.id.choose_photo).setOnClickListener(view -> PhotoPicker.pick(this, PHOTO));
        findViewById(R.id.use_camera).setOnClickListener(view -> useCamera());
        findViewById(R.id.next_face).setOnClickListener(view -> nextFace());
        findViewById(R.id.enrol).setOnClickListener(view -> enrol());
        FaceView photo = findViewById(R.id.photo);
        photo.setOnMarkTapped(flow::choose);
        EditText name = findViewById(R.id.name);
        name.setOnEditorActionListener((view, action, event) -> {
            if (action == EditorInfo.IME_ACTION_DONE) {
                enrol();
            }
            return false;
        });
    }

    /** What there is to begin with: a frame, or after the process was started anew the photo of before. */
    private void open(Bundle saved) {
        FaceImage frame = getIntent().getBooleanExtra(FRAME, false) ? ((FaceApp) getApplication()).takeFrame() : null;
        if (frame != null) {
            flow.open(() -> frame);
        } else if (PhotoPicker.saved(saved, URI) != null) {
            open(PhotoPicker.saved(saved, URI));
        }
    }

    private void open(Uri photo) {
        uri = photo;
        flow.open(PhotoPicker.photo(this, photo));
    }

    @Override
    protected void onStart() {
        super.onStart();
        flow.state().observe(this::show);
    }

    @Override
    protected void onStop() {
        flow.state().observe(null);
        super.onStop();
    }

    @Override
    public Object onRetainNonConfigurationInstance() {
        return flow;
    }

    @Override
    protected void onSaveInstanceState(Bundle saved) {
        super.onSaveInstanceState(saved);
        PhotoPicker.save(saved, URI, uri);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (request == PHOTO && result == RESULT_OK && data != null && data.getData() != null) {
            open(data.getData());
        }
    }

    @Override
    void update(Engines.State state) {}

    private void useCamera() {
        startActivity(new Intent(this, LiveActivity.class).addFlags(Intent.FLAG_ACTIVITY_CLEAR_TOP));
        finish();
    }

    private void nextFace() {
        FoundFaces found = flow.state().get().found;
        if (found != null && !found.faces.isEmpty()) {
            flow.choose((found.chosen + 1) % found.faces.size());
        }
    }

    private void enrol() {
        EditText name = findViewById(R.id.name);
        flow.enrol(name.getText().toString().trim());
    }

    private void show(EnrolFlow.State state) {
        if (state.found != shown || state.found == null) {
            shown = state.found;
            FacePhotos.show(findViewById(R.id.photo), state.found);
        }
        text(R.id.hint, hint(state));
        visible(R.id.next_face, state.found != null && state.found.faces.size() > 1);
        View enrol = findViewById(R.id.enrol);
        enrol.setEnabled(state.ready() && state.enrolled == null);
    }

    private String hint(EnrolFlow.State state) {
        if (state.problem != null) {
            Message message = Message.of(state.problem);
            String words = inWords(state.problem);
            return message.title == R.string.bad_option ? words + "\n" + message.detail : words;
        }
        if (state.busy) {
            return getString(R.string.working);
        }
        if (state.enrolled != null) {
            Person person = state.enrolled;
            return getResources().getQuantityString(
                    R.plurals.enrolled, person.templates, person.name, person.templates);
        }
        if (state.found == null) {
            return getString(R.string.enrol_hint);
        }
        int count = state.found.faces.size();
        return count == 1
                ? getString(R.string.one_face)
                : getString(R.string.many_faces, count, state.found.chosen + 1);
    }
}
