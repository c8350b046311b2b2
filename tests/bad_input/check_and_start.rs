//! `--check` refuses what the start refuses: with the same exit code, in the same words.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use super::{Bench, Run};

/// The exit code of the Java of these tests: what is not refused gets as far as starting it.
const STARTED: i32 = 99;

/// One bad input.
struct Case {
    role: &'static str,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    prepare: fn(&Bench),
}

fn bad(role: &'static str, arguments: &[&str]) -> Case {
    Case {
        role,
        arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        variables: Vec::new(),
        prepare: |_| {},
    }
}

impl Case {
    fn with(self, name: &'static str, value: &str) -> Self {
        let mut variables = self.variables;
        variables.push((name, value.to_owned()));
        Self { variables, ..self }
    }

    fn after(self, prepare: fn(&Bench)) -> Self {
        Self { prepare, ..self }
    }

    /// Runs it on a bench of its own: what one run leaves behind is not the other's.
    fn run(&self, further: &[&str]) -> (Option<i32>, String) {
        let bench = Bench::new();
        (self.prepare)(&bench);
        let place = bench.path("").display().to_string();
        let place = place.trim_end_matches('/');
        let sandbox = bench.path("sandbox").display().to_string();
        let mut words = vec!["launch".to_owned(), self.role.to_owned()];
        words.extend(["--dir".to_owned(), sandbox]);
        words.extend(further.iter().map(|&word| word.to_owned()));
        words.extend(self.arguments.iter().map(|word| word.replace('@', place)));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = bench.command(&words);
        for (name, value) in &self.variables {
            command.env(name, value.replace('@', place));
        }
        let Run { code, stderr } = Run::of(&command.output().unwrap());
        // Notes are no refusal, and an explanation leaves no report of its end.
        let is_note = |line: &&str| {
            line.contains("warning: ") || line.contains("cannot write the exit report")
        };
        let said = stderr.lines().filter(|line| !is_note(line));
        let said = said.collect::<Vec<_>>().join("\n").replace(place, "@");
        (code, said)
    }

    #[track_caller]
    fn is_refused_alike(&self) {
        let (checked, started) = (self.run(&["--check"]), self.run(&[]));
        let shown = format!("{} {:?} {:?}", self.role, self.arguments, self.variables);
        assert_eq!(checked, started, "{shown}");
        assert!(
            ![Some(0), Some(STARTED)].contains(&checked.0),
            "{shown}: {checked:?}"
        );
    }
}

/// A release that reads `flink-conf.yaml`, which does not hold every text.
fn flat(bench: &Bench) {
    fs::remove_file(bench.path("flink/lib/flink-dist-2.3.0.jar")).unwrap();
    bench.write("flink/lib/flink-dist-1.18.1.jar", "");
    let conf = bench.path("flink/conf");
    fs::rename(conf.join("config.yaml"), conf.join("flink-conf.yaml")).unwrap();
}

fn flat_on_java_8(bench: &Bench) {
    flat(bench);
    bench.write("java/release", "JAVA_VERSION=\"1.8.0_402\"\n");
}

fn java_is(bench: &Bench, text: &str, mode: u32) {
    bench.write("java/bin/java", text);
    let mode = fs::Permissions::from_mode(mode);
    fs::set_permissions(bench.path("java/bin/java"), mode).unwrap();
}

#[test]
fn what_is_wrong_with_the_home_or_the_java_is_refused_by_check_as_by_the_start() {
    let tm = || bad("taskmanager", &[]);
    for case in [
        bad("taskmanger", &[]),
        tm().with("FLINK_HOME", "/nonexistent"),
        tm().with("FLINK_HOME", ""),
        tm().with("JAVA_HOME", "/nonexistent"),
        tm().with("ENABLE_BUILT_IN_PLUGINS", "none.jar"),
        tm().after(|bench| fs::remove_dir_all(bench.path("flink/lib")).unwrap()),
        tm().after(|bench| fs::remove_dir_all(bench.path("flink/conf")).unwrap()),
        tm().after(|bench| bench.write("java/release", "JAVA_VERSION=\"1.8.0_402\"\n")),
        tm().after(|bench| java_is(bench, "", 0o644)),
        tm().after(|bench| java_is(bench, "#!/no/such/interpreter\n", 0o755)),
    ] {
        case.is_refused_alike();
    }
}

