package ghostface.edge.app;

import android.content.SharedPreferences;
import ghostface.edge.FaceEngine;
import ghostface.edge.runtime.Sessions;

/** Settings that survive, and which gallery file belongs to which model. */
public final class SettingsStore {
    private static final String MODEL = "model";
    private static final String FMR = "fmr";
    private static final String THREADS = "threads";
    private static final String GALLERY = "gallery of ";

    private final SharedPreferences preferences;

    public SettingsStore(SharedPreferences preferences) {
        this.preferences = preferences;
    }

    public Settings load() {
        // A double as text: SharedPreferences has only float, in which 0.001 is another number than the card's.
        String fmr = preferences.getString(FMR, Double.toString(FaceEngine.DEFAULT_FMR));
        return new Settings(
                preferences.getString(MODEL, ""),
                Double.parseDouble(fmr),
                preferences.getInt(THREADS, Sessions.defaultThreads()));
    }

    public void save(Settings settings) {
        preferences.edit()
                .putString(MODEL, settings.model)
                .putString(FMR, Double.toString(settings.fmr))
                .putInt(THREADS, settings.threads)
                .apply();
    }

    /** Name of the gallery file that the user chose for a model; null where no choice was made. */
    public String galleryOf(String modelId) {
        return preferences.getString(GALLERY + modelId, null);
    }

    public void setGallery(String modelId, String file) {
        preferences.edit().putString(GALLERY + modelId, file).apply();
    }
}
