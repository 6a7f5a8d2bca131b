package ghostface.edge;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/** Texts and numbers as the messages of the Python library show them. */
final class Text {
    private static final MathContext SIX_DIGITS = new MathContext(6, RoundingMode.HALF_EVEN);

    private Text() {}

    /** In quotes, with everything escaped that is invisible or breaks the line of a message: Python's {@code repr}. */
    static String quoted(String text) {
        return quoted(text, false);
    }

    /** In quotes, and all that is not ASCII escaped too: Python's {@code ascii}. */
    static String ascii(String text) {
        return quoted(text, true);
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

    private static String quoted(String text, boolean ascii) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder quoted = new StringBuilder().append(quote);
        text.codePoints().forEach(letter -> {
            if (letter == quote || letter == '\\') {
                quoted.append('\\').append((char) letter);
            } else if (letter == '\n' || letter == '\r' || letter == '\t') {
                quoted.append('\\').append("ntr".charAt("\n\t\r".indexOf(letter)));
            } else if (letter >= ' ' && letter < 0x7f || letter > 0x7f && !ascii && isPrintable(letter)) {
                quoted.appendCodePoint(letter);
            } else {
                String form = letter <= 0xff ? "\\x%02x" : letter <= 0xffff ? "\\u%04x" : "\\U%08x";
                quoted.append(String.format(Locale.ROOT, form, letter));
            }
        });
        return quoted.append(quote).toString();
    }

    private static boolean isPrintable(int letter) {
        switch (Character.getType(letter)) {
            case Character.CONTROL:
            case Character.FORMAT:
            case Character.SURROGATE:
            case Character.PRIVATE_USE:
            case Character.UNASSIGNED:
            case Character.LINE_SEPARATOR:
            case Character.PARAGRAPH_SEPARATOR:
            case Character.SPACE_SEPARATOR:
                return false;
            default:
                return true;
        }
    }
}
