package ghostface.edge;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.detection.Detector;
import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.NoFaceException;
import ghostface.edge.errors.ThresholdException;
import ghostface.edge.runtime.ModelFile;
import ghostface.edge.runtime.OnnxSession;
import ghostface.edge.runtime.Session;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** From a photo to a decision, with the numbers of Python. */
class FaceEngineTest {
    private static final JsonObject GOLDEN = Golden.read("engine");
    private static final Session SESSION = new OnnxSession(ModelFile.of(
            Golden.unpacked(Golden.read("embedding").getAsJsonArray("networks").get(0).getAsJsonObject().get("model")),
            "m"), 1);
    private static final double COSINE = 0.99999;

    @AfterAll
    static void close() {
        SESSION.close();
    }

    private static Detector detector(String name, Function<FaceImage, List<Detection>> detect) {
        return new Detector() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public List<Detection> detect(FaceImage image) {
                return detect.apply(image);
            }
        };
    }

    /** A detector that is told where the faces of the golden photos are. */
    private static Detector told(String name) {
        return detector(name, photo -> {
            List<Detection> found = new ArrayList<>();
            for (JsonElement element : GOLDEN.getAsJsonObject("places").getAsJsonArray(photo.source)) {
                JsonObject place = element.getAsJsonObject();
                float[] box = Golden.floats(place.get("box"));
                found.add(new Detection(new Box(box[0], box[1], box[2], box[3]), place.get("score").getAsFloat(),
                        new Landmarks(Golden.floats(place.get("landmarks")))));
            }
            return found;
        });
    }

    private static FaceImage photo(String name) {
        FaceImage picture = Golden.picture(GOLDEN.getAsJsonObject("photos").get(name));
        return FaceImage.ofRgb(picture.pixels(), picture.width, picture.height, name);
    }

    private static FaceEngine engine() {
        return new FaceEngine(SESSION, told("fixed"));
    }

    @Test
    void everyFaceLargestFirst() {
        FaceEngine engine = engine();
        for (String name : GOLDEN.getAsJsonObject("faces").keySet()) {
            JsonArray expected = GOLDEN.getAsJsonObject("faces").getAsJsonArray(name);
            List<Face> faces = engine.faces(photo(name));
            assertEquals(expected.size(), faces.size());
            for (int i = 0; i < faces.size(); i++) {
                assertBox(expected.get(i).getAsJsonObject().get("box"), faces.get(i));
                float[] embedding = Golden.floats(expected.get(i).getAsJsonObject().get("embedding"));
                double cosine = Matching.cosine(embedding, faces.get(i).template.embedding());
                assertTrue(cosine >= COSINE, name + ", face " + i + ": cosine 1 - " + (1 - cosine));
                assertIdentity(faces.get(i).template.model, "fixed");
            }
        }
    }

    private static void assertBox(JsonElement expected, Face face) {
        Box box = face.detection.box;
        assertArrayEquals(Golden.floats(expected), new float[] {box.x1, box.y1, box.x2, box.y2});
    }

    private static void assertIdentity(ModelIdentity model, String detector) {
        assertEquals("ghost-modules-1", model.modelId);
        assertEquals("float32", model.precision);
        assertEquals(detector, model.detector);
    }

    @Test
    void theMainFace() {
        for (String name : GOLDEN.getAsJsonObject("mains").keySet()) {
            assertBox(GOLDEN.getAsJsonObject("mains").get(name), engine().face(photo(name)));
        }
    }

    /** What a benchmark times one by one is what {@code faces} does. */
    @Test
    void stepsOneByOne() {
        FaceEngine engine = engine();
        FaceImage photo = photo("largest at the rim");
        List<Detection> detections = engine.detect(photo);
        List<FaceImage> crops = new ArrayList<>();
        for (Detection detection : detections) {
            crops.add(engine.align(photo, detection));
        }
        List<Template> together = engine.embed(crops);
        List<Face> faces = engine.faces(photo);
        for (int i = 0; i < faces.size(); i++) {
            assertArrayEquals(faces.get(i).template.embedding(), together.get(i).embedding());
            assertArrayEquals(together.get(i).embedding(), engine.embed(crops.get(i)).embedding(), 1e-6f);
        }
    }

    @Test
    void decisionsAndTheirRates() {
        FaceEngine engine = engine();
        for (JsonElement element : GOLDEN.getAsJsonArray("verifications")) {
            JsonObject expected = element.getAsJsonObject();
            double fmr = expected.get("asked").getAsDouble();
            Verification found = engine.verify(face(expected, "a"), face(expected, "b"), fmr);
            assertEquals(expected.get("similarity").getAsDouble(), found.similarity, 1 - COSINE);
            assertEquals(expected.get("threshold").getAsDouble(), found.threshold);
            assertEquals(expected.get("fmr").isJsonNull() ? null : expected.get("fmr").getAsDouble(), found.fmr);
            assertEquals(expected.get("match").getAsBoolean(), found.match);
        }
        Verification photos = engine.verify(photo("one"), photo("largest at the rim"), 1e-3);
        Verification faces = engine.verify(engine.face(photo("one")), engine.face(photo("largest at the rim")), 1e-3);
        assertEquals(faces.similarity, photos.similarity);
        assertEquals(faces.match, photos.match);
    }

    private static Face face(JsonObject verification, String side) {
        String name = verification.get(side).getAsString();
        boolean other = name.equals("another detector");
        return (other ? new FaceEngine(SESSION, told(name.replace(" detector", ""))) : engine())
                .face(photo(other ? "one" : name));
    }

    @Test
    void mirrorImagesHaveAnIdentityOfTheirOwn() {
        FaceEngine engine = new FaceEngine(new Embedder(SESSION, true, 8), told("fixed"));
        assertIdentity(engine.model(), "fixed+flip");
        // Nobody measured thresholds for it.
        ThresholdException error = assertThrows(ThresholdException.class, () -> engine.threshold(1e-3));
        assertTrue(error.getMessage().contains("no thresholds for detector 'fixed+flip' (only for fixed)"),
                error.getMessage());
    }

    @Test
    void nobodyInThePhoto() {
        assertTrue(engine().faces(photo("nobody")).isEmpty());
        NoFaceException error = assertThrows(NoFaceException.class, () -> engine().face(photo("nobody")));
        assertEquals("no face found in nobody (110 x 90 pixels)", error.getMessage());
        assertThrows(NoFaceException.class, () -> engine().verify(photo("one"), photo("nobody"), 1e-3));
    }

    @Test
    void aRateThatTheCardLacksIsSaidBeforeAnythingIsComputed() {
        FaceEngine engine = new FaceEngine(SESSION, detector("fixed", photo -> {
            throw new AssertionError("detected");
        }));
        assertThrows(ThresholdException.class, () -> engine.verify(photo("one"), photo("one"), 1e-6));
    }

    @Test
    void facesOfAnotherModel() {
        Face mine = engine().face(photo("one"));
        Template other = new Template(mine.template.embedding(), new ModelIdentity("b", "float32", "fixed"));
        assertThrows(ModelMismatchException.class,
                () -> engine().verify(mine, new Face(mine.detection, other), 1e-3));
    }

    @Test
    void aDetectorThatFails() {
        FaceEngine engine = new FaceEngine(SESSION, detector("mine", photo -> {
            throw new IllegalStateException("no power");
        }));
        DetectionException error = assertThrows(DetectionException.class, () -> engine.detect(photo("one")));
        assertEquals("detector 'mine' failed on one: java.lang.IllegalStateException: no power", error.getMessage());
        InferenceException own = new InferenceException("of the tree");
        FaceEngine honest = new FaceEngine(SESSION, detector("mine", photo -> {
            throw own;
        }));
        assertSame(own, assertThrows(InferenceException.class, () -> honest.detect(photo("one"))));
    }

    @Test
    void aDetectorThatBreaksItsContract() {
        Landmarks line = new Landmarks(0, 0, 10, 10, 20, 20, 30, 30, 40, 40);
        FaceEngine flat = new FaceEngine(SESSION, detector("mine",
                photo -> Collections.singletonList(new Detection(new Box(0, 0, 40, 40), 0.5f, line))));
        assertThrows(AlignmentException.class, () -> flat.faces(photo("one")));
        FaceEngine sure = new FaceEngine(SESSION, detector("mine",
                photo -> Collections.singletonList(new Detection(new Box(0, 0, 40, 40), 1.5f, line))));
        assertThrows(DetectionException.class, () -> sure.detect(photo("one")));
        FaceEngine nothing = new FaceEngine(SESSION, detector("mine", photo -> null));
        assertThrows(DetectionException.class, () -> nothing.detect(photo("one")));
    }
}
