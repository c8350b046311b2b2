//! `docs/mesos.md` and the program are one: every option with its type and default, and every
//! setting that Flink is given, with the releases that it is for.

use std::collections::BTreeSet;

use flugs_flink_conf::mesos_defaults;
use flugs_flink_conf::options::{OptionTable, ValueType};
use flugs_model::Role;

const DOCUMENT: &str = include_str!("../docs/mesos.md");

/// The cells of a section's table, without its head.
fn rows(section: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = DOCUMENT.split_once(section).unwrap_or_default();
    let lines = rest
        .lines()
        .skip_while(|line| !line.starts_with("| option |"));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &'static str| {
        let line = line.trim_start_matches("| ").trim_end_matches(" |");
        line.split(" | ").map(str::trim).collect()
    };
    table.map(cells).collect()
}

fn code(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

#[test]
fn every_option_has_its_row_with_its_type_and_its_default() {
    let documented: BTreeSet<[String; 3]> = rows("## Configuration keys")
        .iter()
        .map(|row| {
            assert!(!row[3].is_empty(), "{row:?}");
            [code(row[0]), row[1].to_owned(), code(row[2])]
        })
        .collect();
    let type_name = |value_type: &ValueType| match value_type {
        ValueType::Enumeration(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        other => other.name().to_owned(),
    };
    let known: BTreeSet<[String; 3]> = OptionTable::own()
        .options()
        .iter()
        .map(|option| {
            let default = option.default.unwrap_or("–");
            [
                option.key.to_owned(),
                type_name(&option.value_type),
                default.to_owned(),
            ]
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn every_setting_of_flink_has_its_row_with_its_releases_and_its_reason() {
    let rows = rows("## What Flink is told");
    for line in [(1, 13), (1, 14), (1, 20), (2, 3)] {
        let is_for = |releases: &str| match releases.trim_end_matches("; JobManager") {
            "all" => true,
            "1.13" => line == (1, 13),
            "from 1.14" => line >= (1, 14),
            "2.x" => line.0 == 2,
            other => panic!("{other} is no word for releases"),
        };
        let documented: BTreeSet<(String, String)> = rows
            .iter()
            .filter(|row| is_for(row[2]) && row[3].len() > 10)
            .map(|row| (code(row[0]), code(row[1])))
            .collect();
        let table = OptionTable::for_line(line.0, line.1);
        let set = |role| -> BTreeSet<(String, String)> {
            let set = mesos_defaults(table, role).into_iter();
            set.map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect()
        };
        assert_eq!(documented, set(Role::JobManager), "{line:?}");
        let of_workers = rows
            .iter()
            .filter(|row| is_for(row[2]) && !row[2].ends_with("; JobManager"))
            .map(|row| (code(row[0]), code(row[1])));
        let of_workers: BTreeSet<_> = of_workers.collect();
        assert_eq!(of_workers, set(Role::TaskManager), "{line:?}");
    }
}
