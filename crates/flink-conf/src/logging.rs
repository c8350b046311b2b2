//! The logging settings that a launch reads from its `conf` directory: to the console by default,
//! as JSON on request.

/// How lines on the console look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsoleLayout {
    /// As the settings at hand say; Flink's own are plain text.
    #[default]
    AsConfigured,
    /// One JSON object a line.
    Json,
}

/// The file that `flink-console.sh` names to log4j.
pub(super) const LOG4J_CONSOLE: &str = "log4j-console.properties";
/// The file that `flink-console.sh` names to logback.
pub(super) const LOGBACK_CONSOLE: &str = "logback-console.xml";

const CONSOLE_LAYOUT: &str = "appender.console.layout.";

/// The pattern layout of log4j escapes JSON by itself, so no layout jar is needed: only Flink
/// from 2.3 ships one. A stack trace goes into a field of its own.
const JSON_LAYOUT: &str = r#"appender.console.layout.type = PatternLayout
appender.console.layout.alwaysWriteExceptions = false
appender.console.layout.pattern = {"time":"%d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}","level":"%p","thread":"%enc{%t}{JSON}","logger":"%enc{%c}{JSON}","message":"%enc{%m}{JSON}","exception":"%enc{%ex}{JSON}"}%n
"#;

const TEXT_LAYOUT: &str = "appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
";

/// Settings for a `conf` directory that has none: everything to the console, and to the file that
/// the web page shows.
const LOG4J: &str =
    "# Console and file; the variables and properties are those that Flink's scripts set.
monitorInterval = 30
rootLogger.level = ${env:ROOT_LOG_LEVEL:-INFO}
rootLogger.appenderRef.console.ref = Console
rootLogger.appenderRef.rolling.ref = Rolling
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
appender.console.type = Console
appender.console.name = Console
appender.console.filter.threshold.type = ThresholdFilter
appender.console.filter.threshold.level = ${sys:console.log.level:-ALL}
appender.rolling.type = RollingFile
appender.rolling.name = Rolling
appender.rolling.fileName = ${sys:log.file}
appender.rolling.filePattern = ${sys:log.file}.%i
appender.rolling.layout.type = PatternLayout
appender.rolling.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
appender.rolling.policies.type = Policies
appender.rolling.policies.size.type = SizeBasedTriggeringPolicy
appender.rolling.policies.size.size = 100MB
appender.rolling.policies.startup.type = OnStartupTriggeringPolicy
appender.rolling.strategy.type = DefaultRolloverStrategy
appender.rolling.strategy.max = ${env:MAX_LOG_FILE_NUMBER:-10}
";

/// The same for logback.
pub(super) const LOGBACK: &str = r#"<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender">
    <encoder>
      <pattern>%d{yyyy-MM-dd HH:mm:ss,SSS} %-5level %-60logger - %msg%n</pattern>
    </encoder>
  </appender>
  <root level="${ROOT_LOG_LEVEL:-INFO}">
    <appender-ref ref="console"/>
  </root>
</configuration>
"#;

/// The console settings for log4j: those at hand with the layout asked for, or complete new ones.
pub(super) fn log4j_console(existing: Option<&str>, layout: ConsoleLayout) -> String {
    match (existing, layout) {
        (Some(text), ConsoleLayout::AsConfigured) => text.to_owned(),
        (Some(text), ConsoleLayout::Json) => with_layout(text, JSON_LAYOUT),
        (None, ConsoleLayout::AsConfigured) => with_layout(LOG4J, TEXT_LAYOUT),
        (None, ConsoleLayout::Json) => with_layout(LOG4J, JSON_LAYOUT),
    }
}

fn with_layout(text: &str, layout: &str) -> String {
    let mut output = String::with_capacity(text.len() + layout.len());
    for line in text.lines() {
        if !line.trim_start().starts_with(CONSOLE_LAYOUT) {
            output.push_str(line);
            output.push('\n');
        }
    }
    output.push_str(layout);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_layout_replaces_the_consoles_own_and_leaves_the_file_alone() {
        let text = "appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n
appender.rolling.layout.pattern = %m%n
";
        let json = log4j_console(Some(text), ConsoleLayout::Json);
        assert_eq!(json.matches("appender.console.layout.pattern").count(), 1);
        assert!(json.contains("%enc{%m}{JSON}"));
        assert!(json.contains("appender.rolling.layout.pattern = %m%n"));
        assert_eq!(log4j_console(Some(text), ConsoleLayout::AsConfigured), text);
    }

    #[test]
    fn a_directory_without_settings_logs_to_the_console() {
        let text = log4j_console(None, ConsoleLayout::AsConfigured);
        assert!(text.contains("rootLogger.appenderRef.console.ref = Console"));
        assert!(text.contains("appender.console.layout.type = PatternLayout"));
    }
}
