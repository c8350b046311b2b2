//! Options that change nothing beside the others that were given. Whoever gives one expects
//! something, so it is said.
//!
//! One table; what a command reads only later is the command's own to tell.

use std::io::IsTerminal as _;

use clap::parser::ValueSource;
use clap::{ArgMatches, Parser};

use super::output;

/// Options that have no effect in a mode of a command.
struct Rule {
    command: &'static [&'static str],
    /// By the names of their fields.
    options: &'static [&'static str],
    /// Whether the command was given in that mode.
    idle: fn(&ArgMatches) -> bool,
    /// What mode that is.
    because: &'static str,
}

const RESTARTS: &[&str] = &["backoff", "backoff_max", "stable", "window"];
const NO_RESTART: &str = "with --restart never, nothing is started again";

const RULES: &[Rule] = &[
    Rule {
        command: &["up"],
        options: &["appmaster_image", "worker_image", "cpus"],
        idle: |given| text(given, "on") != "docker",
        because: "without --on docker, members are processes",
    },
    Rule {
        command: &["up"],
        options: RESTARTS,
        idle: never_restarts,
        because: NO_RESTART,
    },
    Rule {
        command: &["appmaster"],
        options: RESTARTS,
        idle: never_restarts,
        because: NO_RESTART,
    },
    Rule {
        command: &["supervise"],
        options: RESTARTS,
        idle: never_restarts,
        because: NO_RESTART,
    },
    Rule {
        command: &["supervise"],
        options: &["crash_directory"],
        idle: |given| !is_given(given, "report"),
        because: "without --report, nothing tells of crash files",
    },
    Rule {
        command: &["supervise"],
        options: &["foreground"],
        idle: |_| !std::io::stdin().is_terminal(),
        because: "standard input is no terminal",
    },
    Rule {
        command: &["launch"],
        options: RESTARTS,
        idle: |given| never_restarts(given) && !starts_nothing(given),
        because: NO_RESTART,
    },
    Rule {
        command: &["launch"],
        options: &[
            "backoff",
            "backoff_max",
            "core_size",
            "drop_capabilities",
            "exit_code_on_stop",
            "follow_parent",
            "grace",
            "health_alive",
            "health_dump",
            "health_failures",
            "health_http",
            "health_interval",
            "health_start",
            "health_tcp",
            "health_timeout",
            "log_also_pass",
            "log_directory",
            "log_keep",
            "log_size",
            "logs",
            "no_new_privileges",
            "open_files",
            "own",
            "restart",
            "stable",
            "status",
            "stop_signal",
            "user",
            "window",
        ],
        idle: starts_nothing,
        because: "with --check or --prepare, nothing is started",
    },
    Rule {
        command: &["launch"],
        options: &[
            "ca",
            "cache",
            "cache_size",
            "cert",
            "key",
            "registry_auth",
            "token_file",
        ],
        idle: |given| !is_given(given, "manifest"),
        because: "without --manifest, nothing is fetched",
    },
    Rule {
        command: &["conf", "check"],
        options: &["flink_home"],
        idle: home_is_not_read,
        because: HOME_NOT_READ,
    },
    Rule {
        command: &["conf", "explain"],
        options: &["flink_home"],
        idle: home_is_not_read,
        because: HOME_NOT_READ,
    },
    Rule {
        command: &["conf", "render"],
        options: &["flink_home"],
        idle: home_is_not_read,
        because: HOME_NOT_READ,
    },
    Rule {
        command: &["memory"],
        options: &["conf", "container_limit", "properties"],
        idle: |given| text(given, "role").starts_with("history"),
        because: "a history server has no memory options",
    },
    Rule {
        command: &["image", "build"],
        options: &[
            "base_sha256",
            "compression",
            "directory",
            "json",
            "platforms",
            "threads",
            "user_files",
        ],
        idle: |given| is_given(given, "engine"),
        because: "with --engine, the Docker engine builds",
    },
    Rule {
        command: &["image", "build"],
        options: &["base_sha256"],
        idle: |given| !is_given(given, "bases") && !is_given(given, "engine"),
        because: "without --base, the definition's own base and digest count",
    },
    Rule {
        command: &["image", "build"],
        options: &["threads"],
        idle: |given| text(given, "compression") == "none" && !is_given(given, "engine"),
        because: "with --compression none, nothing is compressed",
    },
    Rule {
        command: &["artifact", "fetch"],
        options: &["ca", "cert", "key", "pin"],
        idle: |given| !has_scheme(given, &["https", "oci"]),
        because: "no URL is spoken to over TLS",
    },
    Rule {
        command: &["artifact", "fetch"],
        options: &["registry_auth"],
        idle: |given| !has_scheme(given, &["oci"]),
        because: "no URL is of a registry (oci:)",
    },
    Rule {
        command: &["artifact", "fetch"],
        options: &["token_file"],
        idle: |given| !has_scheme(given, &["http", "https"]),
        because: "no URL is of an artifact server (http or https)",
    },
    Rule {
        command: &["serve"],
        options: &["secrets_in_the_clear"],
        idle: |given| is_given(given, "tls_cert") || is_given(given, "tls_self_signed"),
        because: "with a certificate, everything is served over TLS",
    },
];

