package ghostface.edge;

import java.io.File;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.function.Supplier;

/** SQLite through JDBC ({@code org.xerial:sqlite-jdbc}): for everything that is not Android. */
public final class JdbcDatabase implements Database {
    private final Connection connection;

    private JdbcDatabase(Connection connection) {
        this.connection = connection;
    }

    /** See {@link Database.Opener}: {@code Gallery.open(path, model, JdbcDatabase::open)}. */
    public static Database open(String path) {
        try {
            // A file: URI, because the driver takes a question mark in a plain path for the start of options.
            return new JdbcDatabase(DriverManager.getConnection("jdbc:sqlite:" + new File(path).toURI()));
        } catch (SQLException error) {
            throw new DatabaseException(error);
        }
    }

    @Override
    public void execute(String sql, Object... values) {
        run(sql, null, values);
    }

    @Override
    public void query(String sql, RowHandler rows, String... values) {
        run(sql, rows, values);
    }

    @Override
    public <T> T transaction(Supplier<T> work) {
        execute("BEGIN IMMEDIATE");
        try {
            T result = work.get();
            execute("COMMIT");
            return result;
        } catch (RuntimeException | Error error) {
            try {
                execute("ROLLBACK");
            } catch (DatabaseException second) {  // SQLite has rolled back by itself, as it does where a disk is full
                error.addSuppressed(second);
            }
            throw error;
        }
    }

    @Override
    public void close() {
        try {
            connection.close();
        } catch (SQLException error) {
            throw new DatabaseException(error);
        }
    }

    private void run(String sql, RowHandler rows, Object[] values) {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int index = 0; index < values.length; index++) {
                statement.setObject(index + 1, values[index]);
            }
            if (!statement.execute() || rows == null) {
                return;
            }
            try (ResultSet found = statement.getResultSet()) {
                int columns = found.getMetaData().getColumnCount();
                while (found.next()) {
                    Object[] row = new Object[columns];
                    for (int column = 0; column < columns; column++) {
                        Object value = found.getObject(column + 1);
                        row[column] = value instanceof Integer ? Long.valueOf((Integer) value) : value;
                    }
                    rows.row(row);
                }
            }
        } catch (SQLException error) {
            throw new DatabaseException(error);
        }
    }
}
