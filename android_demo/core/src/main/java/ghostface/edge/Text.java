package ghostface.edge;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/** Texts and numbers as the messages of the Python library show them. */
final class Text {
    private static final MathContext SIX_DIGITS = new MathContext(6, RoundingMode.HALF_EVEN);

    private Text() {}

    /** In quotes, with everything escaped that would break the line of a message: Python's {@code repr}. */
    static String quoted(String text) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder result = new StringBuilder().append(quote);
        for (int at = 0; at < text.length(); at++) {
            char letter = text.charAt(at);
            if (letter == quote || letter == '\\') {
                result.append('\\').append(letter);
            } else if (letter == '\n') {
                result.append("\\n");
            } else if (letter == '\r') {
                result.append("\\r");
            } else if (letter == '\t') {
                result.append("\\t");
            } else if (Character.isISOControl(letter)) {
                result.append(String.format(Locale.ROOT, "\\x%02x", (int) letter));
            } else {
                result.append(letter);
            }
        }
        return result.append(quote).toString();
    }

    /** At most six significant digits: {@code 0.001}, {@code 1e-05}; the {@code %g} of C and Python. */
    static String general(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        BigDecimal rounded = new BigDecimal(value).round(SIX_DIGITS);
        if (rounded.signum() == 0) {
            return "0";
        }
        rounded = rounded.stripTrailingZeros();
        int exponent = rounded.precision() - rounded.scale() - 1;
        if (exponent >= -4 && exponent < 6) {
            return rounded.toPlainString();
        }
        String digits = rounded.movePointLeft(exponent).toPlainString();
        return String.format(Locale.ROOT, "%se%s%02d", digits, exponent < 0 ? "-" : "+", Math.abs(exponent));
    }
}