const HOME_NOT_READ: &str = "--flink-version and --conf say all that would be read there";

/// Parses a command line, and says which of its options have no effect. `above` is the command
/// that `P` is the command line of, if it is not all of it.
pub(super) fn parse<P: Parser>(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    above: &[&str],
) -> Result<P, clap::Error> {
    let matches = P::command().try_get_matches_from(words)?;
    for sentence in sentences(&P::command(), &matches, above) {
        output::note(&format!("flugs: warning: {sentence}"));
    }
    P::from_arg_matches(&matches)
}

/// A sentence for each option that has no effect.
fn sentences(root: &clap::Command, matches: &ArgMatches, above: &[&str]) -> Vec<String> {
    let mut path: Vec<&str> = above.to_vec();
    let (mut command, mut given) = (Some(root), matches);
    while let Some((name, below)) = given.subcommand() {
        path.push(name);
        command = command.and_then(|command| command.find_subcommand(name));
        given = below;
    }
    // The background process of a detached cluster was called by one that has said so.
    let repeats = path == ["up"] && given.get_flag("in_background");
    let rules = RULES
        .iter()
        .filter(|rule| rule.command == path && !repeats && (rule.idle)(given));
    let found = rules.flat_map(|rule| {
        let options = rule.options.iter().filter(|option| is_given(given, option));
        options.map(|option| (shown(command, option), rule.because))
    });
    found
        .map(|(option, because)| format!("{option} has no effect: {because}"))
        .collect()
}

/// An option as people write it.
fn shown(command: Option<&clap::Command>, id: &str) -> String {
    let mut arguments = command.into_iter().flat_map(clap::Command::get_arguments);
    let argument = arguments.find(|argument| argument.get_id() == id);
    let long = argument.and_then(|argument| argument.get_long().map(|long| format!("--{long}")));
    let short = argument.and_then(|argument| argument.get_short().map(|short| format!("-{short}")));
    long.or(short).unwrap_or_else(|| id.to_owned())
}

fn is_given(given: &ArgMatches, id: &str) -> bool {
    given.value_source(id) == Some(ValueSource::CommandLine)
}

/// The values of an option as they were written, or its default.
fn texts<'a>(given: &'a ArgMatches, id: &str) -> impl Iterator<Item = String> + use<'a> {
    let values = given.get_raw(id).into_iter().flatten();
    values.map(|value| value.to_string_lossy().into_owned())
}

fn text(given: &ArgMatches, id: &str) -> String {
    texts(given, id).next().unwrap_or_default()
}

