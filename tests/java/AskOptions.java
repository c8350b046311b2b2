import java.io.IOException;
import java.io.PrintWriter;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/**
 * Asks the {@code ConfigOption}s of a Flink home, and its {@code Configuration}, many questions in
 * one JVM.
 *
 * <p>Arguments: the home, the file with the questions, the file for the answers. The first answers
 * are to no question: {@code O}, then between tabs an option's key and the other keys that it asks
 * for, in its order; one that is no older name has a question mark before it. Questions, each a
 * line:
 *
 * <ul>
 *   <li>{@code R} and settings {@code key=value} between tabs. The answer, {@code R}, has the same
 *       form, with every option that has a value then, sorted.
 *   <li>{@code V} and a value, with {@code \n}, {@code \t} and {@code \\} as escapes. The answers
 *       to all of these are a line {@code V} for each option: its key, a tab, and for each value
 *       {@code 1} if the option takes it, else {@code 0}.
 * </ul>
 */
public final class AskOptions {
    private final List<Object> options = new ArrayList<>();
    private final Class<?> configurationClass;
    private final Class<?> optionClass;

    private AskOptions(Path home) throws IOException, ReflectiveOperationException {
        List<Path> jars = new ArrayList<>();
        for (String directory : new String[] {"lib", "opt"}) {
            try (Stream<Path> files = Files.list(home.resolve(directory))) {
                files.filter(file -> file.toString().endsWith(".jar")).sorted().forEach(jars::add);
            }
        }
        URL[] urls = new URL[jars.size()];
        for (int index = 0; index < urls.length; index++) {
            urls[index] = jars.get(index).toUri().toURL();
        }
        ClassLoader loader =
                new URLClassLoader(urls, ClassLoader.getSystemClassLoader().getParent());
        configurationClass =
                Class.forName("org.apache.flink.configuration.Configuration", true, loader);
        optionClass = Class.forName("org.apache.flink.configuration.ConfigOption", true, loader);
        for (Path jar : jars) {
            for (String name : classes(jar)) {
                collect(name, loader);
            }
        }
    }

    private static List<String> classes(Path jar) throws IOException {
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            return Collections.list(zip.entries()).stream()
                    .map(ZipEntry::getName)
                    .filter(name -> name.startsWith("org/apache/flink/"))
                    .filter(name -> name.endsWith(".class") && !name.contains("/shaded/"))
                    .map(name -> name.substring(0, name.length() - 6).replace('/', '.'))
                    .collect(Collectors.toList());
        }
    }

    private void collect(String name, ClassLoader loader) {
        try {
            for (Field field : Class.forName(name, false, loader).getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers()) && field.getType() == optionClass) {
                    field.setAccessible(true);
                    Object option = field.get(null);
                    if (option != null && !key(option).startsWith("<")) {
                        options.add(option);
                    }
                }
            }
        } catch (LinkageError | ReflectiveOperationException | RuntimeException failure) {
            // A class whose optional dependencies are absent has no options that count.
            return;
        }
    }

    private static String key(Object option) throws ReflectiveOperationException {
        return (String) call(option, "key");
    }

    private static Object call(Object target, String method) throws ReflectiveOperationException {
        Method found = target.getClass().getMethod(method);
        found.setAccessible(true);
        return found.invoke(target);
    }

    private static List<String> others(Object option) throws ReflectiveOperationException {
        List<String> others = new ArrayList<>();
        for (Object other : (Iterable<?>) call(option, "fallbackKeys")) {
            others.add(((Boolean) call(other, "isDeprecated") ? "" : "?") + call(other, "getKey"));
        }
        return others;
    }

    private void list(PrintWriter answers) throws ReflectiveOperationException {
        TreeSet<String> lines = new TreeSet<>();
        for (Object option : options) {
            List<String> line = new ArrayList<>(Collections.singletonList(key(option)));
            line.addAll(others(option));
            lines.add("O" + String.join("\t", line));
        }
        lines.forEach(answers::println);
    }

    private void resolve(List<String> questions, PrintWriter answers)
            throws ReflectiveOperationException {
        Map<String, List<Object>> byName = new LinkedHashMap<>();
        for (Object option : options) {
            byName.computeIfAbsent(key(option), name -> new ArrayList<>()).add(option);
            for (String other : others(option)) {
                String name = other.startsWith("?") ? other.substring(1) : other;
                byName.computeIfAbsent(name, any -> new ArrayList<>()).add(option);
            }
        }
        Constructor<?> constructor = configurationClass.getConstructor();
        Method set = configurationClass.getMethod("setString", String.class, String.class);
        Method contains = configurationClass.getMethod("contains", optionClass);
        Method value = configurationClass.getMethod("getValue", optionClass);
        for (String line : questions) {
            Object configuration = constructor.newInstance();
            List<Object> related = new ArrayList<>();
            for (String setting : line.split("\t")) {
                String[] parts = setting.split("=", 2);
                set.invoke(configuration, parts[0], parts[1]);
                related.addAll(byName.getOrDefault(parts[0], Collections.emptyList()));
            }
            Map<String, String> found = new TreeMap<>();
            for (Object option : related) {
                if ((Boolean) contains.invoke(configuration, option)) {
                    found.put(key(option), (String) value.invoke(configuration, option));
                }
            }
            answers.println(
                    found.entrySet().stream()
                            .map(entry -> entry.getKey() + "=" + entry.getValue())
                            .collect(Collectors.joining("\t", "R", "")));
        }
    }

    private void read(List<String> values, PrintWriter answers)
            throws ReflectiveOperationException {
        Constructor<?> constructor = configurationClass.getConstructor();
        Method set = configurationClass.getMethod("setString", String.class, String.class);
        Method get = configurationClass.getMethod("getOptional", optionClass);
        for (Object option : options) {
            StringBuilder line = new StringBuilder("V").append(key(option)).append('\t');
            for (String value : values) {
                Object configuration = constructor.newInstance();
                set.invoke(configuration, key(option), value);
                try {
                    get.invoke(configuration, option);
                    line.append('1');
                } catch (ReflectiveOperationException refusal) {
                    line.append('0');
                }
            }
            answers.println(line);
        }
    }

    private static String unescaped(String text) {
        return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
    }

    public static void main(String[] arguments) throws Exception {
        AskOptions asked = new AskOptions(Paths.get(arguments[0]));
        List<String> settings = new ArrayList<>();
        List<String> values = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(arguments[1]), StandardCharsets.UTF_8)) {
            if (line.startsWith("R")) {
                settings.add(line.substring(1));
            } else {
                values.add(unescaped(line.substring(1)));
            }
        }
        try (PrintWriter answers =
                new PrintWriter(
                        Files.newBufferedWriter(
                                Paths.get(arguments[2]), StandardCharsets.UTF_8))) {
            asked.list(answers);
            asked.resolve(settings, answers);
            asked.read(values, answers);
        }
    }
}
