import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Counts the numbers 1 to N by their last decimal digit, in keyed state, and writes one line
 * {@code digit count sum} for each number: a job to watch a cluster by. It can be slowed down, made
 * to fail once, and spread over slots. The state is checkpointed, so that after any restart the
 * highest count of each digit is the true one, although lines may repeat.
 *
 * <p>It uses only what Flink 1.13, 1.20 and 2.x have in common.
 */
public final class StreamingJob {
    private static final String USAGE =
            "[--count N] [--rate PER_SECOND] [--parallelism N] [--fail-at N] [--fail-marker FILE]"
                    + " [--output FILE] [--checkpoint-interval MS] [--checkpoint-dir URI]";

    private StreamingJob() {}

    public static void main(String[] args) throws Exception {
        Map<String, String> options = options(args);
        long count = Long.parseLong(options.getOrDefault("count", "1000"));
        double rate = Double.parseDouble(options.getOrDefault("rate", "0"));
        long failAt = Long.parseLong(options.getOrDefault("fail-at", "0"));
        String output = options.get("output");
        String marker = options.getOrDefault("fail-marker", output + ".failed");
        if (failAt > 0 && output == null && !options.containsKey("fail-marker")) {
            throw new IllegalArgumentException("--fail-at needs --fail-marker or --output");
        }

        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment();
        if (options.containsKey("parallelism")) {
            environment.setParallelism(Integer.parseInt(options.get("parallelism")));
        }
        environment.enableCheckpointing(
                Long.parseLong(options.getOrDefault("checkpoint-interval", "1000")));
        if (options.containsKey("checkpoint-dir")) {
            storeCheckpointsIn(environment, options.get("checkpoint-dir"));
        }

        DataStream<String> counts =
                environment
                        .fromSequence(1, count)
                        .map(new Pace(rate / environment.getParallelism()))
                        .name("pace")
                        .keyBy(number -> number % 10)
                        .map(new CountByDigit(failAt, marker))
                        .name("count");
        if (output == null) {
            counts.print();
        } else {
            // Every job needs a sink; after the file has the line, nothing is left to print.
            counts.map(new AppendLine(output)).name("append").filter(line -> false).print();
        }
        environment.execute("flugs streaming example");
    }

    private static Map<String, String> options(String[] args) {
        Map<String, String> options = new HashMap<>();
        for (int at = 0; at < args.length; at += 2) {
            boolean known = args[at].startsWith("--") && USAGE.contains("[" + args[at] + " ");
            if (!known || at + 1 == args.length) {
                throw new IllegalArgumentException(
                        "unknown option or no value: " + args[at] + "; usage: " + USAGE);
            }
            options.put(args[at].substring(2), args[at + 1]);
        }
        return options;
    }

    private static void storeCheckpointsIn(StreamExecutionEnvironment environment, String uri) {
        Configuration configuration = new Configuration();
        // The key's name until 1.19, and the one since.
        configuration.setString("state.checkpoints.dir", uri);
        configuration.setString("execution.checkpointing.dir", uri);
        environment.configure(configuration, StreamingJob.class.getClassLoader());
    }

    /** Lets through so many numbers a second in each subtask; any number if the rate is zero. */
    private static final class Pace extends RichMapFunction<Long, Long> {
        private static final long serialVersionUID = 1L;
        private final double rate;
        private transient long started;
        private transient long passed;

        Pace(double rate) {
            this.rate = rate;
        }

        @Override
        public Long map(Long number) throws Exception {
            if (rate > 0) {
                if (started == 0) {
                    started = System.nanoTime();
                }
                long due = started + (long) (1e9 * passed / rate);
                long wait = (due - System.nanoTime()) / 1_000_000;
                if (wait > 0) {
                    Thread.sleep(wait);
                }
                passed += 1;
            }
            return number;
        }
    }

    private static final class CountByDigit extends RichMapFunction<Long, String> {
        private static final long serialVersionUID = 1L;
        private final long failAt;
        private final String marker;
        private transient ValueState<Long> count;
        private transient ValueState<Long> sum;

        CountByDigit(long failAt, String marker) {
            this.failAt = failAt;
            this.marker = marker;
        }

        @Override
        public String map(Long number) throws Exception {
            // Not in open(): its parameter's type changed between 1.x and 2.x.
            if (count == null) {
                count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Long.class));
                sum = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Long.class));
            }
            failOnce(number);
            count.update(orZero(count.value()) + 1);
            sum.update(orZero(sum.value()) + number);
            return number % 10 + " " + count.value() + " " + sum.value();
        }

        /** The marker file outlives the task, so the restarted one goes on. */
        private void failOnce(long number) throws Exception {
            if (number == failAt && !Files.exists(Paths.get(marker))) {
                Files.createFile(Paths.get(marker));
                throw new IllegalStateException("asked to fail at " + number);
            }
        }

        private static long orZero(Long value) {
            return value == null ? 0 : value;
        }
    }

    /** Appends in one write a line, so that the lines of several subtasks do not mix. */
    private static final class AppendLine extends RichMapFunction<String, String> {
        private static final long serialVersionUID = 1L;
        private final String output;

        AppendLine(String output) {
            this.output = output;
        }

        @Override
        public String map(String line) throws Exception {
            Path path = Paths.get(output);
            byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
            Files.write(path, bytes, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            return line;
        }
    }
}
