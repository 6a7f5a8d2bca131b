package ghostface.edge.app;

import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.widget.TextView;
import ghostface.edge.Verification;

/** Two photos: the same person or not, and how sure that is. */
public final class VerifyActivity extends ScreenActivity {
    private static final int[] PHOTOS = {R.id.photo_a, R.id.photo_b};
    private static final int[] BUTTONS = {R.id.choose_a, R.id.choose_b};
    private static final int[] NEXT = {R.id.next_a, R.id.next_b};
    private static final int[] HINTS = {R.id.hint_a, R.id.hint_b};
    private static final String[] URIS = {"photo a", "photo b"};

    private final Uri[] uris = new Uri[2];
    private final FoundFaces[] shown = new FoundFaces[2];
    private VerifyFlow flow;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setScreen(R.layout.verify);
        flow = (VerifyFlow) getLastNonConfigurationInstance();
        boolean anew = flow == null;
        if (anew) {
            flow = new VerifyFlow(engines());
        }
        for (int i = 0; i < PHOTOS.length; i++) {
            int side = i;
            findViewById(BUTTONS[i]).setOnClickListener(view -> PhotoPicker.pick(this, side));
            findViewById(NEXT[i]).setOnClickListener(view -> nextFace(side));
            FaceView photo = findViewById(PHOTOS[i]);
            photo.setOnMarkTapped(face -> flow.choose(side, face));
            photo.setContentDescription(getString(R.string.no_photo));
            uris[i] = PhotoPicker.saved(saved, URIS[i]);
            if (anew && uris[i] != null) {
                open(i, uris[i]);
            }
        }
    }

    private void open(int side, Uri photo) {
        uris[side] = photo;
        flow.open(side, PhotoPicker.photo(this, photo));
    }

    /** What a tap on a face does, for those who cannot see it. */
    private void nextFace(int side) {
        FoundFaces found = flow.state().get().slot(side).found;
        if (found != null && !found.faces.isEmpty()) {
            flow.choose(side, (found.chosen + 1) % found.faces.size());
        }
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
        for (int i = 0; i < uris.length; i++) {
            PhotoPicker.save(saved, URIS[i], uris[i]);
        }
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result == RESULT_OK && data != null && data.getData() != null) {
            open(request, data.getData());
        }
    }

    /** The threshold may have been changed in the settings meanwhile. */
    @Override
    void update(Engines.State state) {
        if (state.recogniser != null) {
            flow.compare();
        }
    }

    private void show(VerifyFlow.State state) {
        for (int i = 0; i < PHOTOS.length; i++) {
            VerifyFlow.Slot slot = state.slot(i);
            if (slot.found != shown[i]) {
                shown[i] = slot.found;
                FacePhotos.show(findViewById(PHOTOS[i]), slot.found);
            }
            text(HINTS[i], hint(slot));
            visible(NEXT[i], slot.found != null && slot.found.faces.size() > 1);
        }
        visible(R.id.verify_hint, state.result == null && state.problem == null);
        visible(R.id.result, state.result != null || state.problem != null);
        if (state.problem != null) {
            Message message = Message.of(state.problem);
            answer(getString(message.title), R.color.bad);
            text(R.id.similarity, getString(message.text));
            text(R.id.explanation, message.detail);
        } else if (state.result != null) {
            show(state.result);
        }
    }

    private void show(VerifyFlow.Result result) {
        Verification verification = result.verification;
        if (verification == null) {
            answer(getString(R.string.no_threshold), R.color.text);
            text(R.id.similarity, getString(R.string.similarity, result.similarity));
            text(R.id.explanation, getString(R.string.no_threshold_text));
            return;
        }
        answer(getString(verification.match ? R.string.same : R.string.different),
                verification.match ? R.color.good : R.color.bad);
        text(R.id.similarity, getString(
                R.string.similarity_and_threshold, verification.similarity, verification.threshold));
        text(R.id.explanation, verification.fmr == null ? "" : getString(
                R.string.explanation, Rates.inWords(this, verification.fmr)));
    }

    private void answer(String words, int colour) {
        TextView view = findViewById(R.id.answer);
        view.setText(words);
        view.setTextColor(getColor(colour));
    }

    private String hint(VerifyFlow.Slot slot) {
        if (slot.problem != null) {
            return inWords(slot.problem);
        }
        if (slot.busy) {
            return getString(R.string.working);
        }
        if (slot.found == null) {
            return "";
        }
        int count = slot.found.faces.size();
        return count == 1 ? "" : getString(R.string.many_faces, count, slot.found.chosen + 1);
    }
}
