package ghostface.edge;

import ghostface.edge.errors.GalleryException;
import ghostface.edge.errors.ModelMismatchException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** All templates of a gallery in memory, sorted by name and then by template: what is searched. */
final class GalleryIndex {
    // Templates are normalised in float32, so their length is 1 within 1e-6.
    private static final double LENGTH_ERROR = 1e-4;

    /** SQLite's data_version when it was read. */
    final long version;
    private final List<String> names = new ArrayList<>();
    /** One template per row. */
    private final float[][] rows;
    /** Of each row with itself. */
    private final double[] squares;
    private final long[] templateIds;
    /** Position in {@link #names} of each row's person. */
    private final int[] owners;

    /**
     * @param version of the file
     * @param reader  has read all templates
     * @param count   how many there are, and their least and largest size in bytes, null without any
     * @throws DatabaseException something that should be a whole number is not
     * @throws GalleryException  another damage
     */
    GalleryIndex(String path, long version, Reader reader, Object[] count) {
        this.version = version;
        long templates = Gallery.number(count[0]);
        long bytes = templates == 0 ? 0 : Gallery.number(count[2]);
        if (templates > 0 && Gallery.number(count[1]) != bytes) {
            throw new GalleryException(path + ": damaged: templates are of " + count[1] + " to " + bytes + " bytes");
        }
        rows = reader.embeddings.toArray(new float[0][]);
        squares = new double[rows.length];
        templateIds = new long[rows.length];
        owners = new int[rows.length];
        for (int row = 0; row < rows.length; row++) {
            Object name = reader.names.get(row);
            Object id = reader.ids.get(row);
            if (!(name instanceof String) || rows[row] == null || 4L * rows[row].length != bytes) {
                throw new GalleryException(path + ": damaged: template " + id + " is not " + bytes / 4 + " numbers");
            }
            if (names.isEmpty() || !names.get(names.size() - 1).equals(name)) {
                names.add((String) name);
            }
            owners[row] = names.size() - 1;
            templateIds[row] = Gallery.number(id);
            squares[row] = Matching.dot(rows[row], rows[row]);
        }
        if (rows.length != templates) {
            long lost = templates - rows.length;
            throw new GalleryException(path + ": damaged: " + lost + " templates belong to nobody");
        }
        for (double square : squares) {
            if (!(Math.abs(square - 1) < LENGTH_ERROR)) {
                throw new GalleryException(path + ": damaged: an embedding is not of length 1");
            }
        }
    }

    /**
     * The people most like a probe, as {@link Gallery#search} promises.
     *
     * @param least similarity of a match; null: no decision is asked for
     * @throws ModelMismatchException the probe has another size
     */
    List<Match> search(float[] probe, int topK, Double least) {
        if (rows.length == 0) {
            return Collections.emptyList();
        }
        Gallery.requireSize(probe.length, rows[0].length);
        double[] similarities = new double[names.size()];  // by person: of the best template
        int[] best = new int[names.size()];
        double square = Matching.dot(probe, probe);
        int last = -1;
        for (int row = 0; row < rows.length; row++) {
            double similarity = Matching.cosine(Matching.dot(rows[row], probe), squares[row], square);
            int person = owners[row];
            if (person != last || similarity > similarities[person]) {
                similarities[person] = similarity;
                best[person] = row;
            }
            last = person;
        }
        List<Match> matches = new ArrayList<>();
        for (int person : largest(similarities, topK)) {
            double similarity = similarities[person];
            Boolean match = least == null ? null : Boolean.valueOf(similarity >= least);
            matches.add(new Match(names.get(person), similarity, templateIds[best[person]], match));
        }
        return matches;
    }

    /** Places of the largest values, the largest first; of equal ones the first. */
    private static List<Integer> largest(double[] values, int count) {
        Comparator<Integer> larger = (a, b) -> values[a] != values[b]
                ? Double.compare(values[b], values[a]) : Integer.compare(a, b);
        PriorityQueue<Integer> kept = new PriorityQueue<>(larger.reversed());  // the least of them is ahead
        for (int place = 0; place < values.length; place++) {
            if (kept.size() < count) {
                kept.add(place);
            } else if (values[place] > values[kept.peek()]) {
                kept.poll();
                kept.add(place);
            }
        }
        List<Integer> found = new ArrayList<>(kept);
        found.sort(larger);
        return found;
    }

    /** Takes name, template and embedding from the file, sorted by name and template. */
    static final class Reader implements Database.RowHandler {
        private final List<Object> names = new ArrayList<>();
        private final List<Object> ids = new ArrayList<>();
        private final List<float[]> embeddings = new ArrayList<>();

        @Override
        public void row(Object[] values) {
            float[] embedding = null;
            if (values[2] instanceof byte[]) {
                byte[] bytes = (byte[]) values[2];
                embedding = new float[bytes.length / 4];
                ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(embedding);
            }
            names.add(values[0]);
            ids.add(values[1]);
            embeddings.add(embedding);
        }
    }
}
