package ghostface.edge.app;

import ghostface.edge.Gallery;
import ghostface.edge.Person;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.OptionException;

/** From a photo to an enrolled person; outlives the screen that shows it. Main thread only. */
public final class EnrolFlow {
    /** What a screen shows. */
    public static final class State {
        /** Null until a photo was read. */
        public final FoundFaces found;
        /** Something runs in the background. */
        public final boolean busy;
        /** What went wrong last; null where nothing did. */
        public final GhostFaceException problem;
        /** Who was enrolled with this photo; null until then. */
        public final Person enrolled;

        private State(FoundFaces found, boolean busy, GhostFaceException problem, Person enrolled) {
            this.found = found;
            this.busy = busy;
            this.problem = problem;
            this.enrolled = enrolled;
        }

        /** There is a face, and nothing runs. */
        public boolean ready() {
            return found != null && found.chosen >= 0 && !busy;
        }
    }

    private final Engines engines;
    private final Observable<State> state = new Observable<>(new State(null, false, null, null));

    public EnrolFlow(Engines engines) {
        this.engines = engines;
    }

    public Observable<State> state() {
        return state;
    }

    /** Read a photo and find its faces. */
    public void open(PhotoSource source) {
        State reading = new State(null, true, null, null);
        state.set(reading);
        engines.run(recogniser -> FoundFaces.in(source.read(), recogniser), (found, problem) -> {
            if (state.get() == reading) {  // and no other photo was chosen since
                state.set(new State(found, false, problem != null ? problem : found.problem(), null));
            }
        });
    }

    /** Another face of the photo. */
    public void choose(int face) {
        State now = state.get();
        if (now.ready()) {
            state.set(new State(now.found.choosing(face), false, null, null));
        }
    }

    /** Enrol the chosen face; what goes wrong leaves the photo where it is. */
    public void enrol(String name) {
        State now = state.get();
        if (!now.ready() || now.enrolled != null) {
            return;
        }
        FoundFaces found = now.found;
        try {
            Gallery.cleanName(name);
        } catch (OptionException problem) {
            state.set(new State(found, false, problem, null));
            return;
        }
        state.set(new State(found, true, null, null));
        engines.run(
                recogniser -> recogniser.gallery.enroll(name, recogniser.template(found.photo, found.face())),
                (person, problem) -> state.set(new State(found, false, problem, person)));
    }
}
