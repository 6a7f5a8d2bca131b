package ghostface.edge.app;

import static org.junit.Assert.assertEquals;

import org.junit.Test;

public class FitTest {
    @Test
    public void aWidePictureLiesInTheMiddle() {
        Fit fit = new Fit(200, 100, 400, 400, false);
        assertEquals(2, fit.scale, 0);
        assertEquals(0, fit.x(0), 0);
        assertEquals(400, fit.x(200), 0);
        assertEquals(100, fit.y(0), 0);
        assertEquals(300, fit.y(100), 0);
    }

    @Test
    public void aMirrorSwapsLeftAndRightOnly() {
        Fit fit = new Fit(100, 200, 400, 400, true);
        assertEquals(300, fit.x(0), 0);
        assertEquals(100, fit.x(100), 0);
        assertEquals(0, fit.y(0), 0);
        assertEquals(400, fit.y(200), 0);
    }

    @Test
    public void aTouchFindsItsPlaceInThePicture() {
        for (boolean mirrored : new boolean[] {false, true}) {
            Fit fit = new Fit(900, 420, 333, 271, mirrored);
            assertEquals(735, fit.pictureX(fit.x(735)), 1e-3);
            assertEquals(220, fit.pictureY(fit.y(220)), 1e-3);
        }
    }
}
