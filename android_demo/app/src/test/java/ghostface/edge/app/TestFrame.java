package ghostface.edge.app;

import ghostface.edge.FaceImage;
import java.util.concurrent.atomic.AtomicInteger;

/** A frame that was converted before, and counts how often it was closed. */
final class TestFrame implements LivePipeline.Frame {
    final AtomicInteger closed = new AtomicInteger();
    private final FaceImage picture;

    TestFrame(FaceImage picture) {
        this.picture = picture;
    }

    @Override
    public FaceImage picture() {
        return picture;
    }

    @Override
    public void close() {
        closed.incrementAndGet();
    }
}
