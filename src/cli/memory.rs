//! `flugs memory`: how the memory of a Flink process is divided, and why.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use serde::Serialize;

use super::{Ending, output, table};
use flugs_base::ExitCode;
use flugs_flink::FlinkVersion;
use flugs_flink::memory::{
    Breakdown, MemoryPlan, MemorySize, container_disagreement, derive, process_size_from_container,
};
use flugs_flink_conf::{Configuration, Layer, Origin, load_directory};
use flugs_model::{Property, Role};

/// Show how the memory of a Flink process is divided, exactly as Flink computes it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs memory --role taskmanager --flink-version 2.3.0 -D taskmanager.memory.process.size=4g
  flugs memory --role jobmanager --flink-version 1.20.5 --conf /opt/flink/conf --json
  flugs memory --role taskmanager --flink-version 2.3.0 --container-limit 8g

Exit code: 0, or 75 if no memory layout follows from the configuration.")]
pub(super) struct Args {
    /// The process: jobmanager, taskmanager, standalone-job or history-server.
    #[arg(long)]
    role: String,
    /// The Flink version, since defaults and legacy options differ between versions.
    #[arg(long, value_name = "VERSION")]
    flink_version: String,
    /// A directory with a Flink configuration file.
    #[arg(long, value_name = "DIR")]
    conf: Option<PathBuf>,
    /// A setting; wins over the file, and later ones over earlier ones.
    #[arg(short = 'D', value_name = "KEY=VALUE")]
    properties: Vec<String>,
    /// The memory limit of the container, such as 4g: it is the process size if nothing else is
    /// configured, and compared with the process size otherwise.
    #[arg(long, value_name = "SIZE")]
    container_limit: Option<String>,
    /// Print one JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// A plan as it is shown.
#[derive(Debug, Serialize)]
struct Report {
    role: Role,
    flink_version: String,
    jvm_args: Vec<String>,
    dynamic: BTreeMap<String, String>,
    breakdown: BTreeMap<String, u64>,
    notes: Vec<String>,
    warnings: Vec<String>,
    #[serde(skip)]
    parts: Breakdown,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let role: Role = args.role.parse()?;
    let version = args.flink_version.parse::<FlinkVersion>()?.supported()?;
    let limit = args.container_limit.as_deref().map(limit).transpose()?;
    let mut configuration = configuration(args, &version)?;
    let environment = |name: &str| std::env::var(name).ok();
    let automatic = limit.and_then(|limit| {
        let get = |key: &str| configuration.get(key).map(str::to_owned);
        process_size_from_container(role, limit, &get, &environment)
    });
    let mut warnings = Vec::new();
    if let Some(Property { key, value }) = &automatic {
        let origin = Origin::from_source(Layer::Derived, "container limit");
        configuration.set(key.clone(), value.clone(), origin);
    }
    let get = |key: &str| configuration.get(key).map(str::to_owned);
    let mut plan = derive(role, &version, &get, &environment)?;
    if let Some(Property { key, .. }) = &automatic {
        let note = format!("no memory is configured, so {key} is the limit of the container");
        plan.notes.insert(0, note);
    }
    if let (Some(limit), Some(process)) = (limit, plan.breakdown.total_process()) {
        warnings.extend(container_disagreement(role, process, limit));
    }
    let report = Report::new(role, &version, plan, warnings);
    if args.json {
        output::json(&report);
    } else {
        output::line(&report.text(std::io::stdout().is_terminal()));
    }
    for warning in &report.warnings {
        output::note(&format!("flugs: warning: {warning}"));
    }
    Ok(ProcessExit::SUCCESS)
}

fn limit(text: &str) -> Result<MemorySize, Ending> {
    MemorySize::parse(text).map_err(|error| Ending {
        code: ExitCode::Usage,
        message: format!("--container-limit {text}: {error}"),
    })
}

fn configuration(args: &Args, version: &FlinkVersion) -> Result<Configuration, Ending> {
    let mut configuration = Configuration::new();
    if let Some(directory) = &args.conf {
        let (parsed, _, path) = load_directory(directory, version.configuration_files())?;
        for warning in &parsed.warnings {
            output::note(&format!("flugs: warning: {warning}"));
        }
        let source = path.display().to_string();
        configuration.extend(&parsed, Layer::ConfDirectory, &source);
    }
    for property in &args.properties {
        let Property { key, value } = property.parse()?;
        configuration.set(key, value, Origin::of(Layer::CommandLine));
    }
    Ok(configuration)
}

impl Report {
    fn new(role: Role, version: &FlinkVersion, plan: MemoryPlan, warnings: Vec<String>) -> Self {
        let totals = [
            ("total flink", plan.breakdown.total_flink()),
            ("total process", plan.breakdown.total_process()),
        ];
        let totals = totals
            .into_iter()
            .filter_map(|(name, size)| Some((name, size?)));
        let parts = plan.breakdown.parts();
        let breakdown = parts
            .into_iter()
            .chain(totals)
            .map(|(name, size)| (name.replace([' ', '-'], "_"), size.bytes()))
            .collect();
        Self {
            role,
            flink_version: version.to_string(),
            jvm_args: plan.jvm_arguments,
            dynamic: plan.dynamic.into_iter().collect(),
            breakdown,
            notes: plan.notes,
            warnings,
            parts: plan.breakdown,
        }
    }

