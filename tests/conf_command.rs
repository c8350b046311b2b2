//! `flugs conf` as a person or a script calls it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `flugs conf` with nothing of this process's environment but `variables`.
#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn conf(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_flugs"))
        .arg("conf")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Ran {
        code: status.code().unwrap(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// A directory with these files; what is printed about it is shown with `CONF` for its path.
fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn shown(output: &str, directory: &Path) -> String {
    output.replace(text(directory), "CONF")
}

#[test]
fn every_subcommand_has_help_with_examples_and_exit_codes() {
    for subcommand in ["check", "diff", "explain", "migrate", "render"] {
        let ran = conf(&[subcommand, "--help"], &[]);
        assert_eq!(ran.code, 0);
        assert!(
            ran.stdout.contains("Examples:\n  flugs conf "),
            "{}",
            ran.stdout
        );
        assert!(ran.stdout.contains("Exit code: 0"), "{}", ran.stdout);
    }
    insta::assert_snapshot!(conf(&["explain", "--help"], &[]).stdout, @r#"
Show every setting, its value, and where it comes from

Usage: flugs conf explain [OPTIONS] [KEY]

Arguments:
  [KEY]  Only this key, with the values that other layers gave it

Options:
      --flink-home <DIR>         The Flink home, for its version and its conf directory; without
                                 --flink-home and --flink-version, the one that FLINK_HOME names
                                 (and the directory FLINK_CONF_DIR)
      --flink-version <VERSION>  The Flink version, instead of the Flink home's
      --conf <DIR>               The directory with the configuration file, instead of the Flink
                                 home's
  -D <KEY=VALUE>                 A setting; wins over files and variables, and later ones over
                                 earlier ones
      --no-environment           Leave out FLINK_PROPERTIES and the other variables of the
                                 environment
      --json                     Print one JSON document instead of a table
  -h, --help                     Print help

Examples:
  flugs conf explain --flink-home /opt/flink
  flugs conf explain --flink-home /opt/flink taskmanager.memory.process.size
  flugs conf explain --flink-version 1.20.5 --conf ./conf -D rest.port=8082 --json

Layers, lowest first: flugs-default, image-default, conf-directory, overlay, environment,
flink-properties, manifest, command-line, derived, forced. Secrets are shown as ******.

Exit code: 0; 75 if the configuration cannot be read, or does not have the one key asked for.
"#);
}

#[test]
fn explain_names_layer_file_and_line_of_every_value_and_shows_no_secret() {
    let conf_directory = directory(&[(
        "config.yaml",
        "rest:\n  port: 8081\ntaskmanager.numberOfTaskSlots: 1\ns3.secret-key: hunter2\n",
    )]);
    let path = conf_directory.path();
    let arguments = [
        "explain",
        "--flink-version",
        "2.3.0",
        "--conf",
        text(path),
        "-D",
        "rest.port=8083",
    ];
    let variables = [
        (
            "FLINK_PROPERTIES",
            "rest.port: 8082\nenv.java.opts.all: -Da=b -Dc=$D",
        ),
        ("TASK_MANAGER_NUMBER_OF_TASK_SLOTS", "4"),
        ("D", "d"),
    ];
    let all = conf(&arguments, &variables);
    assert_eq!(all.code, 0);
    insta::assert_snapshot!(shown(&all.stdout, path), @r#"
KEY                               VALUE        FROM
cluster.registration.error-delay  500          flugs-default flugs
env.java.opts.all                 -Da=b -Dc=d  flink-properties FLINK_PROPERTIES:2
rest.port                         8083         command-line
s3.secret-key                     ******       conf-directory CONF/config.yaml:4
taskmanager.numberOfTaskSlots     4            environment TASK_MANAGER_NUMBER_OF_TASK_SLOTS
"#);
    let mut one = arguments.to_vec();
    one.push("rest.port");
    insta::assert_snapshot!(shown(&conf(&one, &variables).stdout, path), @r#"
rest.port = 8083
  from      command-line
  over      8082  (flink-properties FLINK_PROPERTIES:1)
  over      8081  (conf-directory CONF/config.yaml:2)
  type      integer
  default   8081
"#);
    one.push("--json");
    insta::assert_snapshot!(shown(&conf(&one, &variables).stdout, path), @r#"
[
  {
    "key": "rest.port",
    "value": "8083",
    "layer": "command-line",
    "source": null,
    "line": null,
    "type": "integer",
    "default": "8081",
    "overrides": [
      {
        "value": "8082",
        "layer": "flink-properties",
        "source": "FLINK_PROPERTIES",
        "line": 1
      },
      {
        "value": "8081",
        "layer": "conf-directory",
        "source": "CONF/config.yaml",
        "line": 2
      }
    ]
  }
]
"#);
    assert!(!(all.stdout + &all.stderr).contains("hunter2"));
}

#[test]
fn explain_says_what_a_key_that_is_not_set_would_be() {
    let ask = |key| conf(&["explain", "--flink-version", "2.3.0", key], &[]);
    let known = ask("rest.port");
    assert_eq!(known.code, 75);
    assert_eq!(
        known.stderr,
        "flugs: rest.port is not set; Flink's default is 8081\n"
    );
    let unknown = ask("rest.prot");
    assert!(
        unknown.stderr.contains("did you mean rest.port?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn check_finds_what_is_wrong_and_exits_with_75() {
    let conf_directory = directory(&[(
        "flink-conf.yaml",
        "taskmanager.numberOfTaskSlots: four\nno colon\nrest.prot: 1\n\
         taskmanager.memory.process.size: 100m\nrecovery.mode: zookeeper\n",
    )]);
    let path = conf_directory.path();
    let arguments = ["check", "--flink-version", "1.13.6", "--conf", text(path)];
    let ran = conf(&arguments, &[]);
    assert_eq!(ran.code, 75);
    insta::assert_snapshot!(shown(&ran.stdout, path), @r#"
warning: CONF/flink-conf.yaml:2: line skipped: no ": " between key and value
warning: CONF/flink-conf.yaml:5: "recovery.mode" is deprecated: use high-availability
warning: rest.prot (conf-directory CONF/flink-conf.yaml:3): no option of Flink 1.13 has this name; did you mean "rest.port"?
error: taskmanager.numberOfTaskSlots (conf-directory CONF/flink-conf.yaml:1): the value is not a whole number
error: taskmanager: taskmanager.memory.process.size is 100 MiB, but the JVM alone needs 256 MiB of metaspace and 192 MiB of overhead: raise taskmanager.memory.process.size, or lower taskmanager.memory.jvm-metaspace.size or taskmanager.memory.jvm-overhead.min
5 settings for Flink 1.13.6: 2 errors, 3 warnings
"#);
}

#[test]
fn check_exits_with_0_for_warnings_unless_it_is_strict() {
    let arguments = ["check", "--flink-version", "2.3.0", "-D", "my.own=1"];
    assert_eq!(conf(&arguments, &[]).code, 0);
    let strict = [&arguments[..], &["--strict"]].concat();
    assert_eq!(conf(&strict, &[]).code, 75);
}

/// What `launch` and `appmaster` would refuse, `check` calls an error as well, once.
#[test]
fn check_refuses_what_a_start_refuses_and_says_everything_once() {
    let errors = |version: &str, settings: &[&str]| {
        let mut words = vec!["check", "--no-environment", "--flink-version", version];
        words.extend(settings.iter().flat_map(|one| ["-D", one]));
        let ran = conf(&words, &[]);
        let told = ran
            .stdout
            .lines()
            .filter(|line| line.starts_with("error: "));
        (ran.code, told.map(str::to_owned).collect::<Vec<_>>())
    };
    for setting in [
        "taskmanager.rpc.port=99999",
        "rest.bind-port=8090-8080",
        "historyserver.web.port=x",
        "env.java.opts.all=-Da=\"",
        "env.java.opts.historyserver='",
        "taskmanager.memory.process.size=much",
    ] {
        let (code, told) = errors("2.3.0", &[setting]);
        assert_eq!((code, told.len()), (75, 1), "{setting}: {told:?}");
    }
    let cores = [
        "taskmanager.memory.process.size=2g",
        "taskmanager.cpu.cores=-1",
    ];
    let (code, told) = errors("2.3.0", &cores);
    assert_eq!((code, told.len()), (75, 1), "{told:?}");
    let constraint = "mesos.constraints.hard.hostattribute=rack:LIKE:(";
    let (code, told) = errors("2.3.0", &["mesos.master=m:5050", constraint]);
    assert_eq!((code, told.len()), (75, 1), "{told:?}");
    // In a highly available cluster the first port is not opened.
    let settings = [
        "high-availability=zookeeper",
        "high-availability.jobmanager.port=6123",
        "jobmanager.rpc.port=6123",
    ];
    assert_eq!(errors("1.13.6", &settings), (0, Vec::new()));
}

#[test]
fn check_says_once_of_a_key_what_it_is() {
    let words = ["check", "--no-environment", "--flink-version", "1.18.1"];
    let settings = [
        "-D",
        "query.server.port=6125",
        "-D",
        "statefun.flink-job-name=x",
    ];
    let ran = conf(&[&words[..], &settings[..]].concat(), &[]);
    let warnings = ran
        .stdout
        .lines()
        .filter(|line| line.starts_with("warning: "));
    let warnings: Vec<&str> = warnings.collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("no Flink has ever read it"));
}

#[test]
fn a_parse_error_is_reported_with_its_line_and_never_written_over_the_file() {
    let broken = "a: 1\nb: [\n";
    let conf_directory = directory(&[("config.yaml", broken)]);
    let path = conf_directory.path();
    let ran = conf(
        &[
            "render",
            "--flink-version",
            "2.3.0",
            "--conf",
            text(path),
            "--out",
            text(path),
        ],
        &[("FLINK_PROPERTIES", "c: 3")],
    );
    assert_eq!(ran.code, 75);
    insta::assert_snapshot!(shown(&ran.stderr, path), @"flugs: CONF/config.yaml:3:1: while parsing a node, did not find expected node content");
    assert_eq!(
        fs::read_to_string(path.join("config.yaml")).unwrap(),
        broken
    );
}

#[test]
fn render_writes_secrets_for_their_owner_only_and_prints_none() {
    let target = tempfile::tempdir().unwrap();
    let out = target.path().join("conf");
    let arguments = [
        "render",
        "--flink-version",
        "1.20.5",
        "-D",
        "s3.secret-key=hunter#2",
    ];
    let printed = conf(&arguments, &[]);
    assert!(
        printed.stdout.contains("s3.secret-key: '******'")
            || printed.stdout.contains("s3.secret-key: ******")
            || printed.stdout.contains("s3.secret-key: \"******\""),
        "{}",
        printed.stdout
    );
    let written = conf(&[&arguments[..], &["--out", text(&out)]].concat(), &[]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let file = out.join("config.yaml");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("s3.secret-key: 'hunter#2'")
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        !(printed.stdout + &printed.stderr + &written.stdout + &written.stderr).contains("hunter")
    );
}

#[test]
fn diff_compares_files_of_different_kinds_and_exits_with_1_on_request() {
    let conf_directory = directory(&[
        ("flink-conf.yaml", "rest.port: 8081\na.b: c\n"),
        ("config.yaml", "rest:\n  port: 8081\na:\n  b: d\n"),
    ]);
    let path = conf_directory.path();
    let (old, new) = (path.join("flink-conf.yaml"), path.join("config.yaml"));
    let ran = conf(&["diff", text(&old), text(&new)], &[]);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "~ a.b: \"c\" -> \"d\"\n")
    );
    assert_eq!(
        conf(&["diff", text(&old), text(&new), "--exit-code"], &[]).code,
        1
    );
    assert_eq!(
        conf(&["diff", text(&old), text(&old), "--exit-code"], &[]).code,
        0
    );
}

#[test]
fn migrate_writes_a_file_that_means_the_same_and_overwrites_only_when_told() {
    let conf_directory = directory(&[(
        "flink-conf.yaml",
        "fs.s3a.endpoint: h\nfs.s3a.endpoint.region: r\njobmanager.web.port: 8081\n",
    )]);
    let path = conf_directory.path();
    let first = conf(&["migrate", text(path)], &[]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert_eq!(
        fs::read_to_string(path.join("config.yaml")).unwrap(),
        "fs.s3a.endpoint: h\nfs.s3a.endpoint.region: r\nrest.bind-port: 8081\nrest.port: 8081\n"
    );
    let second = conf(&["migrate", text(path)], &[]);
    assert_eq!(second.code, 74);
    assert!(second.stderr.contains("--force"));
    assert_eq!(conf(&["migrate", text(path), "--force"], &[]).code, 0);
    assert_eq!(
        conf(&["migrate", text(path), "--to", "1.18.1", "--force"], &[]).code,
        76
    );
}
