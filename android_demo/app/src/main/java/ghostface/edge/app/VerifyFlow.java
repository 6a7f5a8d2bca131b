package ghostface.edge.app;

import ghostface.edge.Matching;
import ghostface.edge.Threshold;
import ghostface.edge.Verification;
import ghostface.edge.errors.GhostFaceException;

/** Two photos, and whether they show the same person; outlives the screen that shows it. Main thread only. */
public final class VerifyFlow {
    /** One of the two photos. */
    public static final class Slot {
        private static final Slot EMPTY = new Slot(null, false, null);

        /** Null until a photo was read. */
        public final FoundFaces found;
        public final boolean busy;
        /** What is wrong with this photo; null where nothing is. */
        public final GhostFaceException problem;

        private Slot(FoundFaces found, boolean busy, GhostFaceException problem) {
            this.found = found;
            this.busy = busy;
            this.problem = problem;
        }

        private boolean hasFace() {
            return found != null && found.chosen >= 0;
        }
    }

    /** How alike the two chosen faces are. */
    public static final class Result {
        /** Cosine similarity, -1 to 1. */
        public final double similarity;
        /** Null where the model card holds no threshold at the false-match rate of the settings. */
        public final Verification verification;

        private Result(double similarity, Threshold threshold) {
            this.similarity = similarity;
            this.verification = threshold == null ? null : Matching.decide(similarity, threshold);
        }
    }

    /** What a screen shows. */
    public static final class State {
        private final Slot[] slots;
        /** Null until both photos have a face. */
        public final Result result;
        /** What kept the two from being compared; null where nothing did. */
        public final GhostFaceException problem;

        private State(Slot[] slots, Result result, GhostFaceException problem) {
            this.slots = slots;
            this.result = result;
            this.problem = problem;
        }

        /** @param side 0 or 1 */
        public Slot slot(int side) {
            return slots[side];
        }
    }

    private final Engines engines;
    private final Observable<State> state =
            new Observable<>(new State(new Slot[] {Slot.EMPTY, Slot.EMPTY}, null, null));

    public VerifyFlow(Engines engines) {
        this.engines = engines;
    }

    public Observable<State> state() {
        return state;
    }

    /**
     * Read one of the photos and find its faces.
     *
     * @param side 0 or 1
     */
    public void open(int side, PhotoSource source) {
        Slot reading = new Slot(null, true, null);
        put(side, reading);
        engines.run(recogniser -> FoundFaces.in(source.read(), recogniser), (found, problem) -> {
            if (state.get().slots[side] == reading) {  // and no other photo was chosen since
                put(side, new Slot(found, false, problem != null ? problem : found.problem()));
                compare();
            }
        });
    }

    /** Another face of one of the photos. */
    public void choose(int side, int face) {
        Slot slot = state.get().slots[side];
        if (slot.hasFace()) {
            put(side, new Slot(slot.found.choosing(face), false, null));
            compare();
        }
    }

    /** Compare again, after the threshold changed. */
    public void compare() {
        Slot[] slots = state.get().slots;
        if (!slots[0].hasFace() || !slots[1].hasFace()) {
            return;
        }
        FoundFaces a = slots[0].found;
        FoundFaces b = slots[1].found;
        engines.run(
                recogniser -> new Result(
                        Matching.similarity(
                                recogniser.template(a.photo, a.face()), recogniser.template(b.photo, b.face())),
                        recogniser.threshold),
                (result, problem) -> {
                    if (state.get().slots == slots) {
                        state.set(new State(slots, result, problem));
                    }
                });
    }

    private void put(int side, Slot slot) {
        Slot[] slots = state.get().slots.clone();
        slots[side] = slot;
        state.set(new State(slots, null, null));
    }
}
