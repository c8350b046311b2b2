//! Every option of Flink has the value that its own class gives it, and takes the texts that its
//! own class takes.

use std::collections::{BTreeMap, BTreeSet};

use flugs_flink_conf::options::{Lookup, OptionTable};
use flugs_flink_conf::{Configuration, Layer, Origin, map_deprecated};

use super::flink_homes::flink_home;
use super::jvm;

/// Settings, or the values that options have.
type Settings = BTreeMap<String, String>;

/// What the option classes of one release say.
struct Answers {
    /// Each option's key and its other keys, in order.
    options: Vec<Vec<String>>,
    /// The options that have a value, for each settings asked about.
    resolved: Vec<Settings>,
    /// For each option, and each class that has it, which of [`VALUES`] it takes.
    taken: BTreeMap<String, Vec<String>>,
}

/// Asks in one JVM.
fn ask(version: &str, settings: &[Settings]) -> Answers {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let of_settings = settings
        .iter()
        .map(|settings| format!("R{}", line(settings)));
    let of_values = VALUES.iter().map(|value| format!("V{}", escaped(value)));
    let questions: Vec<String> = of_settings.chain(of_values).collect();
    std::fs::write(path("questions"), questions.join("\n")).unwrap();
    let home = flink_home(version).display().to_string();
    let options = ["-Dlog4j2.level=OFF", "-XX:TieredStopAtLevel=1"];
    jvm::run(
        version,
        "AskOptions",
        &options,
        &[home, path("questions"), path("answers")],
    );
    let mut answers = Answers {
        options: Vec::new(),
        resolved: Vec::new(),
        taken: BTreeMap::new(),
    };
    for answer in std::fs::read_to_string(path("answers")).unwrap().lines() {
        let (kind, answer) = answer.split_at(1);
        match kind {
            "O" => answers
                .options
                .push(answer.split('\t').map(str::to_owned).collect()),
            "R" => answers.resolved.push(values(answer)),
            _ => {
                let (key, taken) = answer.split_once('\t').unwrap();
                let of_key = answers.taken.entry(key.to_owned()).or_default();
                of_key.push(taken.to_owned());
            }
        }
    }
    answers
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\");
    value.replace('\n', "\\n").replace('\t', "\\t")
}

fn line(settings: &Settings) -> String {
    let pairs = settings.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join("\t")
}

fn values(line: &str) -> Settings {
    let pairs = line.split('\t').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn table(version: &str) -> &'static OptionTable {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    OptionTable::for_line(parts.next().unwrap(), parts.next().unwrap())
}

/// Sets of names that belong together, each with every name that any of its options has.
fn groups(table: &OptionTable) -> Vec<BTreeSet<&'static str>> {
    let mut groups: Vec<BTreeSet<&str>> = Vec::new();
    for option in table
        .options()
        .iter()
        .filter(|option| !option.others.is_empty())
    {
        let mut names: BTreeSet<&str> = option.others.iter().map(|other| other.key).collect();
        names.insert(option.key);
        let (joined, apart) = groups
            .into_iter()
            .partition(|group: &BTreeSet<&str>| !group.is_disjoint(&names));
        groups = apart;
        names.extend(joined.into_iter().flatten());
        groups.push(names);
    }
    groups
}

/// Every single name of a group, every two and, where there are few, every three of them; and all.
fn cases(groups: &[BTreeSet<&str>]) -> Vec<Settings> {
    let mut cases = BTreeSet::new();
    for group in groups {
        let setting = |name: &&str| ((*name).to_owned(), format!("of-{name}"));
        cases.insert(group.iter().map(setting).collect());
        for a in group {
            for b in group {
                cases.insert([a, b].into_iter().map(setting).collect());
                for c in group.iter().filter(|_| group.len() < 7) {
                    cases.insert([a, b, c].into_iter().map(setting).collect());
                }
            }
        }
    }
    cases.into_iter().collect()
}

/// What flugs makes of settings that stand in one file.
fn mapped(settings: &Settings, table: &'static OptionTable) -> Settings {
    let mut configuration = Configuration::new();
    for (key, value) in settings {
        configuration.set(key, value, Origin::of(Layer::ConfDirectory));
    }
    map_deprecated(&mut configuration, table);
    let settings = configuration.iter();
    settings
        .map(|(key, setting)| (key.to_owned(), setting.value.clone()))
        .collect()
}