#[test]
fn what_is_wrong_with_the_configuration_is_refused_by_check_as_by_the_start() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("taskmanager.rpc.port={}", busy.local_addr().unwrap().port());
    let tm = |property: &str| bad("taskmanager", &["-D", property]);
    for case in [
        tm("no-equals-sign"),
        tm("=x"),
        tm("taskmanager.memory.process.size=10m"),
        tm("taskmanager.memory.process.size=much"),
        tm("taskmanager.numberOfTaskSlots=four"),
        tm("taskmanager.cpu.cores=-1"),
        tm("taskmanager.rpc.port=99999"),
        tm("env.java.opts.all=-Da=\""),
        tm("execution.checkpointing.dir=s3://bucket/x"),
        bad(
            "taskmanager",
            &["-D", "taskmanager.bind-host=127.0.0.1", "-D", &port],
        ),
        bad("jobmanager", &["-D", "rest.bind-port=8090-8080"]),
        bad("history-server", &["-D", "historyserver.web.port=x"]),
        tm("a=b").with("FLINK_CONF_DIR", "@/java/release"),
        tm("a=b").after(|bench| bench.write("flink/conf/config.yaml", "a: [\n")),
        tm("a=b").after(|bench| bench.write("flink/conf/config.yaml", "a: 1\na: 2\n")),
        tm("s3.secret-key=a#b").after(flat_on_java_8),
        bad("history-server", &["-D", "web.title=a #b"]).after(flat),
    ] {
        case.is_refused_alike();
    }
}

#[test]
fn what_is_wrong_with_the_supervision_is_refused_by_check_as_by_the_start() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let tm = |arguments: &[&str]| bad("taskmanager", arguments);
    let mut cases = vec![
        tm(&["--user", "no-such-user"]),
        tm(&[
            "--user",
            &nix::unistd::geteuid().to_string(),
            "--own",
            "/nonexistent",
        ]),
        tm(&["--open-files", "99999999999"]),
        tm(&["--status", "/nonexistent/socket"]),
        tm(&["--status", &port]),
        tm(&[]).with("FLUGS_STATUS", "/nonexistent/socket"),
        tm(&["--log-directory", "/proc/none"]),
        tm(&["--log-directory", "@/java/release"]),
        tm(&["--logs", "inherit", "--log-directory", "@/logs"]),
        tm(&["--health-tcp", "flink:1"]),
    ];
    if nix::unistd::geteuid().is_root() {
        cases.push(tm(&["--user", "12345:12345"]).after(|bench| {
            let closed = fs::Permissions::from_mode(0o700);
            fs::set_permissions(bench.path(""), closed).unwrap();
        }));
    }
    for case in cases {
        case.is_refused_alike();
    }
}

#[test]
fn what_is_wrong_with_the_places_of_a_launch_is_refused_by_check_as_by_the_start() {
    let tm = || bad("taskmanager", &[]);
    let manifest = ["--manifest", "none.json", "--sha256", &"0".repeat(64)].map(str::to_owned);
    let manifest = |further: &[&str]| {
        let mut case = bad("taskmanager", further);
        case.arguments.extend(manifest.iter().cloned());
        case
    };
    for case in [
        tm().after(|bench| bench.write("sandbox", "a file")),
        tm().after(|bench| bench.write("sandbox/conf", "a file")),
        tm().after(|bench| bench.write("sandbox/tmp", "a file")),
        tm().after(|bench| bench.write("sandbox/conf/config.yaml/of", "a directory")),
        tm().after(|bench| {
            bench.write("flink/conf/below/file", "");
            bench.write("sandbox/conf/below", "a file");
        }),
        bad("taskmanager", &["-D", "s3.secret-key=a#b"]).after(|bench| {
            flat(bench);
            bench.write("sandbox/conf/main-arguments/of", "a directory");
        }),
        manifest(&[]),
        manifest(&["--token-file", "none"]),
        manifest(&["--cache", "/proc/none"]),
        manifest(&["--ca", "none"]),
        manifest(&["--registry-auth", "none"]),
    ] {
        case.is_refused_alike();
    }
}

#[test]
fn what_check_does_not_refuse_starts() {
    let tm = || bad("taskmanager", &[]);
    for case in [
        tm(),
        // Whatever this machine has at the ports that Flink takes by default.
        bad(
            "standalone-job",
            &["-D", "jobmanager.rpc.port=0", "-D", "rest.port=0"],
        ),
        bad("history-server", &["-D", "historyserver.web.port=0"]),
        bad(
            "taskmanager",
            &["-D", "web.title=a #b", "-D", "s3.secret-key=a#b"],
        )
        .after(flat),
        bad(
            "taskmanager",
            &[
                "--log-directory",
                "@/sandbox/logs/of",
                "--open-files",
                "hard",
            ],
        ),
        bad("taskmanager", &["--status", "@/status"]),
        // What an earlier use has left of the sandbox's own is replaced.
        tm().with("ENABLE_BUILT_IN_PLUGINS", "p.jar")
            .after(|bench| {
                bench.write("flink/opt/p.jar", "");
                bench.write("sandbox/plugins", "a file");
            }),
    ] {
        let shown = format!("{} {:?}", case.role, case.arguments);
        assert_eq!(case.run(&["--check"]).0, Some(0), "{shown}");
        assert_eq!(case.run(&[]).0, Some(STARTED), "{shown}");
    }
}
