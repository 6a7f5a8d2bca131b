package ghostface.edge.app;

import android.app.Activity;
import android.content.res.Configuration;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.view.View;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import org.robolectric.shadows.ShadowLooper;

/** Draws what an activity shows into {@code target/screenshots}. */
final class Screenshot {
    private Screenshot() {}

    /** @param name of the file, without {@code .png} */
    static Bitmap take(Activity activity, String name) throws IOException {
        ShadowLooper.idleMainLooper();
        View root = activity.getWindow().getDecorView();
        Configuration size = activity.getResources().getConfiguration();
        float density = activity.getResources().getDisplayMetrics().density;
        int width = Math.round(size.screenWidthDp * density);
        int height = Math.round(size.screenHeightDp * density);
        for (int round = 0; round < 2; round++) {  // scroll bars and lists settle in the second
            root.measure(
                    View.MeasureSpec.makeMeasureSpec(width, View.MeasureSpec.EXACTLY),
                    View.MeasureSpec.makeMeasureSpec(height, View.MeasureSpec.EXACTLY));
            root.layout(0, 0, width, height);
        }
        root.jumpDrawablesToCurrentState();
        Bitmap bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        root.draw(new Canvas(bitmap));
        File folder = new File(System.getProperty("screenshots"));
        if (!folder.isDirectory() && !folder.mkdirs()) {
            throw new IOException("cannot make the folder " + folder);
        }
        try (FileOutputStream out = new FileOutputStream(new File(folder, name + ".png"))) {
            bitmap.compress(Bitmap.CompressFormat.PNG, 100, out);
        }
        return bitmap;
    }
}
