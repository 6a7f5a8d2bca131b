package ghostface.edge.app;

import android.app.Activity;
import android.content.Intent;
import android.os.Bundle;
import android.view.View;
import android.widget.Button;
import android.widget.TextView;
import android.widget.Toolbar;
import ghostface.edge.errors.GhostFaceException;

/**
 * A screen that needs the {@link Engines}: until the models are open it says so, and where they cannot be opened it
 * says why and what to do, in place of its content.
 *
 * <p>What a screen does is in a flow object that it passes on to its successor when the phone is turned.
 */
abstract class ScreenActivity extends Activity implements Engines.Watcher {
    private Engines engines;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        engines = ((FaceApp) getApplication()).engines();
        engines.open();  // a screen of a process that was started anew reads its photo at once
    }

    final Engines engines() {
        return engines;
    }

    /** Show a layout below a bar with the screen's title. */
    final void setScreen(int layout) {
        setContentView(R.layout.screen);
        getLayoutInflater().inflate(layout, findViewById(R.id.content));
        Toolbar bar = findViewById(R.id.bar);
        bar.setTitle(getTitle());
        bar.setNavigationIcon(R.drawable.ic_back);
        bar.setNavigationContentDescription(R.string.back);
        bar.setNavigationOnClickListener(view -> navigateUp());
    }

    private void navigateUp() {
        if (isTaskRoot()) {  // opened by something else than the camera screen
            startActivity(new Intent(this, LiveActivity.class));
        }
        finish();
    }

    @Override
    protected void onStart() {
        super.onStart();
        engines.watch(this);
    }

    @Override
    protected void onStop() {
        engines.unwatch(this);
        super.onStop();
    }

    @Override
    public final void changed(Engines.State state) {
        boolean waiting = needsRecogniser() && state.recogniser == null;
        visible(R.id.opening, waiting && state.problem == null);
        visible(R.id.problem, waiting && state.problem != null);
        visible(R.id.content, !waiting);
        if (waiting && state.problem != null) {
            show(state.problem);
        }
        update(state);
    }

    /** Whether there is nothing to show without one. */
    boolean needsRecogniser() {
        return true;
    }

    /** The state changed; called when the screen starts, too. */
    abstract void update(Engines.State state);

    private void show(GhostFaceException problem) {
        Message message = Message.of(problem);
        showProblem(getString(message.title), getString(message.text), message.detail);
        if (Message.isOfGallery(problem)) {
            action(R.id.problem_action, R.string.new_gallery, engines::useNewGallery);
        } else {
            action(R.id.problem_action, R.string.try_again, engines::reopen);
        }
        action(R.id.problem_other, R.string.settings_title, () -> go(SettingsActivity.class));
    }

    final void showProblem(String title, String text, String detail) {
        text(R.id.problem_title, title);
        text(R.id.problem_text, text);
        text(R.id.problem_detail, detail);
        visible(R.id.problem, true);
    }

    /** @param label 0 for no button */
    final void action(int id, int label, Runnable work) {
        Button button = findViewById(id);
        button.setVisibility(label == 0 ? View.GONE : View.VISIBLE);
        if (label != 0) {
            button.setText(label);
            button.setOnClickListener(view -> work.run());
        }
    }

    final void go(Class<? extends Activity> screen) {
        startActivity(new Intent(this, screen));
    }

    final void visible(int id, boolean visible) {
        findViewById(id).setVisibility(visible ? View.VISIBLE : View.GONE);
    }

    /** Fill a text; without one it takes no place. */
    final void text(int id, CharSequence text) {
        TextView view = findViewById(id);
        view.setText(text);
        view.setVisibility(text.length() == 0 ? View.GONE : View.VISIBLE);
    }

    /** An error in one paragraph. */
    final String inWords(GhostFaceException problem) {
        Message message = Message.of(problem);
        return getString(message.title) + ". " + getString(message.text);
    }
}
