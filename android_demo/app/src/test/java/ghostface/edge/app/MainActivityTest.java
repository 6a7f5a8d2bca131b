package ghostface.edge.app;

import static org.junit.Assert.assertEquals;

import android.widget.TextView;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;

@RunWith(RobolectricTestRunner.class)
public class MainActivityTest {
    @Test
    public void showsItsName() throws Exception {
        MainActivity activity = Robolectric.buildActivity(MainActivity.class).setup().get();
        TextView status = activity.findViewById(R.id.status);
        assertEquals("ghostface-edge", status.getText().toString());
        Screenshot.take(activity, "main");
    }
}
