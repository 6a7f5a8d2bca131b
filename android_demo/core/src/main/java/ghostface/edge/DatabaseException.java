package ghostface.edge;

/** What SQLite reported, in its own words; {@link Gallery} makes a {@code GalleryException} with advice of it. */
public final class DatabaseException extends RuntimeException {
    /** @param cause of the SQLite library; its message must be SQLite's, such as {@code database is locked} */
    public DatabaseException(Throwable cause) {
        super(String.valueOf(cause.getMessage()), cause);
    }

    /** @param message what is wrong, as SQLite says it */
    public DatabaseException(String message) {
        super(message);
    }
}