    fn text(&self, draws_bar: bool) -> String {
        let Some(process) = self.parts.total_process() else {
            return format!(
                "A {} has no memory options: set -Xmx in env.java.opts.historyserver",
                self.role
            );
        };
        let parts = self.parts.parts();
        let marks = MARKS.chars();
        let rows = parts.iter().zip(marks).map(|(&(name, size), mark)| {
            let mark = if draws_bar {
                format!("{mark} ")
            } else {
                String::new()
            };
            row(&format!("{mark}{name}"), size, process)
        });
        let totals = [
            ("total flink", self.parts.total_flink()),
            ("total process", Some(process)),
        ];
        let totals = totals
            .into_iter()
            .filter_map(|(name, size)| Some(row(name, size?, process)));
        let mut sections = vec![table::render(
            &["MEMORY", "SIZE", "BYTES", "SHARE"],
            rows.chain(totals),
        )];
        if draws_bar {
            let sizes: Vec<MemorySize> = parts.iter().map(|&(_, size)| size).collect();
            sections.push(bar(&sizes, process));
        }
        sections.push(self.jvm_args.join(" "));
        if !self.notes.is_empty() {
            sections.push(self.notes.join("\n"));
        }
        sections.join("\n\n")
    }
}

fn row(name: &str, size: MemorySize, whole: MemorySize) -> [String; 4] {
    let share = u128::from(size.bytes()) * 100 / u128::from(whole.bytes().max(1));
    [
        name.to_owned(),
        size.to_string(),
        size.bytes().to_string(),
        format!("{share}%"),
    ]
}

/// What each part is drawn with, in the order of the parts.
const MARKS: &str = "█▓▒░▚▞╱·";

/// How many characters stand for the whole process.
const BAR_WIDTH: u64 = 64;

/// The parts side by side, each as wide as its share. Boundaries are rounded, so that the widths
/// add up to the whole.
fn bar(sizes: &[MemorySize], whole: MemorySize) -> String {
    let whole = u128::from(whole.bytes().max(1));
    let mut drawn = String::from("[");
    let (mut bytes, mut column) = (0_u128, 0_u128);
    for (size, mark) in sizes.iter().zip(MARKS.chars()) {
        bytes += u128::from(size.bytes());
        let end = (bytes * u128::from(BAR_WIDTH) + whole / 2) / whole;
        drawn.extend((column..end).map(|_| mark));
        column = end;
    }
    drawn.push(']');
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(role: Role, properties: &[(&str, &str)]) -> Report {
        let version = FlinkVersion::NEWEST_TESTED;
        let get = |key: &str| {
            let pair = properties.iter().find(|(known, _)| *known == key);
            pair.map(|(_, value)| (*value).to_owned())
        };
        let plan = derive(role, &version, &get, &|_| None).unwrap();
        Report::new(role, &version, plan, Vec::new())
    }

    #[test]
    fn a_task_managers_memory_is_a_table_and_on_a_terminal_a_bar() {
        let report = report(
            Role::TaskManager,
            &[("taskmanager.memory.process.size", "1728m")],
        );
        insta::assert_snapshot!(report.text(true), @r"
        MEMORY                SIZE       BYTES       SHARE
        █ framework heap      128 MiB    134217728   7%
        ▓ task heap           384 MiB    402653174   22%
        ▒ managed             512 MiB    536870920   29%
        ░ framework off-heap  128 MiB    134217728   7%
        ▚ task off-heap       0 B        0           0%
        ▞ network             128 MiB    134217730   7%
        ╱ jvm metaspace       256 MiB    268435456   14%
        · jvm overhead        192 MiB    201326592   11%
        total flink           1.25 GiB   1342177280  74%
        total process         1.688 GiB  1811939328  100%

        [█████▓▓▓▓▓▓▓▓▓▓▓▓▓▓▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒░░░░░▞▞▞▞╱╱╱╱╱╱╱╱╱╱·······]

        -Xmx536870902 -Xms536870902 -XX:MaxDirectMemorySize=268435458 -XX:MaxMetaspaceSize=268435456

        JVM overhead: its fraction would be only 172.8 MiB, so its minimum of 192 MiB is used
        ");
    }

    #[test]
    fn a_job_managers_memory_needs_no_terminal() {
        let report = report(
            Role::JobManager,
            &[("jobmanager.memory.process.size", "1600m")],
        );
        insta::assert_snapshot!(report.text(false), @r"
        MEMORY         SIZE       BYTES       SHARE
        heap           1 GiB      1073741824  64%
        off-heap       128 MiB    134217728   8%
        jvm metaspace  256 MiB    268435456   16%
        jvm overhead   192 MiB    201326592   12%
        total flink    1.125 GiB  1207959552  72%
        total process  1.563 GiB  1677721600  100%

        -Xmx1073741824 -Xms1073741824 -XX:MaxMetaspaceSize=268435456

        JVM overhead: its fraction would be only 160 MiB, so its minimum of 192 MiB is used
        ");
    }

    #[test]
    fn scripts_read_json() {
        let report = report(Role::JobManager, &[("jobmanager.memory.heap.size", "1g")]);
        insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
        {
          "role": "jobmanager",
          "flink_version": "2.3.0",
          "jvm_args": [
            "-Xmx1073741824",
            "-Xms1073741824",
            "-XX:MaxMetaspaceSize=268435456"
          ],
          "dynamic": {
            "jobmanager.memory.heap.size": "1073741824b",
            "jobmanager.memory.jvm-metaspace.size": "268435456b",
            "jobmanager.memory.jvm-overhead.max": "201326592b",
            "jobmanager.memory.jvm-overhead.min": "201326592b",
            "jobmanager.memory.off-heap.size": "134217728b"
          },
          "breakdown": {
            "heap": 1073741824,
            "jvm_metaspace": 268435456,
            "jvm_overhead": 201326592,
            "off_heap": 134217728,
            "total_flink": 1207959552,
            "total_process": 1677721600
          },
          "notes": [
            "JVM overhead: its fraction would be only 156.444 MiB, so its minimum of 192 MiB is used"
          ],
          "warnings": []
        }
        "#);
    }

    #[test]
    fn a_bar_is_always_as_wide_as_the_process() {
        for process in ["1728m", "1g", "17g", "1234567890b"] {
            let report = report(
                Role::TaskManager,
                &[("taskmanager.memory.process.size", process)],
            );
            let sizes: Vec<MemorySize> = report.parts.parts().into_iter().map(|(_, s)| s).collect();
            let drawn = bar(&sizes, report.parts.total_process().unwrap());
            assert_eq!(drawn.chars().count(), 66, "{drawn}");
        }
    }

    #[test]
    fn a_history_server_has_no_memory_options() {
        assert!(
            report(Role::HistoryServer, &[])
                .text(false)
                .contains("-Xmx")
        );
    }
}