/// The table of a release has every option of its classes, with the other keys in their order.
fn assert_table_is_that_of(version: &str, options: &[Vec<String>]) {
    for option in options {
        let Lookup::Current(found) = table(version).lookup(&option[0]) else {
            panic!("{version} has {}, the table does not", option[0]);
        };
        let others = found.others.iter();
        let marked =
            others.map(|other| format!("{}{}", if other.is_older { "" } else { "?" }, other.key));
        let ours: Vec<String> = marked.collect();
        let theirs: Vec<&String> = option
            .iter()
            .skip(1)
            .filter(|key| **key != option[0])
            .collect();
        // Of two classes that have the key, the one that knows more counts.
        let has_less = theirs.is_empty();
        assert!(
            has_less || ours.iter().collect::<Vec<_>>() == theirs,
            "{version} {option:?}: {ours:?}"
        );
    }
}

/// Settings under every name, two, three and all of them, give each option the value that Flink
/// gives it, in the configuration that flugs writes and under the key that flugs reads. `left` are
/// the names that keep their value, because another option falls back to the newer one.
fn assert_resolves_alike(
    version: &str,
    cases: &[Settings],
    ours: &[Settings],
    resolved: &[Settings],
    left: &[&str],
) {
    let (of_cases, of_ours) = resolved.split_at(cases.len());
    let mut found_left = BTreeSet::new();
    for (index, case) in cases.iter().enumerate() {
        let (theirs, ours, read) = (&of_cases[index], &ours[index], &of_ours[index]);
        for (key, value) in theirs {
            assert_eq!(
                read.get(key),
                Some(value),
                "{version} {key} of {case:?}: {ours:?}"
            );
            if let Some(own) = ours.get(key) {
                assert_eq!(own, value, "{version} {key} of {case:?}: {ours:?}");
            } else if let Lookup::Current(option) = table(version).lookup(key) {
                let older = option.older_names();
                found_left.extend(older.filter(|name| value == &format!("of-{name}")));
            }
        }
        // A port that clients look for is more than Flink gives them: see `docs/configuration.md`.
        let more = read.keys().filter(|key| !theirs.contains_key(*key));
        let more: Vec<&str> = more
            .map(String::as_str)
            .filter(|key| *key != "rest.port")
            .collect();
        assert!(more.is_empty(), "{version} {case:?}: {more:?}");
    }
    assert_eq!(
        found_left.into_iter().collect::<Vec<_>>(),
        left,
        "{version}"
    );
}

/// Every option takes of all values those that Flink's own option takes.
fn assert_reads_alike(version: &str, answers: &Answers) {
    let table = table(version);
    for (key, taken) in &answers.taken {
        let Lookup::Current(option) = table.lookup(key) else {
            panic!("{version} has {key}, the table does not");
        };
        // Of two classes that have the key, the one that is more precise counts.
        let differs = |index: usize, value: &str| {
            let is_ours = option.value_type.accepts(value, table.rules);
            let is_theirs = |taken: &String| taken.as_bytes()[index] == b'1';
            taken.iter().all(|taken| is_theirs(taken) != is_ours)
        };
        let differing: Vec<&&str> = VALUES
            .iter()
            .enumerate()
            .filter(|(index, value)| differs(*index, value))
            .map(|(_, value)| value)
            .collect();
        assert!(
            differing.is_empty(),
            "{version} {key} ({:?}): {differing:?}",
            option.value_type
        );
    }
}

fn assert_agrees(version: &str, left: &[&str]) {
    let table = table(version);
    let cases = cases(&groups(table));
    assert!(cases.len() > 200, "{version}: {} cases", cases.len());
    let ours: Vec<Settings> = cases.iter().map(|case| mapped(case, table)).collect();
    let answers = ask(version, &[cases.as_slice(), &ours].concat());
    assert!(
        answers.taken.len() > 600,
        "{version}: {} options",
        answers.taken.len()
    );
    assert_table_is_that_of(version, &answers.options);
    assert_resolves_alike(version, &cases, &ours, &answers.resolved, left);
    assert_reads_alike(version, &answers);
}

#[test]
fn every_option_of_1_13_has_the_value_and_takes_the_texts_that_flinks_own_has_and_takes() {
    assert_agrees("1.13.6", &["taskmanager.maxRegistrationDuration"]);
}

const LEFT: [&str; 3] = [
    "akka.ask.timeout",
    "jobmanager.web.refresh-interval",
    "taskmanager.maxRegistrationDuration",
];

