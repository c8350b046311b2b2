import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Lists every configuration option of several Flink homes: all static {@code ConfigOption} fields
 * of the classes in {@code lib} and {@code opt}, found by reflection.
 *
 * <p>Each argument is {@code <release line>=<home>}, the oldest line first. Prints one option a
 * line, sorted by key, with tabs between the release lines that have it so ({@code 1.13} or {@code
 * 1.13-1.17}), key, type, default, and the comma separated other keys in the order in which Flink
 * asks for them: older names, and with a question mark keys that stand in if the option is unset.
 * A list's type ends in {@code []}; an enumeration's type is {@code a|b|c}.
 */
public final class DumpOptions {
    private static final int LONGEST_DEFAULT = 60;

    private DumpOptions() {}

    public static void main(String[] arguments) throws IOException {
        List<String> lines = new ArrayList<>();
        // Key, then for each release line what it says of the option, or null.
        Map<String, String[]> options = new TreeMap<>();
        for (int index = 0; index < arguments.length; index++) {
            String[] parts = arguments[index].split("=", 2);
            lines.add(parts[0]);
            for (Map.Entry<String, String> option : of(Paths.get(parts[1])).entrySet()) {
                options.computeIfAbsent(option.getKey(), key -> new String[arguments.length])[
                                index] =
                        option.getValue();
            }
        }
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8.name());
        options.forEach((key, descriptions) -> print(key, descriptions, lines, output));
    }

    /** One line for each run of releases that say the same. */
    private static void print(
            String key, String[] descriptions, List<String> lines, PrintStream output) {
        int first = 0;
        for (int index = 0; index < descriptions.length; index++) {
            String description = descriptions[index];
            boolean ends =
                    index + 1 == descriptions.length
                            || !java.util.Objects.equals(description, descriptions[index + 1]);
            if (ends) {
                if (description != null) {
                    String range = lines.get(first);
                    range += first == index ? "" : "-" + lines.get(index);
                    output.println(range + "\t" + key + "\t" + description);
                }
                first = index + 1;
            }
        }
    }

    private static Map<String, String> of(Path home) throws IOException {
        List<Path> jars = new ArrayList<>();
        for (String directory : new String[] {"lib", "opt"}) {
            try (Stream<Path> files = Files.list(home.resolve(directory))) {
                files.filter(file -> file.toString().endsWith(".jar")).sorted().forEach(jars::add);
            }
        }
        ClassLoader loader =
                new URLClassLoader(
                        jars.stream().map(DumpOptions::url).toArray(URL[]::new),
                        ClassLoader.getSystemClassLoader().getParent());
        Map<String, String> options = new TreeMap<>();
        for (Path jar : jars) {
            for (String name : classes(jar.toFile())) {
                collect(name, loader, options);
            }
        }
        return options;
    }

    private static URL url(Path jar) {
        try {
            return jar.toUri().toURL();
        } catch (MalformedURLException failure) {
            throw new IllegalStateException(failure);
        }
    }

    private static List<String> classes(File jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar)) {
            return Collections.list(zip.entries()).stream()
                    .map(ZipEntry::getName)
                    .filter(name -> name.startsWith("org/apache/flink/"))
                    .filter(name -> name.endsWith(".class") && !name.contains("/shaded/"))
                    .map(name -> name.substring(0, name.length() - 6).replace('/', '.'))
                    .collect(Collectors.toList());
        }
    }

    private static void collect(String name, ClassLoader loader, Map<String, String> options) {
        try {
            for (Field field : Class.forName(name, false, loader).getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers())
                        && field.getType().getSimpleName().equals("ConfigOption")) {
                    field.setAccessible(true);
                    Object option = field.get(null);
                    if (option != null && !((String) call(option, "key")).startsWith("<")) {
                        options.merge(
                                (String) call(option, "key"),
                                describe(option),
                                DumpOptions::richer);
                    }
                }
            }
        } catch (LinkageError | ReflectiveOperationException | RuntimeException failure) {
            // A class whose optional dependencies are absent has no options that count.
            return;
        }
    }

    /** Two fields may describe one key: the one counts that knows a type, and more other keys. */
    private static String richer(String first, String second) {
        if (first.startsWith("String\t") != second.startsWith("String\t")) {
            return first.startsWith("String\t") ? second : first;
        }
        return second.length() > first.length() ? second : first;
    }

    private static String describe(Object option) throws ReflectiveOperationException {
        String key = (String) call(option, "key");
        Object defaultValue = call(option, "defaultValue");
        List<String> others = new ArrayList<>();
        for (Object other : (Iterable<?>) call(option, "fallbackKeys")) {
            String mark = (Boolean) call(other, "isDeprecated") ? "" : "?";
            // Flink has an option that lists its own key.
            if (!call(other, "getKey").equals(key)) {
                others.add(mark + call(other, "getKey"));
            }
        }
        String value = defaultValue == null ? "" : print(defaultValue);
        if (value.length() > LONGEST_DEFAULT || value.contains("\n") || value.contains("\t")) {
            value = "";
        }
        return type(option) + "\t" + value + "\t" + String.join(",", others);
    }

    private static Object call(Object target, String method) throws ReflectiveOperationException {
        java.lang.reflect.Method found = target.getClass().getMethod(method);
        found.setAccessible(true);
        return found.invoke(target);
    }

    private static Object get(Object target, String field) throws ReflectiveOperationException {
        Field found = target.getClass().getDeclaredField(field);
        found.setAccessible(true);
        return found.get(target);
    }

    private static String type(Object option) throws ReflectiveOperationException {
        Class<?> type = (Class<?>) get(option, "clazz");
        String suffix = (Boolean) get(option, "isList") ? "[]" : "";
        if (type.isEnum()) {
            List<String> names = new ArrayList<>();
            for (Object constant : type.getEnumConstants()) {
                names.add(constant.toString());
            }
            return String.join("|", names) + suffix;
        }
        return type.getSimpleName() + suffix;
    }

    private static String print(Object value) {
        if (value instanceof Duration) {
            return ((Duration) value).toMillis() + " ms";
        }
        return value.toString();
    }
}
