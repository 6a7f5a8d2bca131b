package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.detection.YuNet;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.OnnxSession;
import ghostface.edge.runtime.Session;
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** The official checkpoint on real photos: what {@code vectors/real.py} wrote, where it had any. */
class RealPhotosTest {
    /** Between similarities: each of the two embeddings may be turned by acos(0.99999), which is 0.0045. */
    private static final double TURNED = 1e-3;

    private static JsonObject golden;
    private static final Map<String, Session> SESSIONS = new HashMap<>();
    private static final Map<String, FaceImage> PHOTOS = new HashMap<>();

    @BeforeAll
    static void read() throws IOException {
        golden = Golden.parse(Golden.generated("real/real.json"));
        for (String name : new String[] {"yunet", "float32", "int8"}) {
            SESSIONS.put(name, new OnnxSession(ModelFile.read(file(name + ".onnx")), 1));
        }
        for (String name : golden.getAsJsonObject("photos").keySet()) {
            PHOTOS.put(name, picture(name));
        }
    }

    @AfterAll
    static void close() {
        for (Session session : SESSIONS.values()) {
            session.close();
        }
        SESSIONS.clear();
    }

    @ParameterizedTest
    @EnumSource
    void findsTheSameFaces(YuNet.Mode mode) {
        YuNet detector = new YuNet(SESSIONS.get("yunet"), mode, 0.7, YuNet.MAX_SIZE);
        for (String name : PHOTOS.keySet()) {
            JsonObject photo = photo(name);
            assertFaces(photo.getAsJsonObject("detections"), detector, detector.detect(PHOTOS.get(name)), name);
            assertFaces(photo.getAsJsonObject("main"), detector, detector.detectMain(PHOTOS.get(name)), name);
        }
    }

    private static void assertFaces(JsonObject byDetector, YuNet detector, List<Detection> found, String name) {
        JsonArray expected = byDetector.getAsJsonArray(detector.name());
        assertEquals(expected.size(), found.size(), name);
        for (int index = 0; index < found.size(); index++) {
            JsonObject face = expected.get(index).getAsJsonObject();
            Box box = found.get(index).box;
            double tolerance = 0.0005 * box.width();
            assertClose(Golden.numbers(face.get("box")), tolerance, name, box.x1, box.y1, box.x2, box.y2);
            assertClose(Golden.numbers(face.get("landmarks")), tolerance, name, found.get(index).landmarks.toArray());
            assertEquals(face.get("score").getAsDouble(), found.get(index).score, 1e-5, name);
        }
    }

