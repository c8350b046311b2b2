//! The command that flugs builds is the one Flink's own scripts build, argument by argument and
//! variable by variable, but for the differences listed in [`differences`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod differences;
#[path = "../flink_homes/mod.rs"]
mod flink_homes;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use differences::{Context, DIFFERENCES};
use flugs_flink::memory::derive;
use flugs_flink::{CommandInput, FlinkHome, JavaCommand, JavaRuntime, LogIdentity, build};
use flugs_flink_conf::{Configuration, Layer, Origin, load_directory};
use flugs_model::{Property, Role};
use scripts::RecordingJava;

/// One start of one role.
struct Launch<'a> {
    home: FlinkHome,
    java: &'a RecordingJava,
    role: Role,
    /// Lines added to the shipped configuration.
    lines: &'a str,
    user_arguments: Vec<String>,
    /// What the script can be given of them.
    script_arguments: Vec<String>,
    variables: &'a [(&'a str, &'a str)],
}

impl Launch<'_> {
    /// Builds the command both ways and compares them. Gives the names of the differences that
    /// took effect.
    fn compare(&self) -> BTreeSet<&'static str> {
        let directory = tempfile::tempdir().unwrap();
        let conf_dir = directory.path().join("conf");
        copy_configuration(&self.home, &conf_dir, self.lines);
        let log_dir = directory.path().join("log");
        std::fs::create_dir(&log_dir).unwrap();
        let environment = self.environment(directory.path());

        let ours = self.build(&conf_dir, &log_dir, &environment);
        let (mut expected, variables) = self.java.record(
            self.home.root(),
            self.role,
            &self.script_arguments,
            &environment,
        );
        let name = format!("{} {}", self.home.version(), self.role);
        let took_effect = self.apply_differences(&mut expected, &ours);
        assert_eq!(ours.arguments, expected, "{name}");
        self.compare_variables(&ours, &variables, &name);
        took_effect
    }

    fn environment(&self, directory: &Path) -> BTreeMap<String, String> {
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let mut environment = BTreeMap::from([
            ("PATH".to_owned(), std::env::var("PATH").unwrap()),
            ("LC_ALL".to_owned(), "C".to_owned()),
            ("HOSTNAME".to_owned(), "worker-1".to_owned()),
            ("FLINK_IDENT_STRING".to_owned(), "tester".to_owned()),
            ("FLINK_CONF_DIR".to_owned(), path("conf")),
            ("FLINK_LOG_DIR".to_owned(), path("log")),
            ("FLINK_PID_DIR".to_owned(), path("pid")),
            (
                "JAVA_HOME".to_owned(),
                self.java.home().to_str().unwrap().to_owned(),
            ),
        ]);
        for (name, value) in self.variables {
            environment.insert((*name).to_owned(), (*value).to_owned());
        }
        environment
    }

    fn build(
        &self,
        conf_dir: &Path,
        log_dir: &Path,
        environment: &BTreeMap<String, String>,
    ) -> JavaCommand {
        let version = self.home.version();
        let (parsed, _, _) = load_directory(conf_dir, version.configuration_files()).unwrap();
        let mut configuration = Configuration::new();
        configuration.extend(&parsed, Layer::ConfDirectory, "");
        let get = |key: &str| configuration.get(key).map(str::to_owned);
        let mut with_dynamic = configuration.clone();
        for Property { key, value } in dynamic_properties(&self.user_arguments) {
            with_dynamic.set(key, value, Origin::of(Layer::CommandLine));
        }
        let with_dynamic = |key: &str| with_dynamic.get(key).map(str::to_owned);
        let environment = |name: &str| environment.get(name).cloned();
        let memory = derive(self.role, version, &with_dynamic, &environment).unwrap();
        let home = Some(self.java.home().as_os_str());
        let java = JavaRuntime::find(None, home, None, &|_| None).unwrap();
        build(&CommandInput {
            home: &self.home,
            java: &java,
            role: self.role,
            configuration: &get,
            environment: &environment,
            conf_dir,
            log_dir,
            identity: LogIdentity {
                ident: "tester",
                index: 0,
                host_name: "worker-1",
            },
            memory: &memory,
            settings: &[],
            arguments: &self.user_arguments,
            allocator: None,
            cpu_quota: None,
            travelled: None,
        })
        .unwrap()
    }

    fn apply_differences(
        &self,
        arguments: &mut Vec<String>,
        ours: &JavaCommand,
    ) -> BTreeSet<&'static str> {
        let is_access = |argument: &&String| argument.starts_with("--add-");
        let context = Context {
            error_file: ours.log_files.fatal_error().to_str().unwrap().to_owned(),
            is_task_manager: self.role == Role::TaskManager,
            missing_access: ours.arguments.iter().filter(is_access).cloned().collect(),
            user_arguments: self.user_arguments.clone(),
        };
        let mut took_effect = BTreeSet::new();
        for difference in &DIFFERENCES {
            let before = arguments.clone();
            (difference.apply)(arguments, &context);
            if *arguments != before {
                assert!(!difference.reason.is_empty());
                took_effect.insert(difference.name);
            }
        }
        took_effect
    }

    /// What the scripts export, flugs sets. `JVM_ARGS`, `DYNAMIC_PARAMETERS`, `JAVA_RUN` and
    /// `FLINK_ENV_JAVA_OPTS` are left out: the scripts talk to each other with them.
    fn compare_variables(&self, ours: &JavaCommand, theirs: &BTreeMap<String, String>, name: &str) {
        for variable in [
            "FLINK_CONF_DIR",
            "FLINK_BIN_DIR",
            "FLINK_LIB_DIR",
            "FLINK_OPT_DIR",
            "FLINK_PLUGINS_DIR",
            "JAVA_HOME",
            "MAX_LOG_FILE_NUMBER",
            "ROOT_LOG_LEVEL",
        ] {
            // 1.13 does not know a root level of its own.
            let flink = match theirs.get(variable) {
                None if variable == "ROOT_LOG_LEVEL" => continue,
                flink => flink,
            };
            assert_eq!(ours.environment.get(variable), flink, "{name} {variable}");
        }
        if self.role != Role::HistoryServer {
            let logs = &theirs["FLINK_INHERITED_LOGS"];
            let memory = |text: &str| -> Vec<String> {
                let lines = text.lines().map(str::trim);
                let wanted =
                    |line: &&str| line.starts_with("jvm_params") || line.starts_with("dynamic_");
                lines.filter(wanted).map(str::to_owned).collect()
            };
            let ours = &ours.environment["FLINK_INHERITED_LOGS"];
            assert_eq!(memory(ours), memory(logs), "{name}");
        }
    }
}

