//! flugs and Flink's own loader read the same thing: what flugs renders, and what people write. And
//! the log settings that flugs writes do what they say, in the log4j that Flink ships.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod beside_file;
#[path = "../flink_homes/mod.rs"]
mod flink_homes;
mod jvm;
mod loader;
mod options;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use flugs_flink_conf::{
    ConfError, ConfSource, Configuration, ConsoleLayout, Dialect, Edit, Existing, Layer, Origin,
    Parsed, Refusal, Taking, edited, parse_flat, parse_nested, prepare_directory, render,
    unrepresentable,
};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

type Settings = BTreeMap<String, String>;

/// As many values as asked for, the same ones at every run.
fn sample<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn settings(parsed: Parsed) -> Settings {
    let settings = parsed.settings.into_iter();
    settings
        .map(|setting| (setting.key, setting.value))
        .collect()
}

/// What flugs refuses though Flink takes it: each a text that nobody writes on purpose.
fn is_deliberately_stricter(error: &ConfError) -> bool {
    match error {
        ConfError::Refused { refusal, .. } => matches!(
            refusal,
            Refusal::UnusualLineBreak
                | Refusal::ByteOrderMark
                | Refusal::MissingKey
                | Refusal::TooDeep { .. }
                | Refusal::RepeatedAlias
        ),
        ConfError::Syntax { message, .. } => [
            "a block scalar without text; write \"\"",
            "a directive other than %YAML and %TAG",
            // Of the event parser: comments glued to a bracket, quoted keys with a tail, a block
            // scalar in a line of its own that is indented like its key, and a tab behind a null.
            "comments must be separated from other tokens by whitespace",
            "invalid trailing content after double-quoted scalar",
            "simple key expect ':'",
            "simple key expected",
            "a tab stands where Flink's parser takes only spaces",
            "invalid indentation in quoted scalar",
            "tab cannot be used as indentation",
            "comment intercepting the multiline text",
        ]
        .contains(&message.as_str()),
        _ => false,
    }
}

/// Reads every text with both loaders and fails where they disagree.
fn assert_agreement(version: &str, texts: &[String]) {
    let cases: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|text| ("config.yaml", text.as_bytes()))
        .collect();
    let (mut accepted, mut stricter) = (0, 0);
    for (text, flink) in texts.iter().zip(loader::read(version, &cases)) {
        match (parse_nested(text, "config.yaml").map(settings), flink) {
            (Ok(ours), Ok(flink)) => {
                assert_eq!(ours, flink, "{version} {text:?}");
                accepted += 1;
            }
            (Ok(ours), Err(refusal)) => panic!("{version} {text:?}: {ours:?}, {refusal}"),
            (Err(error), Ok(flink)) => {
                assert!(
                    is_deliberately_stricter(&error),
                    "{version} {text:?}: {error}, {flink:?}"
                );
                stricter += 1;
            }
            (Err(_), Err(_)) => {}
        }
    }
    assert!(
        accepted * 10 > texts.len(),
        "only {accepted} of {} are YAML",
        texts.len()
    );
    assert!(
        stricter * 20 < texts.len(),
        "stricter {stricter} times of {}",
        texts.len()
    );
}

#[test]
fn config_yaml_reads_as_flinks_own_loader_reads_it() {
    let mut texts = sample(&yaml::soup(), 2_000);
    texts.extend(sample(&yaml::document(), 4_000));
    texts.extend(sample(&yaml::framed_value(), 500));
    for version in ["1.20.5", "2.3.0"] {
        assert_agreement(version, &texts);
    }
}

#[test]
fn flink_conf_yaml_reads_as_flinks_own_loader_reads_it() {
    let texts = sample(&yaml::flat_lines(), 3_000);
    let cases: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|text| ("flink-conf.yaml", text.as_bytes()))
        .collect();
    for version in ["1.13.6", "1.20.5"] {
        for (text, flink) in texts.iter().zip(loader::read(version, &cases)) {
            let ours = settings(parse_flat(text, "flink-conf.yaml"));
            assert_eq!(Ok(ours), flink, "{version} {text:?}");
        }
    }
}

/// Keys and values that a sane configuration never has, and some that real ones do.
fn hostile() -> impl Strategy<Value = Settings> {
    let text = prop_oneof![
        4 => "[a-z#:\\-\\[\\]{},&*!|>'\"%@` .=~?\\\\$()]{1,24}",
        2 => "(?s).{0,24}",
        2 => "\\PC{0,24}",
        1 => "[0-9+.eExXo_:-]{1,8}",
        1 => "[\\x00-\\x20\u{7f}-\u{a0}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}a]{0,12}",
        1 => prop::sample::select(vec![
            "true", "null", "~", "yes", "---", "...", "- a", "? a", "a: b", "a #b", " a", "a ", "007", "1e3", "0x1F",
            ".inf", "<<", "=", "*a", "&a", "!a", "[a, b]", "{a: b}", "'a'", "\"a\"", "\\n", "a\nb", "a\r\nb", "",
            "-Dx=\"p q\" -Dy='$HOME'", "s3://b/p?x=1&y=2", "🦀", "fs.s3a.endpoint", "fs.s3a.endpoint.region",
        ]).prop_map(str::to_owned),
    ];
    btree_map(text.clone(), text, 1..6)
}

