package ghostface.edge.app;

import ghostface.edge.errors.AlignmentException;
import ghostface.edge.errors.DetectionException;
import ghostface.edge.errors.EvaluationException;
import ghostface.edge.errors.GalleryException;
import ghostface.edge.errors.GhostFaceException;
import ghostface.edge.errors.ImageException;
import ghostface.edge.errors.InferenceException;
import ghostface.edge.errors.ModelCardException;
import ghostface.edge.errors.ModelException;
import ghostface.edge.errors.ModelMismatchException;
import ghostface.edge.errors.NoFaceException;
import ghostface.edge.errors.OptionException;
import ghostface.edge.errors.ThresholdException;
import ghostface.edge.errors.UnknownPersonException;

/** An error in words of the user's language; the library's own sentence, in English, says what exactly. */
public final class Message {
    /** String resource: what happened. */
    public final int title;
    /** String resource: what to do. */
    public final int text;
    /** Of the library. */
    public final String detail;

    private Message(int title, int text, GhostFaceException error) {
        this.title = title;
        this.text = text;
        this.detail = error.getMessage();
    }

    /** Every error of the library has its words: those of the nearest class that is listed here. */
    public static Message of(GhostFaceException error) {
        if (error instanceof MissingModelException) {
            return new Message(R.string.no_model, R.string.no_model_text, error);
        }
        if (error instanceof ModelCardException) {
            return new Message(R.string.no_card, R.string.no_card_text, error);
        }
        if (error instanceof ModelMismatchException) {
            return new Message(R.string.other_model, R.string.other_model_text, error);
        }
        if (error instanceof InferenceException) {
            return new Message(R.string.inference_failed, R.string.inference_failed_text, error);
        }
        if (error instanceof ModelException) {
            return new Message(R.string.bad_model, R.string.bad_model_text, error);
        }
        if (error instanceof NoFaceException) {
            return new Message(R.string.no_face, R.string.no_face_text, error);
        }
        if (error instanceof AlignmentException || error instanceof DetectionException) {
            return new Message(R.string.bad_face, R.string.bad_face_text, error);
        }
        if (error instanceof ImageException) {
            return new Message(R.string.bad_photo, R.string.bad_photo_text, error);
        }
        if (error instanceof UnknownPersonException) {
            return new Message(R.string.unknown_person, R.string.unknown_person_text, error);
        }
        if (error instanceof GalleryException) {
            return new Message(R.string.bad_gallery, R.string.bad_gallery_text, error);
        }
        if (error instanceof ThresholdException) {
            return new Message(R.string.no_threshold, R.string.no_threshold_text, error);
        }
        if (error instanceof EvaluationException) {
            return new Message(R.string.bad_run, R.string.bad_run_text, error);
        }
        if (error instanceof OptionException) {
            return new Message(R.string.bad_option, R.string.bad_option_text, error);
        }
        return new Message(R.string.failed, R.string.failed_text, error);
    }

    /** Whether a new gallery helps. */
    public static boolean isOfGallery(GhostFaceException error) {
        return error instanceof GalleryException || error instanceof ModelMismatchException;
    }
}
