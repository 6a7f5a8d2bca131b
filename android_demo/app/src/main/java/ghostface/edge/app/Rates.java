package ghostface.edge.app;

import android.content.Context;

/** False-match rates as people say them. */
final class Rates {
    private Rates() {}

    /** Such as "1 in 1,000". */
    static String inWords(Context context, double fmr) {
        return context.getString(R.string.one_in, Math.round(1 / fmr));
    }
}
