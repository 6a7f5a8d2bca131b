package ghostface.edge.app;

import ghostface.edge.FaceImage;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;

/** Writes large pictures as PNG, row by row, so that a test needs no memory for all of their pixels. */
final class FaceImages {
    private final FaceImage picture;
    private final int factor;

    private FaceImages(FaceImage picture, int factor) {
        this.picture = picture;
        this.factor = factor;
    }

    static FaceImages of(FaceImage picture) {
        return new FaceImages(picture, 1);
    }

    /** Each pixel becomes a square of pixels. */
    FaceImages enlarged(int times) {
        return new FaceImages(picture, factor * times);
    }

    byte[] asPng() throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        out.write(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'});
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        DataOutputStream header = new DataOutputStream(head);
        header.writeInt(picture.width * factor);
        header.writeInt(picture.height * factor);
        header.write(new byte[] {8, 2, 0, 0, 0});  // 8 bits, RGB
        chunk(out, "IHDR", head.toByteArray());
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        Deflater fast = new Deflater(Deflater.BEST_SPEED);
        try (DeflaterOutputStream deflater = new DeflaterOutputStream(data, fast, 1 << 16)) {
            byte[] row = new byte[1 + 3 * picture.width * factor];  // filter 0
            for (int y = 0; y < picture.height * factor; y++) {
                if (y % factor == 0) {
                    for (int x = 0; x < picture.width * factor; x++) {
                        int from = 3 * (y / factor * picture.width + x / factor);
                        System.arraycopy(picture.pixels(), from, row, 1 + 3 * x, 3);
                    }
                }
                deflater.write(row);
            }
        }
        chunk(out, "IDAT", data.toByteArray());
        chunk(out, "IEND", new byte[0]);
        return bytes.toByteArray();
    }

    private static void chunk(DataOutputStream out, String type, byte[] data) throws IOException {
        byte[] name = type.getBytes(StandardCharsets.US_ASCII);
        CRC32 crc = new CRC32();
        crc.update(name);
        crc.update(data);
        out.writeInt(data.length);
        out.write(name);
        out.write(data);
        out.writeInt((int) crc.getValue());
    }
}
