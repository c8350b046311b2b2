import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.taskexecutor.TaskManagerRunner;

/**
 * Reads its configuration as a TaskManager does, from the same arguments, and prints it: a line
 * {@code [key]=[value]} for each setting, sorted.
 */
public final class LoadSettings {
    private LoadSettings() {}

    public static void main(String[] arguments) throws Exception {
        Configuration configuration = TaskManagerRunner.loadConfiguration(arguments);
        for (Map.Entry<String, String> setting : new TreeMap<>(configuration.toMap()).entrySet()) {
            System.out.println("[" + setting.getKey() + "]=[" + setting.getValue() + "]");
        }
    }
}
