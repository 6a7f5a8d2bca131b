package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public class StageTimesTest {
    @Test
    public void onlyTheLastFramesCount() {
        StageTimes times = new StageTimes();
        for (int frame = 0; frame < StageTimes.FRAMES; frame++) {
            times.add(Stage.EMBED, 1000);
        }
        for (int frame = 1; frame <= StageTimes.FRAMES; frame++) {
            times.add(Stage.EMBED, frame);
        }
        StageTimes.Summary summary = times.summary();
        assertEquals(120, summary.count(Stage.EMBED));
        assertEquals(60.5, summary.percentile(Stage.EMBED, 50), 1e-9);
        assertEquals(120, summary.percentile(Stage.EMBED, 100), 0);
        assertEquals(0, summary.count(Stage.ALIGN));
        assertTrue(Double.isNaN(summary.percentile(Stage.ALIGN, 50)));
    }

    @Test
    public void theTotalIsAllStagesAndWhatLiesBetween() throws Exception {
        StageTimes times = new StageTimes();
        StageTimes.Clock clock = times.start();
        Thread.sleep(3);
        clock.done(Stage.CONVERT);
        Thread.sleep(5);
        clock.done(Stage.DETECT);
        clock.done(Stage.TOTAL);
        StageTimes.Summary summary = times.summary();
        double convert = summary.percentile(Stage.CONVERT, 50);
        double detect = summary.percentile(Stage.DETECT, 50);
        assertTrue(convert >= 3 && detect >= 5);
        assertTrue(summary.percentile(Stage.TOTAL, 50) >= convert + detect - 1e-6);
    }
}
