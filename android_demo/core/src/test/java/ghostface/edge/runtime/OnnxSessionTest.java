package ghostface.edge.runtime;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import ghostface.edge.Golden;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelFileException;
import ghostface.edge.errors.ModelInputException;
import ghostface.edge.errors.OptionException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** What the real ONNX Runtime is given, what comes back, and what it refuses. */
class OnnxSessionTest {
    private static final JsonObject GOLDEN = Golden.read("files");

    private static ModelFile file(JsonElement packed) {
        return ModelFile.of(Golden.unpacked(packed), "m");
    }

    private static OnnxSession good() {
        return new OnnxSession(file(GOLDEN.get("onnx")), 1);
    }

    @Test
    void whatItSaysOfItself() {
        ModelFile file = file(GOLDEN.get("onnx"));
        try (OnnxSession session = new OnnxSession(file, 3)) {
            assertEquals("m", session.file());
            assertEquals(file.sha256, session.sha256());
            assertEquals(file.card, session.card());
            assertEquals("onnx", session.runtime());
            assertEquals(3, session.threads());
            assertTrue(session.version().matches("onnxruntime 1\\.\\d+\\.\\d+"), session.version());
        }
    }

    /** The network is one matrix product: the weight from input channel c to output d is (32 c + d) / 128. */
    @Test
    void anyNumberOfPicturesAtOnce() {
        try (OnnxSession session = good()) {
            for (int count = 1; count <= 3; count++) {
                float[] values = new float[3 * count];
                for (int i = 0; i < values.length; i++) {
                    values[i] = i + 1;
                }
                Tensor[] outputs = session.run(new Tensor(values, count, 1, 1, 3));
                assertEquals(1, outputs.length);
                assertArrayEquals(new int[] {count, 32}, outputs[0].shape());
                float[] expected = new float[32 * count];
                for (int row = 0; row < count; row++) {
                    for (int d = 0; d < 32; d++) {
                        for (int c = 0; c < 3; c++) {
                            expected[32 * row + d] += values[3 * row + c] * (32 * c + d) / 128;
                        }
                    }
                }
                assertArrayEquals(expected, outputs[0].values, 1e-5f);
            }
        }
    }

    @Test
    void aTensorOfAnotherShape() {
        try (OnnxSession session = good()) {
            int[][] shapes = {{1, 1, 1, 4}, {1, 3}, {3}, {}, {1, 3, 1, 1}, {0, 1, 1, 3}, {1, 1, 1, 3, 1}};
            for (int[] shape : shapes) {
                int places = 1;
                for (int size : shape) {
                    places *= size;
                }
                Tensor tensor = new Tensor(new float[places], shape);
                ModelInputException error = assertThrows(ModelInputException.class, () -> session.run(tensor));
                assertTrue(error.getMessage().startsWith("m takes an input of shape (any, 1, 1, 3), got ("),
                        error.getMessage());
            }
        }
    }

    @TestFactory
    List<DynamicTest> soundFilesThatAreNoFaceNetwork() {
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonElement element : GOLDEN.getAsJsonArray("unfit")) {
            JsonObject unfit = element.getAsJsonObject();
            String what = unfit.get("what").getAsString();
            ModelFile file = ModelFile.of(ModelFileTest.file(what), "m");
            tests.add(DynamicTest.dynamicTest(what, () -> {
                ModelFileException error = assertThrows(ModelFileException.class, () -> new OnnxSession(file, 1));
                assertTrue(error.getMessage().startsWith(unfit.get("fault").getAsString()), error.getMessage());
            }));
        }
        return tests;
    }

    /** It only takes seven pictures, and does not say so. */
    @Test
    void aNetworkThatFails() {
        try (OnnxSession session = new OnnxSession(file(GOLDEN.get("failing")), 1)) {
            InferenceException error =
                    assertThrows(InferenceException.class, () -> session.run(new Tensor(new float[6], 2, 3)));
            assertTrue(error.getMessage().startsWith("ONNX Runtime failed on m: "), error.getMessage());
            assertArrayEquals(new int[] {7, 3}, session.run(new Tensor(new float[21], 7, 3))[0].shape());
        }
    }

    @Test
    void aFileForAnotherRuntime() {
        ModelFile tflite = file(GOLDEN.get("tflite"));
        OptionException error = assertThrows(OptionException.class, () -> new OnnxSession(tflite, 1));
        assertEquals("ONNX Runtime does not run m, a TFLite file", error.getMessage());
    }

    @Test
    void aSenselessNumberOfThreads() {
        ModelFile file = file(GOLDEN.get("onnx"));
        for (int threads : new int[] {0, -1, 257}) {
            OptionException error = assertThrows(OptionException.class, () -> new OnnxSession(file, threads));
            assertEquals("threads=" + threads + " is not a number of threads: use 1 to 256", error.getMessage());
        }
        int usual = Sessions.defaultThreads();
        assertTrue(usual >= 1 && usual <= 4 && usual <= Runtime.getRuntime().availableProcessors());
    }

    @Test
    void closedForGood() {
        OnnxSession session = good();
        session.close();
        session.close();
        InferenceException error = assertThrows(
                InferenceException.class, () -> session.run(new Tensor(new float[3], 1, 1, 1, 3)));
        assertEquals("m was closed", error.getMessage());
    }

    /** An app closes its model when the user leaves, whatever its camera thread is doing: no native crash. */
    @Test
    void closedWhileOthersRun() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (int round = 0; round < 20; round++) {
                OnnxSession session = good();
                List<Future<?>> runs = new ArrayList<>();
                for (int thread = 0; thread < 4; thread++) {
                    runs.add(threads.submit(() -> {
                        try {
                            for (int i = 0; i < 10_000; i++) {
                                session.run(new Tensor(new float[3], 1, 1, 1, 3));
                            }
                        } catch (InferenceException error) {
                            assertEquals("m was closed", error.getMessage());
                        }
                    }));
                }
                Thread.sleep(5);
                session.close();
                for (Future<?> run : runs) {
                    run.get();
                }
            }
        } finally {
            threads.shutdown();
        }
    }
}
