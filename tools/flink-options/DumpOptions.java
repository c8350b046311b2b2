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
 * Lists every configuration option of a Flink home: all static {@code ConfigOption} fields of the
 * classes in {@code lib} and {@code opt}, found by reflection.
 *
 * <p>Prints one option a line, sorted by key, with tabs between key, type, default and the comma
 * separated older keys; one with a question mark is no older name but stands in if the key is unset. A list's type ends in {@code []}; an enumeration's type is
 * {@code a|b|c}.
 */
public final class DumpOptions {
    private static final int LONGEST_DEFAULT = 60;

    private DumpOptions() {}

    public static void main(String[] arguments) throws IOException {
        List<Path> jars = new ArrayList<>();
        for (String directory : new String[] {"lib", "opt"}) {
            try (Stream<Path> files = Files.list(Paths.get(arguments[0], directory))) {
                files.filter(file -> file.toString().endsWith(".jar")).sorted().forEach(jars::add);
            }
        }
        ClassLoader loader =
                new URLClassLoader(jars.stream().map(DumpOptions::url).toArray(URL[]::new));
        Map<String, String> options = new TreeMap<>();
        for (Path jar : jars) {
            for (String name : classes(jar.toFile())) {
                collect(name, loader, options);
            }
        }
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8.name());
        options.values().forEach(output::println);
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
                    if (option != null) {
                        String line = describe(option);
                        options.merge(
                                line.substring(0, line.indexOf('\t')), line, DumpOptions::richer);
                    }
                }
            }
        } catch (LinkageError | ReflectiveOperationException | RuntimeException failure) {
            // A class whose optional dependencies are absent has no options that count.
            return;
        }
    }

    /** Two fields may describe one key; the description that knows more aliases is kept. */
    private static String richer(String first, String second) {
        return second.length() > first.length() ? second : first;
    }

    private static String describe(Object option) throws ReflectiveOperationException {
        String key = (String) call(option, "key");
        Object defaultValue = call(option, "defaultValue");
        List<String> aliases = new ArrayList<>();
        for (Object alias : (Iterable<?>) call(option, "fallbackKeys")) {
            String mark = (Boolean) call(alias, "isDeprecated") ? "" : "?";
            aliases.add(mark + call(alias, "getKey"));
        }
        String value = defaultValue == null ? "" : print(defaultValue);
        if (value.length() > LONGEST_DEFAULT || value.contains("\n") || value.contains("\t")) {
            value = "";
        }
        return key + "\t" + type(option) + "\t" + value + "\t" + String.join(",", aliases);
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
