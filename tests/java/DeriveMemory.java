import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.runtime.util.bash.BashJavaUtils;

/**
 * Asks Flink's own {@code BashJavaUtils} for the memory of many configurations, in one JVM.
 *
 * <p>Arguments: a file of cases, a file for the results, an empty directory to work in, the name of
 * the configuration file. Each line of cases holds fields separated by tabs: {@code TM} or {@code
 * JM}, then {@code F<line>} for a line of the configuration file or {@code D<key>=<value>} for a
 * dynamic property. Each line of results is {@code ok} and the lines that the scripts would read, or
 * {@code error} and the chain of exceptions, separated by tabs.
 */
public final class DeriveMemory {
    private static final String PREFIX = "BASH_JAVA_UTILS_EXEC_RESULT:";

    private DeriveMemory() {}

    public static void main(String[] arguments) throws IOException {
        Path directory = Paths.get(arguments[2]);
        Path file = directory.resolve(arguments[3]);
        try (BufferedReader cases =
                        Files.newBufferedReader(Paths.get(arguments[0]), StandardCharsets.UTF_8);
                BufferedWriter results =
                        Files.newBufferedWriter(Paths.get(arguments[1]), StandardCharsets.UTF_8)) {
            for (String line = cases.readLine(); line != null; line = cases.readLine()) {
                results.write(derive(line.split("\t", -1), directory, file));
                results.write('\n');
            }
        }
    }

    private static String derive(String[] fields, Path directory, Path file) throws IOException {
        List<String> command = new ArrayList<>();
        command.add("GET_" + fields[0] + "_RESOURCE_PARAMS");
        command.add("--configDir");
        command.add(directory.toString());
        List<String> lines = new ArrayList<>();
        for (int index = 1; index < fields.length; index++) {
            String text = fields[index].substring(1);
            if (fields[index].charAt(0) == 'F') {
                lines.add(text);
            } else {
                command.add("-D");
                command.add(text);
            }
        }
        Files.write(file, lines, StandardCharsets.UTF_8);
        PrintStream before = System.out;
        ByteArrayOutputStream captured = new ByteArrayOutputStream();
        System.setOut(new PrintStream(captured, true, "UTF-8"));
        try {
            BashJavaUtils.main(command.toArray(new String[0]));
        } catch (Throwable failure) {
            StringBuilder chain = new StringBuilder("error");
            String lead = "\t";
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                chain.append(lead).append(cause);
                lead = "\tCaused by: ";
            }
            return chain.toString();
        } finally {
            System.setOut(before);
        }
        StringBuilder result = new StringBuilder("ok");
        for (String line : captured.toString("UTF-8").split("\n")) {
            if (line.startsWith(PREFIX)) {
                result.append('\t').append(line.substring(PREFIX.length()));
            }
        }
        return result.toString();
    }
}
