package ghostface.edge.app;

import android.app.Activity;
import android.os.Bundle;

/** The first screen. */
public final class MainActivity extends Activity {
    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.main);
    }
}
