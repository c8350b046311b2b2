import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;

/**
 * Runs SQL scripts one after the other as one session: what Flink's SQL client does with {@code -i}
 * and {@code -f}, for homes whose SQL client cannot start because the gateway's jar is missing (the
 * packages on PyPI do not hold it). Submitted by {@code bin/flink run}.
 *
 * <p>A statement ends with a semicolon at the end of a line; a comment fills its line. {@code SET}
 * counts for the whole session, wherever it stands.
 */
public final class SqlScript {
    private static final Pattern SET = Pattern.compile("(?is)SET\\s+'(.+?)'\\s*=\\s*'(.*)'");

    private SqlScript() {}

    public static void main(String[] scripts) throws Exception {
        Configuration settings = new Configuration();
        List<String> statements = new ArrayList<>();
        for (String script : scripts) {
            for (String statement : statements(script)) {
                Matcher set = SET.matcher(statement);
                if (set.matches()) {
                    settings.setString(set.group(1), set.group(2));
                } else {
                    statements.add(statement);
                }
            }
        }
        TableEnvironment session = TableEnvironment.create(settings);
        for (String statement : statements) {
            run(session, statement);
        }
    }

    private static void run(TableEnvironment session, String statement) throws Exception {
        TableResult result = session.executeSql(statement);
        String verb = statement.split("\\s", 2)[0].toUpperCase();
        if (verb.equals("INSERT")) {
            // The next statement may read what this one writes.
            result.await();
        } else if (verb.equals("SELECT")) {
            result.print();
        }
    }

    private static List<String> statements(String script) throws Exception {
        List<String> statements = new ArrayList<>();
        StringBuilder statement = new StringBuilder();
        for (String line : Files.readAllLines(Paths.get(script), StandardCharsets.UTF_8)) {
            if (line.trim().isEmpty() || line.trim().startsWith("--")) {
                continue;
            }
            statement.append(line).append('\n');
            if (line.trim().endsWith(";")) {
                String text = statement.toString().trim();
                statements.add(text.substring(0, text.length() - 1));
                statement.setLength(0);
            }
        }
        if (statement.length() > 0) {
            throw new IllegalArgumentException(script + ": the last statement has no semicolon");
        }
        return statements;
    }
}