fn dynamic_properties(arguments: &[String]) -> Vec<Property> {
    let mut properties = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix("-D") {
            Some("") => properties.push(arguments.next().unwrap().parse().unwrap()),
            Some(text) => properties.push(text.parse().unwrap()),
            None => {}
        }
    }
    properties
}

fn copy_configuration(home: &FlinkHome, conf_dir: &Path, lines: &str) {
    std::fs::create_dir(conf_dir).unwrap();
    for entry in std::fs::read_dir(home.conf()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), conf_dir.join(entry.file_name())).unwrap();
    }
    let dialect = home.version().configuration_files().rendered();
    let file = conf_dir.join(dialect.file_name());
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{shipped}\n{lines}")).unwrap();
}

/// Options of every family, values that need quotes among them.
const LINES: &str = "\
env.java.opts.taskmanager: -Dtm=1 -XX:+HeapDumpOnOutOfMemoryError -Dspaced='a b'
env.java.opts.jobmanager: -Djm=1 -Dspaced='a b'
env.java.opts.historyserver: -Dhs=1 -Dspaced='a b'
env.log.max: 7
external-resources: gpu;fpga
external-resource.gpu.amount: 2
external-resource.fpga.amount: 1
";

fn user_arguments(role: Role) -> Vec<String> {
    let words: &[&str] = match role {
        Role::TaskManager => &[
            "-D",
            "taskmanager.numberOfTaskSlots=3",
            "-Dtaskmanager.memory.process.size=3g",
        ],
        Role::JobManager => &["-D", "parallelism.default=2"],
        Role::StandaloneJob => &[
            "--job-classname",
            "org.example.Job",
            "-D",
            "parallelism.default=2",
            "--input",
            "x",
        ],
        Role::HistoryServer => &[],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Compares every role of a release, configured in every way at once, and a TaskManager with
/// nothing but the shipped configuration.
fn compare_release(version: &str, lines: &str) -> BTreeSet<&'static str> {
    let java = RecordingJava::new();
    let mut took_effect = BTreeSet::new();
    for role in Role::ALL {
        let user_arguments = user_arguments(role);
        // The script of 1.13 takes every argument for a host or a port.
        let script_arguments = match (version, role) {
            ("1.13.6", Role::JobManager) => Vec::new(),
            _ => user_arguments.clone(),
        };
        let launch = Launch {
            home: FlinkHome::open(&java.flink_home(version)).unwrap(),
            java: &java,
            role,
            lines,
            user_arguments,
            script_arguments,
            variables: &[
                ("JVM_ARGS", "-Duser=1 -Dother=2"),
                ("HADOOP_CLASSPATH", "/hadoop/a.jar:/hadoop/b.jar"),
                ("YARN_CONF_DIR", "/yarn"),
                ("HBASE_CONF_DIR", "/hbase"),
            ],
        };
        took_effect.extend(launch.compare());
    }
    let shipped = Launch {
        home: FlinkHome::open(&java.flink_home(version)).unwrap(),
        java: &java,
        role: Role::TaskManager,
        lines: "",
        user_arguments: Vec::new(),
        script_arguments: Vec::new(),
        variables: &[],
    };
    took_effect.extend(shipped.compare());
    took_effect
}

const EVERYWHERE: [&str; 4] = [
    "no empty class path entries",
    "crash reports beside the log",
    "G1 on every TaskManager",
    "option values keep their spaces",
];

#[test]
fn flink_1_13_is_started_as_its_own_scripts_start_it() {
    let lines = format!("env.java.opts: -Dall=1 -Dall=2\n{LINES}");
    let only_here = [
        "module access for 1.13 on newer Java",
        "a JobManager's settings reach it",
    ];
    let expected: BTreeSet<&str> = EVERYWHERE.into_iter().chain(only_here).collect();
    assert_eq!(compare_release("1.13.6", &lines), expected);
}

#[test]
fn flink_1_20_is_started_as_its_own_scripts_start_it() {
    let lines = format!(
        "env.java.default-opts.all: -Ddefault=1\nenv.java.default-opts.taskmanager: -Dtm=0\n\
         env.java.default-opts.jobmanager: -Djm=0\n{LINES}"
    );
    let expected = BTreeSet::from(EVERYWHERE);
    assert_eq!(compare_release("1.20.5", &lines), expected);
}

#[test]
fn flink_2_3_is_started_as_its_own_scripts_start_it() {
    let lines = format!(
        "env.java.default-opts.all: -Ddefault=1\nenv.stdout-err.redirect-to-file: true\n{LINES}"
    );
    let expected = BTreeSet::from(EVERYWHERE);
    assert_eq!(compare_release("2.3.0", &lines), expected);
}

/// The official entrypoint splits such values, expands their globs and runs their commands.
#[test]
fn option_values_arrive_as_written_and_no_command_in_them_is_executed() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("executed");
    let command = format!("$(touch {0}) `touch {0}` ; touch {0}", trace.display());
    let values = [
        "two words",
        "\"double\" quotes",
        "a$b ${UNKNOWN} $PATH",
        "line\nbreak\ttab",
        "größe 寸法 🦀",
        "/usr/b* ? [a] {b,c} ~ # & | < >",
        "back\\slash\\",
        &command,
    ];
    let options: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("-Dvalue{index}='{value}'"))
        .collect();
    let options = options.join(" ");
    let java = RecordingJava::new();
    let launch = Launch {
        home: FlinkHome::open(&java.flink_home("2.3.0")).unwrap(),
        java: &java,
        role: Role::TaskManager,
        lines: "",
        user_arguments: vec!["-D".to_owned(), "key=a 'b' \"c\" $d\n".to_owned()],
        script_arguments: Vec::new(),
        variables: &[("FLINK_ENV_JAVA_OPTS_TM", &options)],
    };
    let conf_dir = directory.path().join("conf with a blank");
    copy_configuration(&launch.home, &conf_dir, launch.lines);
    let environment = launch.environment(directory.path());
    let command = launch.build(&conf_dir, directory.path(), &environment);
    let arrived = java.execute(&command, directory.path());
    assert_eq!(arrived, command.arguments);
    for (index, value) in values.iter().enumerate() {
        let argument = format!("-Dvalue{index}={value}");
        assert!(arrived.contains(&argument), "{argument}");
    }
    assert_eq!(arrived.last().unwrap(), "key=a 'b' \"c\" $d\n");
    assert!(!trace.exists());
}
