package ghostface.edge.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class CameraSizesTest {
    private static final int[][] SIZES = {{4000, 3000}, {1920, 1080}, {1280, 960}, {1280, 720}, {640, 480}, {320, 240}};

    @Test
    public void framesAreNearTheDetectorsSizeAndFourToThree() {
        assertArrayEquals(new int[] {640, 480}, CameraSizes.frame(SIZES));
        assertArrayEquals(new int[] {800, 600}, CameraSizes.frame(new int[][] {{640, 360}, {800, 600}, {1600, 1200}}));
        assertArrayEquals("any shape rather than none", new int[] {640, 360},
                CameraSizes.frame(new int[][] {{1920, 1080}, {640, 360}}));
    }

    @Test
    public void thePreviewHasTheShapeOfTheFrames() {
        assertArrayEquals(new int[] {1280, 960}, CameraSizes.preview(SIZES, new int[] {640, 480}));
        assertArrayEquals(new int[] {1920, 1080}, CameraSizes.preview(SIZES, new int[] {640, 360}));
        assertArrayEquals("its own where no other has it", new int[] {500, 500},
                CameraSizes.preview(SIZES, new int[] {500, 500}));
    }

    /** The table of {@code CameraInfo.orientation} in Android's documentation of {@code setDisplayOrientation}. */
    @Test
    public void framesAreTurnedUpright() {
        int[][] back = {{90, 0, 90}, {90, 90, 0}, {90, 180, 270}, {90, 270, 180}, {270, 0, 270}};
        for (int[] row : back) {
            assertEquals(row[2], CameraSizes.rotation(row[0], row[1], false));
        }
        int[][] front = {{270, 0, 270}, {270, 90, 0}, {270, 180, 90}, {270, 270, 180}, {90, 0, 90}};
        for (int[] row : front) {
            assertEquals(row[2], CameraSizes.rotation(row[0], row[1], true));
        }
    }
}
