package ghostface.edge.detection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.Alignment;
import ghostface.edge.Detection;
import ghostface.edge.FaceImage;
import ghostface.edge.Golden;
import ghostface.edge.ModelCard;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.OnnxSession;
import ghostface.edge.runtime.Session;
import ghostface.edge.runtime.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** All of YuNet on ONNX Runtime, with a network that takes bright squares for faces, against Python. */
class YuNetTest {
    private static JsonObject golden;
    private static OnnxSession squares;

    @BeforeAll
    static void open() {
        golden = Golden.read("detection");
        squares = new OnnxSession(ModelFile.of(Golden.unpacked(golden.get("model")), "squares.onnx"), 1);
    }

    @AfterAll
    static void close() {
        squares.close();
    }

    @Test
    void theFacesOfPython() {
        for (JsonElement item : golden.getAsJsonArray("photos")) {
            JsonObject photo = item.getAsJsonObject();
            YuNet.Mode mode = YuNet.Mode.valueOf(photo.get("mode").getAsString().toUpperCase(Locale.ROOT));
            double score = photo.get("score").getAsDouble();
            int maxSize = photo.get("maxSize").getAsInt();
            for (boolean planes : new boolean[] {true, false}) {
                YuNet detector = new YuNet(planes ? squares : channelsLast(), mode, score, maxSize);
                assertEquals(photo.get("name").getAsString(), detector.name());
                assertFaces(photo, detector.detect(painted(photo)));
                List<Detection> main = detector.detectMain(painted(photo));
                assertEquals(photo.getAsJsonArray("main").size(), main.size(), () -> describe(photo));
                assertFaces(photo, "main", main);
            }
        }
    }

    @Test
    void withoutOptionsItIsTheAccurateMode() {
        JsonObject photo = golden.getAsJsonArray("photos").get(0).getAsJsonObject();
        YuNet detector = new YuNet(squares);
        assertEquals("yunet", detector.name());
        assertFaces(photo, detector.detect(painted(photo)));
    }

    @Test
    void aFaceThatIsNotSeenAgainKeepsItsLandmarks() {
        Session blind = new Changed("", "", grids -> {
            if (isCanvas(grids)) {
                for (Tensor grid : grids) {
                    Arrays.fill(grid.values, -9);
                }
            }
            return grids;
        });
        int photos = 0;
        for (JsonElement item : golden.getAsJsonArray("photos")) {
            JsonObject photo = item.getAsJsonObject();
            if (photo.get("mode").getAsString().equals("fast")) {
                double score = photo.get("score").getAsDouble();
                int maxSize = photo.get("maxSize").getAsInt();
                assertFaces(photo, new YuNet(blind, YuNet.Mode.ACCURATE, score, maxSize).detect(painted(photo)));
                photos++;
            }
        }
        assertTrue(photos >= 3);
    }

    @Test
    void landmarksWithoutGeometryAreNotLookedAtAgain() {
        Session point = new Changed("", "", grids -> {
            assertFalse(isCanvas(grids));
            for (Tensor grid : grids) {
                for (int cell = 0; cell < grid.values.length; cell += 16) {
                    Arrays.fill(grid.values, cell + 6, cell + 16, 0.5f);
                }
            }
            return grids;
        });
        JsonObject photo = golden.getAsJsonArray("photos").get(0).getAsJsonObject(); // 8 x 8 pixels at (40, 24)
        float[] middle = {44, 28, 44, 28, 44, 28, 44, 28, 44, 28};
        assertArrayEquals(middle, new YuNet(point).detect(painted(photo)).get(0).landmarks.toArray(), 1e-4f);
    }