fn never_restarts(given: &ArgMatches) -> bool {
    matches!(text(given, "restart").as_str(), "never" | "no")
}

fn starts_nothing(given: &ArgMatches) -> bool {
    given.get_flag("check") || given.get_flag("prepare")
}

fn home_is_not_read(given: &ArgMatches) -> bool {
    is_given(given, "flink_version") && is_given(given, "conf")
}

fn has_scheme(given: &ArgMatches, schemes: &[&str]) -> bool {
    let is = |url: &str| {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        schemes.iter().any(|one| one.eq_ignore_ascii_case(scheme))
    };
    texts(given, "urls").any(|url| is(&url))
}

#[cfg(test)]
mod tests {
    use super::super::CommandLine;
    use super::*;
    use clap::CommandFactory as _;

    fn told(line: &str) -> Vec<String> {
        let words = line.split(' ');
        let matches = CommandLine::command().try_get_matches_from(words);
        sentences(&CommandLine::command(), &matches.unwrap(), &[])
    }

    #[test]
    fn every_rule_names_options_that_its_command_has() {
        for rule in RULES {
            let mut command = &CommandLine::command();
            for name in rule.command {
                command = command.find_subcommand(name).unwrap();
            }
            for option in rule.options {
                let mut arguments = command.get_arguments();
                let found = arguments.any(|argument| argument.get_id() == option);
                assert!(found, "{:?} {option}", rule.command);
            }
        }
    }

    #[test]
    fn what_has_no_effect_is_told_by_its_name_and_why() {
        insta::assert_snapshot!(
            [
                "flugs up --cpus 2 --worker-image x",
                "flugs up --restart never --restart-backoff 3",
                "flugs supervise --restart-window 5 --crash-directory /tmp -- true",
                "flugs launch taskmanager --check --grace 3 --restart-backoff 1 --cache /c",
                "flugs memory --role history-server --flink-version 2.3.0 -D a=b",
                "flugs image build --engine worker --json --base-sha256 \
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "flugs conf check --flink-home /a --flink-version 2.3.0 --conf /b",
                "flugs artifact fetch file:/a --to b --registry-auth c --ca d --token-file e --sha256 \
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "flugs serve --secrets-in-the-clear --tls-self-signed",
            ]
            .map(|line| told(line).join("\n"))
            .join("\n"),
            @r"
        --worker-image has no effect: without --on docker, members are processes
        --cpus has no effect: without --on docker, members are processes
        --restart-backoff has no effect: with --restart never, nothing is started again
        --restart-window has no effect: with --restart never, nothing is started again
        --crash-directory has no effect: without --report, nothing tells of crash files
        --restart-backoff has no effect: with --check or --prepare, nothing is started
        --grace has no effect: with --check or --prepare, nothing is started
        --cache has no effect: without --manifest, nothing is fetched
        -D has no effect: a history server has no memory options
        --base-sha256 has no effect: with --engine, the Docker engine builds
        --json has no effect: with --engine, the Docker engine builds
        --flink-home has no effect: --flink-version and --conf say all that would be read there
        --ca has no effect: no URL is spoken to over TLS
        --registry-auth has no effect: no URL is of a registry (oci:)
        --token-file has no effect: no URL is of an artifact server (http or https)
        --secrets-in-the-clear has no effect: with a certificate, everything is served over TLS
        "
        );
    }

    #[test]
    fn what_has_an_effect_is_not_told() {
        for line in [
            "flugs up --on docker --cpus 2 --worker-image x",
            "flugs up --restart-backoff 3",
            "flugs up --in-background --cpus 2",
            "flugs supervise --restart always --restart-window 5 --report r --crash-directory /tmp -- true",
            "flugs launch taskmanager --check --json",
            "flugs conf check --flink-home /a --flink-version 2.3.0",
        ] {
            assert_eq!(told(line), Vec::<String>::new(), "{line}");
        }
    }
}