#[test]
fn every_option_of_1_20_has_the_value_and_takes_the_texts_that_flinks_own_has_and_takes() {
    assert_agrees("1.20.5", &LEFT);
}

#[test]
fn every_option_of_2_3_has_the_value_and_takes_the_texts_that_flinks_own_has_and_takes() {
    assert_agrees("2.3.0", &LEFT);
}

/// Values of every type, nearly of a type, and of none.
const VALUES: &[&str] = &[
    "",
    " ",
    "5",
    " 5",
    "5 ",
    "+5",
    "-5",
    "-1",
    "0",
    "-0",
    "5.5",
    ".5",
    "1.",
    "1e3",
    "1E3",
    "0x10",
    "0x1p3",
    "1_000",
    "5L",
    "5l",
    "5d",
    "5f",
    "5D",
    "5F",
    "99999999999",
    "2147483648",
    "9223372036854775808",
    "99999999999999999999",
    "NaN",
    "nan",
    "Infinity",
    "-Infinity",
    "infinity",
    "inf",
    "Inf",
    "infinite",
    "INFINITE",
    "true",
    "false",
    "TRUE",
    "True",
    " true",
    "yes",
    "1 s",
    "1s",
    "1 S",
    "-1 s",
    "-1s",
    "1.5 s",
    "1 min",
    "1 m",
    "1 h",
    "1 d",
    "1 days",
    "1 D",
    "1 DAYS",
    "1 week",
    "10 fortnights",
    "1 ms",
    "1 MILLISECOND",
    "1 msec",
    "1 µs",
    "1 μs",
    "1 micro",
    "1 ns",
    "1 nano",
    "PT5M",
    "pt5m",
    "P1D",
    "p1d",
    "PT-5M",
    "-PT5M",
    "P",
    "PT",
    "1  s",
    "1 s ",
    " 1 s",
    "9223372036854775807 d",
    "9223372036854775807",
    "106751991167301 d",
    "200000000000 d",
    "1b",
    "1 b",
    "1 bytes",
    "1kb",
    "1 k",
    "1 kibibytes",
    "1m",
    "1mb",
    "1 mib",
    "1 g",
    "1gb",
    "1 GB",
    "1 tb",
    "1 t",
    "1 p",
    "9999999999 tb",
    "-1m",
    "1.5g",
    "m",
    "a",
    "a:b",
    "a:b,c:d",
    "a:1;b:2",
    "a=b",
    "{a: b}",
    "{a: b, c: d}",
    "[a, b]",
    "[a",
    "{a",
    "a;b",
    "a,b",
    ";",
    ":",
    ":b",
    "a:",
    "a:b:c",
    "'a'",
    "\"a\"",
    "'a':b",
    "\"a:b\"",
    "a,b:c",
    "zookeeper",
    "ZOOKEEPER",
    "none",
    "NONE",
    "rocksdb",
    "- a",
    "#",
    "a #b",
    "? a",
    "*a",
    "&a",
    "!!str 5",
    "~",
    "null",
    "5 5",
    "1 s s",
    "1\n",
    "\t5",
    "1\ts",
    "[1, 2]",
    "[1, a]",
    "1;2",
    "1;a",
    "[1 s]",
    "1 s;2 s",
    "PT1S;PT2S",
    "{a: 1}",
    "{a: {b: c}}",
    "a:1 s",
    "a: 1",
    " a : b ",
    "a:b,",
    ",a:b",
    "a:b,,c:d",
    "'a:b,c'",
    "\"a:b\",c:d",
    "'a,b':c",
    "{}",
    "[]",
    "''",
    "\"\"",
    "'a",
    "'a';b",
    "'a' ;'b",
    "a:b;c:d,e:f",
    "a:b;c",
    "PT1.5S",
    "PT1,5S",
    "P1DT2H3M4S",
    "PT1M1H",
    "P1DT",
    "PT+5M",
    "P-1DT25H",
    "1 secs",
    "1 sec",
    "1 seconds",
    "1 hours",
    "1 minutes",
    "7 nanoseconds",
    "7 microseconds",
    "[a:b]",
    "[{a: b}]",
    "[{a: b}, {c: d}]",
    "{a: b};{c: d}",
    "1e",
    "1e+",
    "1e+5",
    ".",
    "-.5f",
    "0x.8p-1",
    "0x1",
    "- 5",
    "+-5",
    "8388608 tb",
    "8388607 tb",
    "state",
    "STATE;CURRENT_TIME",
    "[STATE]",
    "region",
    "full",
];