    /** A network that sees one face in whatever it is shown: in a closer look, some pixels of the crop to the right. */
    @ParameterizedTest
    @CsvSource({"0, true", "4.4, true", "4.6, false", "8, false"})
    void aLookThatDisagreesMakesItLookAtALargerView(double pixels, boolean agrees) {
        double[] template = Alignment.arcfaceTemplate();
        List<Integer> widths = new ArrayList<>();
        Session one = new Changed("", "", grids -> {
            widths.add(8 * grids[0].shape()[2]);
            for (Tensor grid : grids) {
                Arrays.fill(grid.values, -9);
            }
            // The crop takes 0.7 * 128 = 0.8 * 112 pixels of a canvas, and here 0.7 * 112 of the view of 160 pixels.
            double middle = isCanvas(grids) ? 63.5 : 79.5;
            double scale = isCanvas(grids) ? 0.8 : 0.7;
            int cell = 16 * (8 * grids[0].shape()[2] + 8); // at column 8 of row 8
            float[] values = grids[0].values;
            Arrays.fill(values, cell, cell + 2, 5);
            Arrays.fill(values, cell + 2, cell + 4, (float) (middle / 8 - 8));
            Arrays.fill(values, cell + 4, cell + 6, (float) Math.log(60 / 8.0));
            for (int i = 0; i < template.length; i++) {
                double moved = isCanvas(grids) && i % 2 == 0 ? pixels : 0;
                values[cell + 6 + i] = (float) (((template[i] - 55.5 + moved) * scale + middle) / 8 - 8);
            }
            return grids;
        });
        FaceImage photo = FaceImage.ofRgb(new byte[3 * 640 * 640], 640, 640, "black");
        List<Detection> found = new YuNet(one).detectMain(photo);
        assertEquals(Arrays.asList(160, 128), widths.subList(0, 2));
        assertEquals(agrees, widths.size() == 2);
        if (agrees) { // two thirds of the way; the photo is four times as large
            float[] landmarks = found.get(0).landmarks.toArray();
            for (int i = 0; i < template.length; i++) {
                double moved = i % 2 == 0 ? pixels * 2 / 3 : 0;
                assertEquals(((template[i] - 55.5 + moved) * 0.7 + 80) * 4 - 0.5, landmarks[i], 1e-3);
            }
        }
    }

