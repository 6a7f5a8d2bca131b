package ghostface.edge.benchmark;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Linux tells in {@code /proc} and {@code /sys}; a phone hides much of it from apps. */
final class Kernel {
    static final String CPUS = "sys/devices/system/cpu";
    private static final Pattern WHOLE = Pattern.compile("-?\\d{1,15}");

    private final File root;

    /** @param root the folder in which {@code proc} and {@code sys} are */
    Kernel(File root) {
        this.root = root;
    }

    /** Empty where it cannot be read. */
    String text(String path) {
        try {
            return new String(Files.readAllBytes(new File(root, path).toPath()), StandardCharsets.UTF_8);
        } catch (IOException | SecurityException error) {
            return "";
        }
    }

    /** A whole number; null where there is none. */
    Long whole(String path) {
        String text = text(path).trim();
        return WHOLE.matcher(text).matches() ? Long.valueOf(text) : null;
    }

    /** The numbers N of the files {@code folder/nameN}, in order. */
    int[] numbers(String folder, String name) {
        String[] files = new File(root, folder).list();
        List<Integer> numbers = new ArrayList<>();
        Pattern pattern = Pattern.compile(Pattern.quote(name) + "(\\d{1,4})");
        for (String file : files == null ? new String[0] : files) {
            Matcher matcher = pattern.matcher(file);
            if (matcher.matches()) {
                numbers.add(Integer.valueOf(matcher.group(1)));
            }
        }
        int[] sorted = new int[numbers.size()];
        for (int index = 0; index < sorted.length; index++) {
            sorted[index] = numbers.get(index);
        }
        Arrays.sort(sorted);
        return sorted;
    }
}
