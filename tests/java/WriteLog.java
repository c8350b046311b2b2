import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Logs what is hard to put into JSON, through the logging framework that Flink ships. */
public final class WriteLog {
    private WriteLog() {}

    public static void main(String[] arguments) {
        Logger logger = LoggerFactory.getLogger("a.\"logger\"");
        logger.info("plain");
        logger.warn("quotes \" and \\ and\ttabs\nand lines, \u00fc\u4e2d and \u0001");
        logger.error("failed", new IllegalStateException("because \"x\"\n\tof y"));
    }
}
