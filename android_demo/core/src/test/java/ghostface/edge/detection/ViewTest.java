package ghostface.edge.detection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.FaceImage;
import ghostface.edge.Golden;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A photo made smaller, against the bytes that Python's class of this name gives. */
class ViewTest {
    @Test
    void shrunkPhotosAreThoseOfPython() {
        for (JsonElement item : Golden.read("pictures").getAsJsonArray("shrunk")) {
            FaceImage photo = Golden.picture(item.getAsJsonObject().get("picture"));
            for (JsonElement element : item.getAsJsonObject().getAsJsonArray("results")) {
                JsonObject result = element.getAsJsonObject();
                int longest = result.get("longest").getAsInt();
                View view = new View(photo).shrunk(longest);
                FaceImage expected = Golden.picture(result.get("picture"));
                String what = photo.width + " x " + photo.height + " at " + longest;
                assertEquals(expected.width, view.pixels.width, what);
                assertEquals(expected.height, view.pixels.height, what);
                assertArrayEquals(expected.pixels(), view.pixels.pixels(), what);
                double[] scale = {view.scaleX, view.scaleY};
                assertArrayEquals(Golden.numbers(result.get("scale")), scale, 1e-12, what);
            }
        }
    }

    @Test
    void whatIsSmallEnoughStaysWhatItIs() {
        View view = black(7, 5);
        for (int longest : new int[] {7, 8, 640, Integer.MAX_VALUE}) {
            assertSame(view, view.shrunk(longest));
        }
        assertEquals(6, view.shrunk(6).pixels.width);
        assertEquals(4, view.shrunk(6).pixels.height); // 4.29
    }

    @Test
    void halvesAreComputedOnce() {
        View photo = black(800, 601);
        List<View> views = photo.halved(192);
        assertEquals(4, views.size()); // 800, 400, 200, 100
        assertSame(photo, views.get(0));
        for (int i = 1; i < views.size(); i++) {
            assertSame(views.get(i - 1).half(), views.get(i));
        }
        assertSame(views.get(2), photo.shrunk(200));
        assertEquals(4, views.get(2).scaleX);
        assertEquals(4, views.get(2).scaleY); // of 600 rows: the last one is left out
    }

    @Test
    void halvingEndsWhereItIsSmallOrALine() {
        assertEquals(3, black(100, 60).halved(25).size());
        assertEquals(1, black(100, 60).halved(100).size());
        List<View> views = black(100, 3).halved(10);
        assertEquals(2, views.size());
        assertEquals(1, views.get(1).pixels.height);
    }

    @Test
    void ratiosAreBetweenViewsOfOnePhoto() {
        View photo = black(800, 600);
        View small = photo.shrunk(300);
        assertEquals(400 / 300.0, photo.half().ratioX(small), 1e-12);
        assertEquals(300 / 225.0, photo.half().ratioY(small), 1e-12);
        assertEquals(2, small.ratioX(small.half()), 1e-12);
        assertEquals(225 / 112.5, small.ratioY(small.half()), 1e-12);
        assertEquals(1, photo.ratioX(photo));
    }

    private static View black(int width, int height) {
        return new View(FaceImage.ofRgb(new byte[3 * width * height], width, height, "black"));
    }
}
