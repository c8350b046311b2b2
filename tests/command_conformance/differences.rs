//! Every difference between the command of Flink's scripts and the one flugs builds, with its
//! reason. `docs/jvm-command.md` lists the same.

/// One deliberate difference: what it makes of the scripts' arguments.
pub(crate) struct Difference {
    pub(crate) name: &'static str,
    pub(crate) reason: &'static str,
    /// Changes the scripts' arguments to flugs's.
    pub(crate) apply: fn(&mut Vec<String>, &Context),
}

/// What a difference depends on.
pub(crate) struct Context {
    /// Where flugs puts the report of a crashing JVM.
    pub(crate) error_file: String,
    pub(crate) is_task_manager: bool,
    /// The options of Flink's own newer configuration that 1.13 does not ship.
    pub(crate) missing_access: Vec<String>,
    /// Arguments that the script drops or splits.
    pub(crate) user_arguments: Vec<String>,
}

pub(crate) const DIFFERENCES: [Difference; 6] = [
    Difference {
        name: "no empty class path entries",
        reason: "an empty entry puts the working directory on the class path",
        apply: |arguments, _| {
            for argument in arguments.iter_mut() {
                if argument.contains("flink-dist") {
                    let entries: Vec<&str> = argument
                        .split(':')
                        .filter(|entry| !entry.is_empty())
                        .collect();
                    *argument = entries.join(":");
                }
            }
        },
    },
    Difference {
        name: "crash reports beside the log",
        reason: "the JVM would write them to the working directory, which may be read-only",
        apply: |arguments, context| {
            let position =
                position(arguments, "-Dlog.file=").min(position(arguments, "-Dconsole.log.level="));
            arguments.insert(position, format!("-XX:ErrorFile={}", context.error_file));
        },
    },
    Difference {
        name: "G1 on every TaskManager",
        reason: "without a choice the JVM takes SerialGC on one processor; the scripts choose G1 \
                 only if no Java options are set at all, which from 1.18 on never happens",
        apply: |arguments, context| {
            let chosen = arguments.iter().any(|argument| argument == "-XX:+UseG1GC");
            if context.is_task_manager && !chosen {
                let position = position(arguments, "-Xmx");
                arguments.insert(position, "-XX:+UseG1GC".to_owned());
            }
        },
    },
    Difference {
        name: "module access for 1.13 on newer Java",
        reason: "1.13 ships no --add-opens and fails on Java 17 without them",
        apply: |arguments, context| {
            let all = arguments.iter().position(|argument| argument == "-Dall=2");
            let memory = position(arguments, "-XX:MaxMetaspaceSize=");
            let behind = if memory == arguments.len() {
                0
            } else {
                memory + 1
            };
            let start = all.map_or(behind, |all| all + 1);
            if !arguments
                .iter()
                .any(|argument| argument.starts_with("--add-opens"))
            {
                arguments.splice(start..start, context.missing_access.iter().cloned());
            }
        },
    },
    Difference {
        name: "option values keep their spaces",
        reason: "the scripts split -Dspaced='a b' at the space, quotes or not",
        apply: |arguments, _| {
            for (first, second) in [("-Dspaced=a", "b"), ("-Dspaced='a", "b'")] {
                let pair = arguments
                    .windows(2)
                    .position(|pair| pair == [first, second]);
                if let Some(position) = pair {
                    arguments.splice(position..position + 2, ["-Dspaced=a b".to_owned()]);
                }
            }
        },
    },
    Difference {
        name: "a JobManager's settings reach it",
        reason: "the script of 1.13 takes only a host and a port and drops the rest",
        apply: |arguments, context| {
            if !arguments.ends_with(&context.user_arguments) {
                arguments.extend(context.user_arguments.iter().cloned());
            }
        },
    },
];

fn position(arguments: &[String], start: &str) -> usize {
    let found = arguments
        .iter()
        .position(|argument| argument.starts_with(start));
    found.unwrap_or(arguments.len())
}
