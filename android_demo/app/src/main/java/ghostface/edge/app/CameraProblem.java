package ghostface.edge.app;

/** Why there is no picture of the camera, and what the user can do. */
public enum CameraProblem {
    NOT_ALLOWED(R.string.camera_not_allowed, R.string.camera_not_allowed_text),
    NONE(R.string.camera_none, R.string.camera_none_text),
    IN_USE(R.string.camera_in_use, R.string.camera_in_use_text),
    DISABLED(R.string.camera_disabled, R.string.camera_disabled_text),
    FAILED(R.string.camera_failed, R.string.camera_failed_text);

    public final int title;
    public final int text;

    CameraProblem(int title, int text) {
        this.title = title;
        this.text = text;
    }
}
