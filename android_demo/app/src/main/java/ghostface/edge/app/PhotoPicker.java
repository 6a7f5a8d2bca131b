package ghostface.edge.app;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ContentResolver;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.widget.Toast;

/** Lets the user pick photos and places for files through the system, which needs no permission. */
final class PhotoPicker {
    private PhotoPicker() {}

    /** The answer comes to {@code onActivityResult}. */
    static void pick(Activity activity, int request) {
        Intent intent = new Intent(Intent.ACTION_OPEN_DOCUMENT);
        intent.addCategory(Intent.CATEGORY_OPENABLE);
        intent.setType("image/*");
        start(activity, intent, request);
    }

    /** Ask where a JSON file is to be written; the answer comes to {@code onActivityResult}. */
    static void create(Activity activity, String name, int request) {
        Intent intent = new Intent(Intent.ACTION_CREATE_DOCUMENT);
        intent.addCategory(Intent.CATEGORY_OPENABLE);
        intent.setType("application/json");
        intent.putExtra(Intent.EXTRA_TITLE, name);
        start(activity, intent, request);
    }

    private static void start(Activity activity, Intent intent, int request) {
        try {
            activity.startActivityForResult(intent, request);
        } catch (ActivityNotFoundException error) {
            Toast.makeText(activity, R.string.no_picker, Toast.LENGTH_LONG).show();
        }
    }

    /** Keep which photo was picked. */
    static void save(Bundle saved, String key, Uri photo) {
        saved.putString(key, photo == null ? null : photo.toString());
    }

    /**
     * What was kept; null where nothing was.
     *
     * @param saved may be null
     */
    static Uri saved(Bundle saved, String key) {
        String photo = saved == null ? null : saved.getString(key);
        return photo == null ? null : Uri.parse(photo);
    }

    /** A photo to read later. */
    static PhotoSource photo(Activity activity, Uri uri) {
        ContentResolver resolver = activity.getApplicationContext().getContentResolver();
        return () -> Photos.read(resolver, uri);
    }
}
