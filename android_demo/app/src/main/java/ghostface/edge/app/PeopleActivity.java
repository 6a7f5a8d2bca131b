package ghostface.edge.app;

import android.app.AlertDialog;
import android.os.Bundle;
import android.view.View;
import android.view.ViewGroup;
import android.widget.ArrayAdapter;
import android.widget.ListView;
import android.widget.TextView;
import android.widget.Toast;
import ghostface.edge.Person;
import ghostface.edge.errors.GhostFaceException;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/** Everybody in the gallery, and how to delete them. */
public final class PeopleActivity extends ScreenActivity {
    private static final String ASKING = "asking";

    /** Whom a dialog asks about; null where there is none. */
    private String asking;
    private AlertDialog dialog;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setScreen(R.layout.people);
        findViewById(R.id.go_enrol).setOnClickListener(view -> go(EnrolActivity.class));
        show(Collections.emptyList());
        if (saved != null && saved.getString(ASKING) != null) {
            ask(saved.getString(ASKING));
        }
    }

    @Override
    protected void onSaveInstanceState(Bundle saved) {
        super.onSaveInstanceState(saved);
        saved.putString(ASKING, asking);
    }

    @Override
    protected void onDestroy() {
        if (dialog != null) {
            dialog.setOnDismissListener(null);
            dialog.dismiss();
        }
        super.onDestroy();
    }

    @Override
    void update(Engines.State state) {
        if (state.recogniser != null) {
            engines().run(recogniser -> recogniser.gallery.people(), this::answer);
        }
    }

    private void ask(String name) {
        asking = name;
        dialog = new AlertDialog.Builder(this)
                .setTitle(getString(R.string.delete_title, name))
                .setMessage(R.string.delete_text)
                .setPositiveButton(R.string.delete, (shown, button) -> delete(name))
                .setNegativeButton(R.string.cancel, null)
                .setOnDismissListener(shown -> asking = null)
                .show();
    }

    private void delete(String name) {
        engines().run(recogniser -> {
            recogniser.gallery.remove(name);
            return recogniser.gallery.people();
        }, this::answer);
    }

    private void answer(List<Person> people, GhostFaceException problem) {
        if (problem == null) {
            show(people);
        } else {
            Toast.makeText(this, inWords(problem), Toast.LENGTH_LONG).show();
        }
    }

    private void show(List<Person> people) {
        ListView list = findViewById(R.id.list);
        list.setAdapter(new Rows(people));
        visible(R.id.list, !people.isEmpty());
        visible(R.id.nobody, people.isEmpty());
    }

    private final class Rows extends ArrayAdapter<Person> {
        Rows(List<Person> people) {
            super(PeopleActivity.this, R.layout.person, people);
        }

        @Override
        public boolean isEnabled(int position) {
            return false;  // the button of a row is, not the row
        }

        @Override
        public View getView(int position, View old, ViewGroup parent) {
            View row = old != null ? old : getLayoutInflater().inflate(R.layout.person, parent, false);
            Person person = getItem(position);
            TextView initial = row.findViewById(R.id.initial);
            int end = person.name.offsetByCodePoints(0, 1);
            initial.setText(person.name.substring(0, end).toUpperCase(Locale.getDefault()));
            TextView name = row.findViewById(R.id.name);
            name.setText(person.name);
            TextView templates = row.findViewById(R.id.templates);
            templates.setText(getResources().getQuantityString(
                    R.plurals.templates, person.templates, person.templates, person.updatedAt.substring(0, 10)));
            View delete = row.findViewById(R.id.delete);
            delete.setContentDescription(getString(R.string.delete_title, person.name));
            delete.setOnClickListener(view -> ask(person.name));
            return row;
        }
    }
}
