import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.configuration.GlobalConfiguration;

/**
 * Reads many configuration files with Flink's own loader, in one JVM.
 *
 * <p>Arguments: a file of cases, a file for the results, an empty directory to work in. Each line
 * of cases is {@code <file name> <base64 of its content>}. Each line of results is either {@code ok}
 * followed by {@code <base64 key>:<base64 value>} for every setting in the order of the keys, or
 * {@code error} followed by the base64 of the chain of causes.
 */
public final class ReadConfiguration {
    private ReadConfiguration() {}

    public static void main(String[] arguments) throws IOException {
        Path directory = Paths.get(arguments[2]);
        try (BufferedReader cases =
                        Files.newBufferedReader(Paths.get(arguments[0]), StandardCharsets.US_ASCII);
                BufferedWriter results =
                        Files.newBufferedWriter(
                                Paths.get(arguments[1]), StandardCharsets.US_ASCII)) {
            for (String line = cases.readLine(); line != null; line = cases.readLine()) {
                String[] parts = line.split(" ", -1);
                Path file = directory.resolve(parts[0]);
                Files.write(file, Base64.getDecoder().decode(parts[1]));
                results.write(read(directory));
                results.write('\n');
                Files.delete(file);
            }
        }
    }

    private static String read(Path directory) {
        try {
            Map<String, String> settings =
                    GlobalConfiguration.loadConfiguration(directory.toString()).toMap();
            StringBuilder result = new StringBuilder("ok");
            for (Map.Entry<String, String> setting : new TreeMap<>(settings).entrySet()) {
                result.append(' ').append(encode(setting.getKey()));
                result.append(':').append(encode(setting.getValue()));
            }
            return result.toString();
        } catch (RuntimeException | StackOverflowError failure) {
            StringBuilder chain = new StringBuilder();
            for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
                chain.append(cause).append('\n');
            }
            return "error " + encode(chain.toString());
        }
    }

    private static String encode(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
