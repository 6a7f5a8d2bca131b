package ghostface.edge.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import android.graphics.Color;
import ghostface.edge.FaceImage;
import ghostface.edge.errors.ImageException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.util.Arrays;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.RobolectricTestRunner;

/** Files to pictures, by Android's own decoders. */
@RunWith(RobolectricTestRunner.class)
public class PhotosTest {
    /** What the stored picture's corners become: red, green, blue, white lie at its top left, top right, and so on. */
    private static final String STORED = "RGBW";

    /** EXIF 2.32, tag 274: the corners of the upright picture, in the same order, for each orientation. */
    private static final String[] UPRIGHT = {"RGBW", "GRWB", "WBGR", "BWRG", "RBGW", "BRWG", "WGBR", "GWRB"};

    @Test
    public void everyOrientationOfExifEndsUpright() throws Exception {
        for (int orientation = 1; orientation <= 8; orientation++) {
            FaceImage picture = read(withOrientation(jpeg(corners(64, 32)), orientation));
            boolean turned = orientation >= 5;
            assertEquals(turned ? 32 : 64, picture.width);
            assertEquals(turned ? 64 : 32, picture.height);
            assertEquals("orientation " + orientation, UPRIGHT[orientation - 1], colours(picture));
        }
    }

    @Test
    public void transparentPartsAreWhite() throws Exception {
        Bitmap bitmap = Bitmap.createBitmap(8, 8, Bitmap.Config.ARGB_8888);
        bitmap.eraseColor(Color.TRANSPARENT);
        FaceImage picture = read(EnrolTest.png(bitmap));
        for (byte value : picture.pixels()) {
            assertEquals(255, value & 255);
        }
    }

    @Test
    public void largePhotosAreShrunkWhileTheyAreDecoded() throws Exception {
        assertEquals(1, Photos.sampling(3264, 2448));  // 8 MP
        assertEquals(2, Photos.sampling(4000, 3000));  // 12 MP
        assertEquals(4, Photos.sampling(8160, 6120));  // 50 MP
        assertEquals(8, Photos.sampling(16384, 12288));  // 200 MP
        FaceImage grey = FaceImage.ofRgb(filled(3 * 816 * 612, 100), 816, 612, "grey");
        FaceImage picture = read(FaceImages.of(grey).enlarged(10).asPng());  // 8160 x 6120
        assertEquals(2040, picture.width);
        assertEquals(1530, picture.height);
        assertEquals(100, picture.pixels()[3 * (700 * 2040 + 900)]);
    }

    @Test
    public void aBitmapOfAPictureIsThePicture() {
        byte[] pixels = new byte[3 * 5 * 4];
        for (int i = 0; i < pixels.length; i++) {
            pixels[i] = (byte) (i * 37);
        }
        FaceImage picture = FaceImage.ofRgb(pixels, 5, 4, "noise");
        FaceImage back = Photos.picture(Photos.bitmap(picture), "back");
        assertTrue(Arrays.equals(pixels, back.pixels()));
    }

    @Test
    public void aPhotoThatIsGoneSaysSo() {
        ImageException error = assertThrows(ImageException.class, () -> Photos.read(() -> {
            throw new FileNotFoundException("No such file");
        }, "gone.jpg"));
        assertEquals("gone.jpg: cannot be read: No such file", error.getMessage());
    }

    @Test
    public void anEmptyFileAndATornOneSaySo() throws Exception {
        assertThrows(ImageException.class, () -> read(new byte[0]));
        byte[] jpeg = jpeg(corners(64, 32));
        assertThrows(ImageException.class, () -> read(Arrays.copyOf(jpeg, 30)));
    }

    private static FaceImage read(byte[] bytes) {
        return Photos.read(() -> new ByteArrayInputStream(bytes), "photo");
    }

    private static Bitmap corners(int width, int height) {
        Bitmap bitmap = Bitmap.createBitmap(width, height, Bitmap.Config.ARGB_8888);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                char colour = STORED.charAt((y < height / 2 ? 0 : 2) + (x < width / 2 ? 0 : 1));
                bitmap.setPixel(x, y, colour == 'R' ? Color.RED
                        : colour == 'G' ? Color.GREEN : colour == 'B' ? Color.BLUE : Color.WHITE);
            }
        }
        return bitmap;
    }

    /** Of the middles of the four quarters. */
    private static String colours(FaceImage picture) {
        StringBuilder letters = new StringBuilder();
        for (int quarter = 0; quarter < 4; quarter++) {
            int x = picture.width / 4 * (quarter % 2 == 0 ? 1 : 3);
            int y = picture.height / 4 * (quarter < 2 ? 1 : 3);
            int at = 3 * (y * picture.width + x);
            boolean red = (picture.pixels()[at] & 255) > 127;
            boolean green = (picture.pixels()[at + 1] & 255) > 127;
            letters.append(red && green ? 'W' : red ? 'R' : green ? 'G' : 'B');
        }
        return letters.toString();
    }

    private static byte[] jpeg(Bitmap bitmap) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bitmap.compress(Bitmap.CompressFormat.JPEG, 95, bytes);
        return bytes.toByteArray();
    }

    /** Puts a segment APP1 behind the first marker: EXIF with a single tag, big-endian. */
    private static byte[] withOrientation(byte[] jpeg, int orientation) {
        byte[] exif = {
            (byte) 0xff, (byte) 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8,
            0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte) orientation, 0, 0, 0, 0, 0, 0};
        byte[] all = new byte[jpeg.length + exif.length];
        System.arraycopy(jpeg, 0, all, 0, 2);
        System.arraycopy(exif, 0, all, 2, exif.length);
        System.arraycopy(jpeg, 2, all, 2 + exif.length, jpeg.length - 2);
        return all;
    }

    private static byte[] filled(int count, int value) {
        byte[] bytes = new byte[count];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }
}
