package ghostface.edge.app;

import ghostface.edge.errors.ModelFileException;

/** The app was built without a model that it needs. */
public final class MissingModelException extends ModelFileException {
    MissingModelException(String message) {
        super(message);
    }
}
