package ghostface.edge.app;

/** A value and the one screen that shows it. Main thread only. */
public final class Observable<T> {
    /** Shows a value. */
    public interface Observer<T> {
        void show(T value);
    }

    private T value;
    private Observer<T> observer;

    public Observable(T value) {
        this.value = value;
    }

    public T get() {
        return value;
    }

    public void set(T next) {
        value = next;
        if (observer != null) {
            observer.show(next);
        }
    }

    /** Show the present value and all that follow; null to stop. */
    public void observe(Observer<T> screen) {
        observer = screen;
        if (screen != null) {
            screen.show(value);
        }
    }
}
