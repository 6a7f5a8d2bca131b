package ghostface.edge.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import android.Manifest;
import android.content.pm.ApplicationInfo;
import android.content.pm.PackageInfo;
import android.content.pm.PackageManager;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;

/** What the app promises about faces. */
@RunWith(RobolectricTestRunner.class)
public class ManifestTest {
    private final PackageInfo app = packageInfo();

    private static PackageInfo packageInfo() {
        try {
            return RuntimeEnvironment.getApplication().getPackageManager()
                    .getPackageInfo("ghostface.edge.app", PackageManager.GET_PERMISSIONS);
        } catch (PackageManager.NameNotFoundException error) {
            throw new AssertionError(error);
        }
    }

    @Test
    public void theCameraIsAllItAsksFor() {
        assertArrayEquals(new String[] {Manifest.permission.CAMERA}, app.requestedPermissions);
    }

    @Test
    public void facesGoIntoNoBackup() {
        assertEquals(0, app.applicationInfo.flags & ApplicationInfo.FLAG_ALLOW_BACKUP);
    }
}
