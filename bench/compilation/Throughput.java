import java.nio.file.Files;
import java.nio.file.Paths;
import java.nio.file.StandardOpenOption;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** Sums numbers by key as fast as it can, and writes down how far it is: {@code milliseconds records}. */
public final class Throughput {
    private Throughput() {}

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.getExecutionEnvironment();
        environment.setParallelism(1);
        environment
                .fromSequence(1, Long.MAX_VALUE)
                .map(new Key())
                .keyBy(pair -> pair.f0)
                .map(new Sum(arguments[0]))
                .filter(sum -> false)
                .print();
        environment.execute("throughput");
    }

    /** Gives each number one of a thousand keys. */
    public static final class Key implements MapFunction<Long, Tuple2<String, Long>> {
        private static final long serialVersionUID = 1L;

        @Override
        public Tuple2<String, Long> map(Long number) {
            return Tuple2.of("key" + number * 31 % 1000, number);
        }
    }

    /** Sums up in keyed state. */
    public static final class Sum extends RichMapFunction<Tuple2<String, Long>, Long> {
        private static final long serialVersionUID = 1L;
        private final String output;
        private transient ValueState<Long> sums;
        private transient long records;
        private transient long told;

        Sum(String output) {
            this.output = output;
        }

        @Override
        public Long map(Tuple2<String, Long> pair) throws Exception {
            if (sums == null) {
                sums = getRuntimeContext().getState(new ValueStateDescriptor<>("sum", Long.class));
            }
            Long before = sums.value();
            long sum = (before == null ? 0 : before) + pair.f1;
            sums.update(sum);
            if ((++records & 1023) == 0) {
                tell();
            }
            return sum;
        }

        private void tell() throws Exception {
            long now = System.currentTimeMillis();
            if (now - told >= 100) {
                told = now;
                Files.write(
                        Paths.get(output),
                        (now + " " + records + "\n").getBytes(),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.APPEND);
            }
        }
    }
}