/// Renders at least a thousand hostile configurations and reads them back with Flink's loader.
fn assert_reads_back(version: &str, dialect: Dialect) {
    let mut rendered: Vec<(Settings, String)> = Vec::new();
    for settings in sample(&hostile(), 1_500) {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(key, value, Origin::of(Layer::Manifest));
        }
        for problem in unrepresentable(&configuration, dialect) {
            configuration.remove(&problem.key);
        }
        let text = render(&configuration, dialect).unwrap();
        let expected = configuration
            .iter()
            .map(|(key, setting)| (key.to_owned(), setting.value.clone()));
        rendered.push((expected.collect(), text));
    }
    let count: usize = rendered.iter().map(|(settings, _)| settings.len()).sum();
    assert!(count >= 1_000, "only {count} settings");
    let cases: Vec<(&str, &[u8])> = rendered
        .iter()
        .map(|(_, text)| (dialect.file_name(), text.as_bytes()))
        .collect();
    for ((expected, text), flink) in rendered.iter().zip(loader::read(version, &cases)) {
        assert_eq!(Ok(expected), flink.as_ref(), "{version}\n{text}");
    }
}

#[test]
fn a_rendered_flink_conf_yaml_is_read_back_by_flinks_own_loader() {
    assert_reads_back("1.13.6", Dialect::Flat);
    assert_reads_back("1.20.5", Dialect::Flat);
}

#[test]
fn a_rendered_config_yaml_is_read_back_by_flinks_own_loader() {
    assert_reads_back("1.20.5", Dialect::Nested);
    assert_reads_back("2.3.0", Dialect::Nested);
}

/// Files that people own, edited in place: Flink reads what was set, and what stays.
fn assert_edits_read_back(version: &str, dialect: Dialect) {
    let shipped = flink_homes::flink_home(version)
        .join("conf")
        .join(dialect.file_name());
    let shipped = std::fs::read_to_string(shipped).unwrap();
    let flow = "rest: {port: 8081, address: 0.0.0.0}\n";
    let layouts = match dialect {
        Dialect::Flat => vec![shipped],
        Dialect::Nested => vec![shipped, flow.to_owned()],
    };
    let edits: Vec<Edit> = [
        ("jobmanager.rpc.address", "jm"),
        ("rest.port", "8099"),
        ("fs.s3a.endpoint", "https://a"),
        ("fs.s3a.endpoint.region", "eu"),
        ("taskmanager.numberOfTaskSlots", "4"),
        ("env.java.opts.taskmanager", "-Da=b -Dc='d e'"),
    ]
    .map(|(key, value)| Edit {
        key: key.to_owned(),
        value: value.to_owned(),
        source: "FLINK_PROPERTIES".to_owned(),
    })
    .into();
    let texts: Vec<String> = layouts
        .iter()
        .map(|text| edited(text, dialect, &edits, "").unwrap().unwrap())
        .collect();
    let cases: Vec<(&str, &[u8])> = texts
        .iter()
        .map(|text| (dialect.file_name(), text.as_bytes()))
        .collect();
    for (answer, before) in loader::read(version, &cases).iter().zip(&layouts) {
        let mut wanted = match dialect {
            Dialect::Flat => settings(parse_flat(before, "")),
            Dialect::Nested => settings(parse_nested(before, "").unwrap()),
        };
        wanted.extend(
            edits
                .iter()
                .map(|edit| (edit.key.clone(), edit.value.clone())),
        );
        assert_eq!(answer.as_ref().unwrap(), &wanted, "{version}: {before}");
    }
}

#[test]
fn what_is_set_in_a_file_in_place_reads_back_in_flink() {
    assert_edits_read_back("1.13.6", Dialect::Flat);
    assert_edits_read_back("1.20.5", Dialect::Nested);
    assert_edits_read_back("2.3.0", Dialect::Nested);
}

/// What log4j prints with the settings that a launch would get.
fn logged(version: &str, source: Option<&Path>, layout: ConsoleLayout) -> String {
    let directory = tempfile::tempdir().unwrap();
    let conf = directory.path().join("conf");
    let source = source.map(|directory| ConfSource {
        directory,
        release: None,
        taking: Taking::Copies,
    });
    prepare_directory(
        source,
        &conf,
        &Configuration::new(),
        Dialect::Nested,
        layout,
        Existing::Replaced,
    )
    .unwrap();
    let options = [
        format!(
            "-Dlog4j.configurationFile={}",
            conf.join("log4j-console.properties").display()
        ),
        format!("-Dlog.file={}", directory.path().join("log").display()),
    ];
    jvm::run(
        version,
        "WriteLog",
        &options.each_ref().map(String::as_str),
        &[],
    )
}

#[test]
fn the_json_layout_prints_one_json_object_a_line_in_every_log4j_that_flink_ships() {
    for version in ["1.13.6", "1.20.5", "2.3.0"] {
        let shipped = flink_homes::flink_home(version).join("conf");
        for source in [None, Some(shipped.as_path())] {
            let printed = logged(version, source, ConsoleLayout::Json);
            let lines: Vec<serde_json::Value> = printed
                .lines()
                .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
                .collect();
            assert_eq!(lines.len(), 3, "{version}: {printed}");
            assert_eq!(lines[0]["message"], "plain");
            assert_eq!(lines[0]["level"], "INFO");
            let message = "quotes \" and \\ and\ttabs\nand lines, ü中 and \u{1}";
            assert_eq!(lines[1]["message"], message, "{version}");
            let exception = lines[2]["exception"].as_str().unwrap();
            assert!(
                exception.contains("IllegalStateException"),
                "{version}: {exception}"
            );
        }
    }
}

#[test]
fn without_settings_of_its_own_a_launch_logs_to_the_console() {
    for version in ["1.13.6", "2.3.0"] {
        let printed = logged(version, None, ConsoleLayout::AsConfigured);
        assert!(
            printed.contains("INFO") && printed.contains(" - plain"),
            "{printed}"
        );
    }
}