    @Test
    void alignsThemAlike() throws IOException {
        for (String name : PHOTOS.keySet()) {
            JsonArray faces = faces(name);
            for (int index = 0; index < faces.size(); index++) {
                Landmarks landmarks =
                        new Landmarks(Golden.floats(faces.get(index).getAsJsonObject().get("landmarks")));
                byte[] expected = picture(name + "-" + index).pixels();
                byte[] found = Alignment.align(PHOTOS.get(name), landmarks).pixels();
                assertEquals(expected.length, found.length);
                int off = 0;
                for (int at = 0; at < found.length; at++) {
                    if (Math.abs((expected[at] & 255) - (found[at] & 255)) > 1) {
                        off++;
                    }
                }
                assertTrue(off <= 0.001 * found.length, name + ": " + off + " numbers are off by more than 1");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"float32, 0.99999", "int8, 0.9999"})
    void embedsCropsAlike(String precision, double least) throws IOException {
        Embedder embedder = new Embedder(SESSIONS.get(precision));
        for (String name : PHOTOS.keySet()) {
            List<FaceImage> crops = new ArrayList<>();
            for (int index = 0; index < faces(name).size(); index++) {
                crops.add(picture(name + "-" + index));
            }
            assertAlike(embedder.embed(crops), name, precision, least);
        }
    }

    /** In float32 only: one grey level in one pixel of a crop may move an int8 embedding to a cosine of 0.99. */
    @Test
    void embedsPhotosAlike() {
        FaceEngine engine = engine();
        for (String name : PHOTOS.keySet()) {
            List<float[]> embeddings = new ArrayList<>();
            for (Face face : engine.faces(PHOTOS.get(name))) {
                embeddings.add(face.template.embedding());
            }
            assertAlike(embeddings.toArray(new float[0][]), name, "float32", 0.99999);
        }
    }

    @Test
    void decidesAlike() {
        FaceEngine engine = engine();
        Map<String, Face> faces = new HashMap<>();
        int matches = 0;
        for (JsonElement element : golden.getAsJsonArray("verifications")) {
            JsonObject expected = element.getAsJsonObject();
            Face[] pair = new Face[2];
            for (int side = 0; side < 2; side++) {
                String name = expected.get(side == 0 ? "a" : "b").getAsString();
                pair[side] = faces.computeIfAbsent(name, key -> engine.face(PHOTOS.get(key)));
            }
            Verification found = engine.verify(pair[0], pair[1], expected.get("fmr").getAsDouble());
            assertEquals(expected.get("similarity").getAsDouble(), found.similarity, TURNED);
            assertEquals(expected.get("threshold").getAsDouble(), found.threshold);
            assertEquals(expected.get("fmr").getAsDouble(), found.fmr);
            assertEquals(expected.get("match").getAsBoolean(), found.match);
            matches += found.match ? 1 : 0;
        }
        assertTrue(matches > 0);
    }

    @Test
    void findsPeopleInAGalleryOfPython() {
        FaceEngine engine = engine();
        try (Gallery gallery = Gallery.open(file("gallery.db").getPath(), engine.model(), JdbcDatabase::open)) {
            for (JsonElement element : golden.getAsJsonArray("searches")) {
                JsonObject search = element.getAsJsonObject();
                JsonArray expected = search.getAsJsonArray("matches");
                FaceImage probe = PHOTOS.get(search.get("probe").getAsString());
                List<Match> found = gallery.search(engine.face(probe).template, expected.size(), 0.3);
                assertEquals(expected.size(), found.size());
                for (int rank = 0; rank < found.size(); rank++) {
                    JsonObject match = expected.get(rank).getAsJsonObject();
                    assertEquals(match.get("name").getAsString(), found.get(rank).name);
                    assertEquals(match.get("similarity").getAsDouble(), found.get(rank).similarity, TURNED);
                    assertEquals(match.get("match").getAsBoolean(), found.get(rank).match);
                }
            }
        }
    }

    private static FaceEngine engine() {
        return new FaceEngine(SESSIONS.get("float32"), new YuNet(SESSIONS.get("yunet")));
    }

    private static JsonObject photo(String name) {
        return golden.getAsJsonObject("photos").getAsJsonObject(name);
    }

    /** The faces that the default detector of Python found. */
    private static JsonArray faces(String name) {
        return photo(name).getAsJsonObject("detections").getAsJsonArray("yunet");
    }

    private static void assertAlike(float[][] found, String name, String precision, double least) {
        JsonArray expected = photo(name).getAsJsonObject("embeddings").getAsJsonArray(precision);
        assertEquals(expected.size(), found.length, name);
        for (int index = 0; index < found.length; index++) {
            double cosine = Matching.cosine(Golden.floats(expected.get(index)), found[index]);
            assertTrue(cosine >= least, name + ", face " + index + ": cosine " + cosine);
        }
    }

    private static void assertClose(double[] expected, double tolerance, String name, float... found) {
        assertEquals(expected.length, found.length);
        for (int at = 0; at < found.length; at++) {
            assertEquals(expected[at], found[at], tolerance, name);
        }
    }

    private static File file(String name) {
        return Golden.GENERATED.resolve("real").resolve(name).toFile();
    }

    private static FaceImage picture(String name) throws IOException {
        BufferedImage image = ImageIO.read(file(name + ".png"));
        int width = image.getWidth();
        int height = image.getHeight();
        int[] argb = image.getRGB(0, 0, width, height, null, 0, width);
        byte[] rgb = new byte[3 * argb.length];
        for (int pixel = 0; pixel < argb.length; pixel++) {
            rgb[3 * pixel] = (byte) (argb[pixel] >> 16);
            rgb[3 * pixel + 1] = (byte) (argb[pixel] >> 8);
            rgb[3 * pixel + 2] = (byte) argb[pixel];
        }
        return FaceImage.ofRgb(rgb, width, height, name);
    }
}