    @Test
    void aNetworkThatIsNoYuNetAfterAll() {
        FaceImage image = painted(golden.getAsJsonArray("photos").get(0).getAsJsonObject());
        String other = "model 'bright squares' gave outputs that are not those of a YuNet";
        assertFails(image, other, grids -> Arrays.copyOf(grids, 2));
        assertFails(image, other, grids -> new Tensor[] {grids[1], grids[0], grids[2]});
        assertFails(image, other, grids -> new Tensor[] {grids[0], grids[1], new Tensor(new float[72], 1, 2, 3, 12)});
        String strange = "model 'bright squares' gave NaN, infinity or numbers beyond any photo";
        for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, 2e6f, -1e6f}) {
            assertFails(image, strange, grids -> {
                grids[2].values[7] = value;
                return grids;
            });
        }
    }

    @Test
    void modelsThatAreNoYuNet() {
        assertEquals(
                "model 'bright squares' (retinaface, NCHW RGB) is not a YuNet as ghostface-edge convert writes it",
                assertThrows(
                                DetectionException.class,
                                () -> new YuNet(new Changed("\"yunet\"", "\"retinaface\"", grids -> grids)))
                        .getMessage());
        assertThrows(
                DetectionException.class, () -> new YuNet(new Changed("\"RGB\"", "\"BGR\"", grids -> grids)));
    }

    @Test
    void senselessOptions() {
        for (double score : new double[] {0.29, 1, -1, Double.NaN}) {
            OptionException error =
                    assertThrows(OptionException.class, () -> new YuNet(squares, YuNet.Mode.FAST, score, 640));
            assertEquals("score=" + score + " is not between 0.3 and 1", error.getMessage());
        }
        for (int size : new int[] {31, 4097, -640}) {
            OptionException error =
                    assertThrows(OptionException.class, () -> new YuNet(squares, YuNet.Mode.FAST, 0.7, size));
            assertEquals("maxSize=" + size + " is not a size between 32 and 4096 pixels", error.getMessage());
        }
    }

    /** Whether they are of the canvas of a closer look. */
    private static boolean isCanvas(Tensor[] grids) {
        return Arrays.equals(new int[] {1, 16, 16, 16}, grids[0].shape());
    }

    private static void assertFaces(JsonObject photo, List<Detection> found) {
        assertEquals(photo.get("count").getAsInt(), found.size(), () -> describe(photo));
        assertFaces(photo, "faces", found);
    }

    private static void assertFaces(JsonObject photo, String key, List<Detection> found) {
        for (int i = 0; i < photo.getAsJsonArray(key).size(); i++) {
            JsonObject face = photo.getAsJsonArray(key).get(i).getAsJsonObject();
            Detection detection = found.get(i);
            float[] box = {detection.box.x1, detection.box.y1, detection.box.x2, detection.box.y2};
            assertArrayEquals(Golden.floats(face.get("box")), box, 1e-3f, () -> describe(photo));
            assertEquals(face.get("score").getAsDouble(), detection.score, 1e-5, () -> describe(photo));
            assertArrayEquals(
                    Golden.floats(face.get("landmarks")), detection.landmarks.toArray(), 1e-3f, () -> describe(photo));
        }
    }

    private static String describe(JsonObject photo) {
        return photo.get("mode") + " on " + photo.get("width") + " x " + photo.get("height") + " at "
                + photo.get("maxSize");
    }

    /** Rectangles on black, the later ones over the earlier, darker to the right and downwards, as in detection.py. */
    private static FaceImage painted(JsonObject photo) {
        int width = photo.get("width").getAsInt();
        int height = photo.get("height").getAsInt();
        byte[] pixels = new byte[3 * width * height];
        for (JsonElement item : photo.getAsJsonArray("rectangles")) {
            double[] rectangle = Golden.numbers(item);
            for (int row = (int) rectangle[1]; row < rectangle[1] + rectangle[3]; row++) {
                for (int column = (int) rectangle[0]; column < rectangle[0] + rectangle[2]; column++) {
                    for (int channel = 0; channel < 3; channel++) {
                        int light = 32768 - 3 * row - 7 * column;
                        pixels[3 * (row * width + column) + channel] =
                                (byte) ((int) rectangle[4 + channel] * light / 32768);
                    }
                }
            }
        }
        return FaceImage.ofRgb(pixels, width, height, "painted");
    }

    private static void assertFails(FaceImage image, String message, UnaryOperator<Tensor[]> change) {
        YuNet detector = new YuNet(new Changed("", "", change));
        assertEquals(message, assertThrows(InferenceException.class, () -> detector.detect(image)).getMessage());
    }

    /** The same network with channels last, as a TFLite file has it. */
    private static Session channelsLast() {
        return new Changed("\"NCHW\"", "\"NHWC\"", grids -> grids) {
            @Override
            public Tensor[] run(Tensor input) {
                int[] shape = input.shape();
                int plane = shape[1] * shape[2];
                float[] planes = new float[input.values.length];
                for (int place = 0; place < planes.length; place++) {
                    int picture = place / (3 * plane);
                    int pixel = place / 3 % plane;
                    planes[(3 * picture + place % 3) * plane + pixel] = input.values[place];
                }
                return squares.run(new Tensor(planes, shape[0], 3, shape[1], shape[2]));
            }
        };
    }

    /** The network under another card, or with other outputs. */
    private static class Changed implements Session {
        private final ModelCard card;
        private final UnaryOperator<Tensor[]> change;

        Changed(String text, String other, UnaryOperator<Tensor[]> change) {
            this.card = ModelCard.fromJson(golden.get("card").getAsString().replace(text, other));
            this.change = change;
        }

        @Override
        public ModelCard card() {
            return card;
        }

        @Override
        public String file() {
            return squares.file();
        }

        @Override
        public String sha256() {
            return squares.sha256();
        }

        @Override
        public String runtime() {
            return squares.runtime();
        }

        @Override
        public String version() {
            return squares.version();
        }

        @Override
        public int threads() {
            return squares.threads();
        }

        @Override
        public Tensor[] run(Tensor input) {
            return change.apply(squares.run(input));
        }

        @Override
        public void close() {}
    }
}
