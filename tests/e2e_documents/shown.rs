//! What the documents show and nobody runs: each kind against what reads or writes it.

use std::fs;
use std::path::{Path, PathBuf};

use flugs_flink_conf::parse_nested;

use crate::known::{Scene, Shown, of};
use crate::pages::{Block, ROOT};
use crate::place::Place;

fn shown(kind: Shown) -> Vec<Block> {
    let found = of(Scene::Shown(kind));
    assert!(!found.is_empty(), "{kind:?}");
    found
}

/// Both dialects, for the oldest release and for the newest.
#[test]
fn settings_pass_the_check_in_both_dialects() {
    let mut settings = String::new();
    for block in shown(Shown::Settings) {
        settings.push_str(&block.text);
    }
    for (file, version) in [("flink-conf.yaml", "1.13.6"), ("config.yaml", "2.3.0")] {
        let place = Place::new(&[("/etc/flugs", "tls")]);
        fs::create_dir(place.path("tls")).unwrap();
        fs::create_dir(place.path("conf")).unwrap();
        let text = settings.replace("/etc/flugs", place.path("tls").to_str().unwrap());
        fs::write(place.path("conf").join(file), text).unwrap();
        place.run(&format!(
            "flugs conf check --strict --no-environment --flink-version {version} --conf conf"
        ));
    }
}

#[test]
fn a_part_of_prometheus_configuration_is_yaml_with_its_names() {
    for block in shown(Shown::Prometheus) {
        let parsed = parse_nested(&block.text, &block.place()).unwrap();
        let [scrapes] = parsed.settings.as_slice() else {
            panic!("{}: {:?}", block.place(), parsed.settings);
        };
        assert_eq!(scrapes.key, "scrape_configs");
        for name in ["job_name", "credentials_file", "static_configs", "targets"] {
            assert!(scrapes.value.contains(name), "{name}: {}", scrapes.value);
        }
    }
}

#[test]
fn a_credential_file_is_read() {
    for block in shown(Shown::Credential) {
        let place = Place::new(&[]);
        let path = place.path("credential");
        fs::write(&path, &block.text).unwrap();
        let read = flugs_mesos::connection::BasicCredentials::from_file(&path).unwrap();
        assert_eq!(read.principal(), "flink");
    }
}

#[test]
fn a_command_takes_the_options_that_its_usage_shows() {
    for block in shown(Shown::Usage) {
        let mut words = block.text.split_whitespace();
        let command: Vec<&str> = words.by_ref().take(2).collect();
        let help = Place::new(&[]).run(&format!("{} --help", command.join(" ")));
        let options = words.filter_map(|word| word.trim_start_matches('[').strip_prefix("--"));
        for option in options.filter(|option| !option.is_empty()) {
            assert!(
                help.contains(&format!("--{option}")),
                "{}: {option}",
                block.place()
            );
        }
    }
}

/// Drawings name commands, in backquotes.
#[test]
fn the_commands_that_drawings_name_exist() {
    for block in shown(Shown::Drawing) {
        let named: Vec<&str> = block.text.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{}", block.place());
        for command in named {
            Place::new(&[]).run(&format!("{command} --help"));
        }
    }
}

#[test]
fn the_crates_that_are_drawn_exist() {
    for block in shown(Shown::Crates) {
        let words = block.text.split_whitespace().skip(2);
        for name in words.filter(|word| *word != "-->") {
            assert!(is_crate(name), "{}: no crate {name}", block.place());
        }
    }
}

fn is_crate(name: &str) -> bool {
    Path::new(ROOT).join("crates").join(name).is_dir()
}

#[test]
fn what_the_program_says_stands_in_the_snapshot_of_a_test() {
    let mut sources = Vec::new();
    for folder in ["src", "crates"] {
        gather(&Path::new(ROOT).join(folder), &mut sources);
    }
    let sources: Vec<String> = sources
        .iter()
        .map(|path| even(&fs::read_to_string(path).unwrap()))
        .collect();
    for block in shown(Shown::Snapshot) {
        let text = even(&block.text);
        let found = sources.iter().any(|source| source.contains(&text));
        assert!(
            found,
            "{}: no test's snapshot has this:\n{}",
            block.place(),
            block.text
        );
    }
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, files);
        } else {
            files.push(path);
        }
    }
}

/// The text without indentation and line ends, which differ where it is quoted.
fn even(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each line has its time, and says something that the application master says somewhere.
#[test]
fn a_log_has_the_time_before_each_line() {
    for block in shown(Shown::Log) {
        for line in block.text.lines() {
            let (time, said) = line.split_once(' ').unwrap();
            let time: jiff::Timestamp = time.parse().unwrap();
            assert!(
                time.to_string().ends_with('Z') && said.starts_with("flugs: "),
                "{line}"
            );
        }
    }
}

/// Scripts are there and well-formed, and crates that are named exist.
#[test]
fn commands_for_developing_name_what_is_there() {
    for block in shown(Shown::Developing) {
        for line in block.text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(script) = line.strip_prefix("./") {
                let words: Vec<&str> = script.split_whitespace().collect();
                Place::new(&[]).run(&format!(
                    "bash -n '{ROOT}/{}' && test -x '{ROOT}/{0}'",
                    words[0]
                ));
                continue;
            }
            assert_eq!(words[0], "cargo", "{}: {line}", block.place());
            for name in words.iter().filter_map(|word| word.strip_prefix("flugs-")) {
                assert!(is_crate(name), "{}: no crate {name}", block.place());
            }
        }
    }
}
