//! The commands and options that running text and tables name: each is one that flugs has, or one of
//! another program that is listed here.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Parser};

use crate::pages::{markdown, pages};
use crate::place::Place;

/// Options of other programs.
const FOREIGN: &[(&str, &[&str])] = &[
    ("docker", &DOCKER),
    ("mesos-agent", &["docker_registry", "sandbox_directory"]),
    ("flink", &["configDir"]),
    ("java", &["add-opens"]),
    ("bench/configuration.sh", &["quota"]),
    ("podman", &["cgroups", "read-only-tmpfs", "userns"]),
];

const DOCKER: [&str; 9] = [
    "cpus",
    "entrypoint",
    "health-cmd",
    "hostname",
    "memory",
    "name",
    "read-only",
    "tmpfs",
    "ulimit",
];

/// The commands of flugs, by their words, and what their help says.
struct Helps(BTreeMap<String, String>);

impl Helps {
    fn read() -> Self {
        let mut helps = Self(BTreeMap::new());
        helps.gather(&Place::new(&[]), "flugs");
        assert!(helps.0.len() > 20, "{:?}", helps.0.keys());
        helps
    }

    fn gather(&mut self, place: &Place, command: &str) {
        let help = place.run(&format!("{command} --help"));
        for subcommand in subcommands(&help) {
            self.gather(place, &format!("{command} {subcommand}"));
        }
        self.0.insert(command.to_owned(), help);
    }

    /// The longest command at the start of `words`, and the words that are left.
    fn command<'a, 'b>(&self, words: &'a [&'b str]) -> (String, &'a [&'b str]) {
        let mut length = words.len();
        while length > 1 && !self.0.contains_key(&words[..length].join(" ")) {
            length -= 1;
        }
        (words[..length].join(" "), &words[length..])
    }

    fn has(&self, command: &str, option: &str) -> bool {
        self.0.get(command).is_some_and(|help| takes(help, option))
    }

    fn anyone_has(&self, option: &str) -> bool {
        self.0.values().any(|help| takes(help, option))
    }
}

/// The names below `Commands:`.
fn subcommands(help: &str) -> Vec<&str> {
    let Some((_, after)) = help.split_once("\nCommands:\n") else {
        return Vec::new();
    };
    let lines = after.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

fn takes(help: &str, option: &str) -> bool {
    let mut words = help.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    words.any(|word| word.strip_prefix("--") == Some(option))
}

/// The long options among the words, up to the `--` behind which another command's begin.
fn options<'a>(words: &[&'a str]) -> BTreeSet<&'a str> {
    let own = words.iter().take_while(|word| **word != "--");
    own.filter_map(|word| word.trim_start_matches('[').strip_prefix("--"))
        .map(|option| option.split(['=', '\\', '|', ']', '\'']).next().unwrap())
        .filter(|option| !option.is_empty())
        .collect()
}

/// What is wrong with a piece of code in running text.
fn problem(helps: &Helps, code: &str) -> Option<String> {
    let words: Vec<&str> = code.split_whitespace().collect();
    match words.first() {
        Some(&"flugs") => {
            let (command, rest) = helps.command(&words);
            let next = rest.first().copied().unwrap_or_default();
            let named = next.starts_with(|c: char| c.is_ascii_lowercase());
            if named && !subcommands(&helps.0[&command]).is_empty() {
                return Some(format!("`{command}` has no command {next:?}"));
            }
            let unknown: Vec<&str> = options(rest)
                .into_iter()
                .filter(|option| *option != "help" && !helps.has(&command, option))
                .collect();
            (!unknown.is_empty()).then(|| format!("`{command}` has no option {unknown:?}"))
        }
        Some(word) if word.starts_with("--") => {
            let foreign = |option: &str| FOREIGN.iter().any(|(_, all)| all.contains(&option));
            let unknown: Vec<&str> = options(&words)
                .into_iter()
                .filter(|option| !helps.anyone_has(option) && !foreign(option))
                .collect();
            (!unknown.is_empty()).then(|| format!("no command has the option {unknown:?}"))
        }
        _ => None,
    }
}

#[test]
fn commands_and_options_in_running_text_and_tables_are_ones_that_there_are() {
    let helps = Helps::read();
    let mut named = 0;
    let mut problems = Vec::new();
    // What changed once was true when it did.
    for page in pages().into_iter().filter(|page| page != "CHANGELOG.md") {
        let markdown = markdown(&page);
        for event in Parser::new(&markdown) {
            if let Event::Code(code) = event {
                named += usize::from(code.starts_with("flugs ") || code.starts_with("--"));
                problems.extend(problem(&helps, &code).map(|found| format!("{page}: {found}")));
            }
        }
    }
    assert!(named > 100, "{named}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_command_or_option_that_is_not_there_is_found() {
    let helps = Helps::read();
    for (code, wrong) in [
        ("flugs up --taskmanagers 2", false),
        ("flugs up --taskmanager 2", true),
        ("flugs artifact fetch URL --sha256 HEX --to DIR", false),
        ("flugs artifact fatch URL", true),
        ("flugs supervise -- COMMAND --foo", false),
        ("flugs pu", true),
        ("--detach", false),
        ("--detached", true),
        ("rest.port", false),
    ] {
        assert_eq!(problem(&helps, code).is_some(), wrong, "{code}");
    }
}
