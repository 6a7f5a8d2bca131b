package ghostface.edge.app;

import android.database.Cursor;
import android.database.SQLException;
import android.database.sqlite.SQLiteCantOpenDatabaseException;
import android.database.sqlite.SQLiteDatabase;
import android.database.sqlite.SQLiteStatement;
import ghostface.edge.Database;
import ghostface.edge.DatabaseException;
import java.util.function.Supplier;

/** SQLite as Android brings it. */
public final class AndroidDatabase implements Database {
    private final SQLiteDatabase database;

    private AndroidDatabase(SQLiteDatabase database) {
        this.database = database;
    }

    /** See {@link Database.Opener}. */
    public static Database open(String path) {
        try {
            int flags = SQLiteDatabase.OPEN_READWRITE | SQLiteDatabase.NO_LOCALIZED_COLLATORS;
            // The handler does nothing: Android's own deletes a damaged file.
            return new AndroidDatabase(SQLiteDatabase.openDatabase(path, null, flags, damaged -> {}));
        } catch (SQLiteCantOpenDatabaseException error) {
            throw new DatabaseException("unable to open database file: " + error.getMessage());
        } catch (SQLException error) {
            throw new DatabaseException(error);
        }
    }

    @Override
    public void execute(String sql, Object... values) {
        try (SQLiteStatement statement = database.compileStatement(sql)) {
            for (int i = 0; i < values.length; i++) {
                Object value = values[i];
                if (value instanceof byte[]) {
                    statement.bindBlob(i + 1, (byte[]) value);
                } else if (value instanceof Long) {
                    statement.bindLong(i + 1, (Long) value);
                } else {
                    statement.bindString(i + 1, (String) value);
                }
            }
            statement.execute();
        } catch (SQLException | IllegalStateException error) {  // IllegalStateException: closed
            throw new DatabaseException(error);
        }
    }

    @Override
    public void query(String sql, RowHandler rows, String... values) {
        try (Cursor cursor = database.rawQuery(sql, values)) {
            while (cursor.moveToNext()) {
                Object[] row = new Object[cursor.getColumnCount()];
                for (int i = 0; i < row.length; i++) {
                    row[i] = value(cursor, i);
                }
                rows.row(row);
            }
        } catch (SQLException | IllegalStateException error) {
            throw new DatabaseException(error);
        }
    }

    private static Object value(Cursor cursor, int column) {
        switch (cursor.getType(column)) {
            case Cursor.FIELD_TYPE_NULL:
                return null;
            case Cursor.FIELD_TYPE_INTEGER:
                return cursor.getLong(column);
            case Cursor.FIELD_TYPE_FLOAT:
                return cursor.getDouble(column);
            case Cursor.FIELD_TYPE_BLOB:
                return cursor.getBlob(column);
            default:
                return cursor.getString(column);
        }
    }

    @Override
    public <T> T transaction(Supplier<T> work) {
        begin();
        T result;
        try {
            result = work.get();
            database.setTransactionSuccessful();
        } catch (RuntimeException | Error error) {
            try {
                end();
            } catch (DatabaseException second) {  // where the disk is full, SQLite rolled back already
                error.addSuppressed(second);
            }
            throw error;
        }
        end();
        return result;
    }

    private void begin() {
        try {
            database.beginTransactionNonExclusive();
        } catch (SQLException | IllegalStateException error) {
            throw new DatabaseException(error);
        }
    }

    private void end() {
        try {
            database.endTransaction();
        } catch (SQLException | IllegalStateException error) {
            throw new DatabaseException(error);
        }
    }

    @Override
    public void close() {
        try {
            database.close();
        } catch (SQLException error) {
            throw new DatabaseException(error);
        }
    }
}
