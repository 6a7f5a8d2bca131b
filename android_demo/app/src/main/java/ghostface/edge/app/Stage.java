package ghostface.edge.app;

/** The steps from a camera frame to a name, in their order. */
public enum Stage {
    /** YUV to an upright RGB picture. */
    CONVERT,
    DETECT,
    ALIGN,
    EMBED,
    SEARCH,
    /** All of them. */
    TOTAL
}
