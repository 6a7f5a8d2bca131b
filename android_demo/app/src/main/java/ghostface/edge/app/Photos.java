package ghostface.edge.app;

import android.content.ContentResolver;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.media.ExifInterface;
import android.net.Uri;
import ghostface.edge.FaceImage;
import ghostface.edge.errors.ImageException;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;

/** Files of the user's to upright pictures, and pictures to bitmaps. */
public final class Photos {
    /**
     * Most pixels that are decoded: as RGB and as a bitmap, 8 million take 56 MB. Larger photos are decoded at half
     * their size or less, which leaves far more than the detector looks at.
     */
    static final long MAX_PIXELS = 8_000_000;

    /** Opens the file anew: bounds, orientation and pixels are read one after the other. */
    interface Source {
        InputStream open() throws IOException;
    }

    private Photos() {}

    /**
     * A photo that the user picked.
     *
     * @throws ImageException it is gone, not readable, not a picture, or too large for the memory
     */
    public static FaceImage read(ContentResolver resolver, Uri uri) {
        String name = uri.getLastPathSegment() == null ? "photo" : uri.getLastPathSegment();
        return read(() -> {
            InputStream stream;
            try {
                stream = resolver.openInputStream(uri);
            } catch (RuntimeException error) {  // of another app, which may throw anything
                throw new IOException(error);
            }
            if (stream == null) {
                throw new FileNotFoundException("its provider does not answer");
            }
            return stream;
        }, name);
    }

    static FaceImage read(Source source, String name) {
        try {
            BitmapFactory.Options options = new BitmapFactory.Options();
            options.inJustDecodeBounds = true;
            decode(source, options);
            if (options.outWidth < 1 || options.outHeight < 1) {
                throw new ImageException(name + ": not a picture that Android can decode");
            }
            options.inJustDecodeBounds = false;
            options.inSampleSize = sampling(options.outWidth, options.outHeight);
            Bitmap bitmap = decode(source, options);
            if (bitmap == null) {
                throw new ImageException(name + ": damaged, or cut short");
            }
            try {
                return picture(bitmap, name).upright(orientation(source));
            } finally {
                bitmap.recycle();
            }
        } catch (IOException | SecurityException error) {
            throw new ImageException(name + ": cannot be read: " + error.getMessage(), error);
        } catch (OutOfMemoryError error) {
            throw new ImageException(name + ": too large for this phone's memory", error);
        }
    }

    /** The power of two by which a photo is shrunk while it is decoded. */
    static int sampling(int width, int height) {
        int sampling = 1;
        while ((long) (width / sampling) * (height / sampling) > MAX_PIXELS) {
            sampling *= 2;
        }
        return sampling;
    }

    private static Bitmap decode(Source source, BitmapFactory.Options options) throws IOException {
        try (InputStream stream = source.open()) {
            return BitmapFactory.decodeStream(stream, null, options);
        }
    }

    /** EXIF tag 274; 1 for pictures that have none. */
    private static int orientation(Source source) throws IOException {
        try (InputStream stream = source.open()) {
            return new ExifInterface(stream)
                    .getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL);
        }
    }

    /** The pixels of a bitmap, as they are. */
    public static FaceImage picture(Bitmap bitmap, String name) {
        int[] argb = new int[bitmap.getWidth() * bitmap.getHeight()];
        bitmap.getPixels(argb, 0, bitmap.getWidth(), 0, 0, bitmap.getWidth(), bitmap.getHeight());
        return FaceImage.ofArgb(argb, bitmap.getWidth(), bitmap.getHeight(), name);
    }

    /** A picture to draw. */
    public static Bitmap bitmap(FaceImage picture) {
        byte[] rgb = picture.pixels();
        int[] argb = new int[picture.width * picture.height];
        for (int i = 0; i < argb.length; i++) {
            argb[i] = 0xff000000 | (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | rgb[3 * i + 2] & 255;
        }
        return Bitmap.createBitmap(argb, picture.width, picture.height, Bitmap.Config.ARGB_8888);
    }
}
