package ghostface.edge;

import java.util.function.Supplier;

/**
 * One connection to an SQLite file: all that {@link Gallery} needs of an SQLite library.
 *
 * <p>There are two: {@link JdbcDatabase}, and one of the Android app on {@code android.database.sqlite}. Statements
 * keep to what SQLite 3.18 (Android 8) knows. {@link Gallery} makes the settings, and calls from one thread at a time;
 * an implementation only passes statements on. It must
 *
 * <ul>
 *   <li>have one connection, so that settings hold and {@code PRAGMA data_version} means something,
 *   <li>create nothing in the file by itself ({@code NO_LOCALIZED_COLLATORS} on Android, which else adds a table),
 *   <li>leave a damaged file as it is (Android's default {@code DatabaseErrorHandler} deletes it).
 * </ul>
 *
 * <p>All methods throw {@link DatabaseException} with SQLite's own message.
 */
public interface Database extends AutoCloseable {
    /**
     * Run a statement that gives no rows, of any kind but BEGIN, COMMIT, ROLLBACK and PRAGMA.
     *
     * @param values of the question marks: Long, String or byte[]
     */
    void execute(String sql, Object... values);

    /**
     * Run a SELECT or a PRAGMA to its end, whether it gives rows or not.
     *
     * @param rows   takes the rows, one after the other
     * @param values of the question marks
     */
    void query(String sql, RowHandler rows, String... values);

    /**
     * Run something as one transaction that holds the write lock from its beginning (BEGIN IMMEDIATE; on Android
     * {@code beginTransactionNonExclusive}). If it throws, nothing is changed. Transactions are not nested.
     *
     * @return what it returned
     */
    <T> T transaction(Supplier<T> work);

    /** Closing twice does no harm. */
    @Override
    void close();

    /** Takes the rows of an answer. */
    interface RowHandler {
        /** @param values of the columns as they lie in the file: null, Long, Double, String or byte[] */
        void row(Object[] values);
    }

    /** Opens a file. */
    interface Opener {
        /**
         * Open a file that exists; an empty one is a database without tables.
         *
         * @param path absolute
         * @throws DatabaseException SQLite could not; a damaged file may also be noticed later
         */
        Database open(String path);
    }
}
