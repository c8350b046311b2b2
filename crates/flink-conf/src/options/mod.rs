//! Every configuration option of Flink, with its type, default and other names, as data.
//!
//! The table is dumped from the option classes of each release line by
//! `tools/flink-options/dump.sh` and compiled in as text. A second table has what flugs itself
//! reads, with every Flink: the options of the Mesos integration that Flink had up to 1.13, and
//! those that came with flugs (`flugs.*`).

mod duration;
mod number;
mod rules;
mod structured;
mod value_type;

use std::sync::{LazyLock, OnceLock};

pub use duration::parse_duration;
pub use rules::ReadingRules;
pub use value_type::ValueType;

/// One configuration option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlinkOption {
    /// The key. A part in angle brackets (`metrics.reporter.<name>.class`) stands for any name.
    pub key: &'static str,
    /// What its value must be.
    pub value_type: ValueType,
    /// The default as Flink prints it; `None` if there is none, or none worth printing.
    pub default: Option<&'static str>,
    /// The other keys that Flink asks for, in its order, if this one is unset.
    pub others: Vec<OtherKey>,
}

/// A key that may have a value for an option which has another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherKey {
    /// The key.
    pub key: &'static str,
    /// Whether it is a name that the option had in older releases. Otherwise it means something of
    /// its own, and stands in.
    pub is_older: bool,
}

impl FlinkOption {
    /// Older names that Flink still reads, in its order.
    pub fn older_names(&self) -> impl Iterator<Item = &'static str> {
        let older = self.others.iter().filter(|other| other.is_older);
        older.map(|other| other.key)
    }
}

/// How a key relates to the options of a release line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It is an option's own key.
    Current(&'a FlinkOption),
    /// It is an older name of an option.
    Alias(&'a FlinkOption),
    /// It belongs to a family of keys that Flink hands on to somebody else, or to a script.
    Family,
    /// Nothing that this Flink reads is called so.
    Unknown,
}

/// The options of one release line.
#[derive(Debug)]
pub struct OptionTable {
    /// The release line, e.g. `1.20`.
    pub line: &'static str,
    /// How its options read their values.
    pub rules: ReadingRules,
    options: Vec<FlinkOption>,
}

/// The release lines of the data, oldest first.
const LINES: [&str; 12] = [
    "1.13", "1.14", "1.15", "1.16", "1.17", "1.18", "1.19", "1.20", "2.0", "2.1", "2.2", "2.3",
];

const DATA: &str = include_str!("data/flink.tsv");

/// Prefixes of keys that Flink does not list as options: it hands them on to a file system, a
/// reporter or a container, or reads them by pattern.
const FAMILIES: [&str; 71] = [
    "$internal.",
    "internal.",
    "abfs.",
    "akka.",
    "azure.",
    "containerized.master.env.",
    "containerized.taskmanager.env.",
    "cos.",
    "cosn.",
    "dfs.",
    "dstl.",
    "events.reporter.",
    "external-resource.",
    "flink.hadoop.",
    "flink.yarn.",
    "fs.",
    "google.",
    "gs.",
    "hadoop.",
    "hbase.",
    "hdfs.",
    "hive.",
    "job.autoscaler.",
    "kubernetes.hadoop.",
    "kubernetes.operator.",
    "metastore.",
    "metrics.reporter.",
    "metrics.scope.variables.",
    "obs.",
    "oss.",
    "presto.",
    "s3.",
    "s3a.",
    "s3n.",
    "security.delegation.token.provider.",
    "security.module.",
    "statefun.",
    "swift.",
    "traces.reporter.",
    "wasb.",
    "zookeeper.sasl.",
    // Options of tables, formats, connectors, catalogs and the SQL clients. They belong into a
    // table's WITH or another file, but do no harm here; their jars are not in every home.
    "avro.",
    "avro-confluent.",
    "canal-json.",
    "catalog.",
    "compaction.",
    "connector.",
    "csv.",
    "debezium-avro-confluent.",
    "debezium-json.",
    "format.",
    "json.",
    "kafka.",
    "key.",
    "lookup.",
    "maxwell-json.",
    "ogg-json.",
    "orc.",
    "parquet.",
    "partition.",
    "properties.",
    "protobuf.",
    "python.",
    "raw.",
    "scan.",
    "sink.",
    "source.",
    "sql-client.",
    "sql-gateway.",
    "table.catalog-store.",
    "value.",
];

/// Keys that only Flink's shell scripts read. They are in no option class.
const SCRIPT_KEYS: [&str; 13] = [
    "env.hadoop.conf.dir",
    "env.hbase.conf.dir",
    "env.java.default-opts.sql-gateway",
    "env.java.home",
    "env.java.opts.sql-gateway",
    "env.log.dir",
    "env.log.level",
    "env.pid.dir",
    "env.ssh.opts",
    "env.stdout-err.redirect-to-file",
    "env.yarn.conf.dir",
    "taskmanager.compute.numa",
    "zookeeper.heap.mb",
];

impl OptionTable {
    /// The options of a release line; those of the newest one that is known for a newer one.
    pub fn for_line(major: u32, minor: u32) -> &'static Self {
        let index = match (major, minor) {
            (0, _) | (1, ..=13) => 0,
            (1, 14) => 1,
            (1, 15) => 2,
            (1, 16) => 3,
            (1, 17) => 4,
            (1, 18) => 5,
            (1, 19) => 6,
            (1, _) => 7,
            (2, 0) => 8,
            (2, 1) => 9,
            (2, 2) => 10,
            _ => 11,
        };
        table_of(index)
    }

    /// The options that flugs itself reads. What it says of a key goes before any other table:
    /// the key means here what flugs makes of it.
    pub fn own() -> &'static Self {
        &OWN
    }

    /// The tables that say what a key is, given that of a release line: that of flugs first.
    pub fn with_own(&'static self) -> [&'static Self; 2] {
        [Self::own(), self]
    }

    /// Every option, sorted by key.
    pub fn options(&self) -> &[FlinkOption] {
        &self.options
    }

    /// What a key is in this release line.
    pub fn lookup(&self, key: &str) -> Lookup<'_> {
        if let Some(option) = self.options.iter().find(|option| option.key == key) {
            return Lookup::Current(option);
        }
        if let Some(option) = self.options.iter().find(|o| {
            o.others
                .iter()
                .any(|other| other.is_older && other.key == key)
        }) {
            return Lookup::Alias(option);
        }
        if let Some(option) = self.options.iter().find(|option| matches(option.key, key)) {
            return Lookup::Current(option);
        }
        let is_family = FAMILIES.iter().any(|prefix| key.starts_with(prefix))
            || SCRIPT_KEYS.contains(&key)
            || self.options.iter().any(|option| {
                is_entry(option, key) || option.others.iter().any(|other| other.key == key)
            });
        if is_family {
            Lookup::Family
        } else {
            Lookup::Unknown
        }
    }

    /// The known key that is spelled most like this one, if any is alike at all.
    pub fn nearest(&self, key: &str) -> Option<&'static str> {
        let wanted = plain(key);
        let limit = match wanted.chars().count() {
            0..=7 => 1,
            8..=23 => 2,
            _ => 3,
        };
        self.options
            .iter()
            .map(|option| {
                let distance = strsim::damerau_levenshtein(&plain(option.key), &wanted);
                (distance, option.key)
            })
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, key)| key)
    }
}

/// A key without what people forget or confuse: `number-of-task-slots`, `numberOfTaskSlots`.
fn plain(key: &str) -> String {
    let kept = key.chars().filter(|c| !matches!(c, '-' | '_'));
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether a key is one entry of an option whose value is a map: `option.name`.
fn is_entry(option: &FlinkOption, key: &str) -> bool {
    option.value_type == ValueType::Map
        && key
            .strip_prefix(option.key)
            .is_some_and(|rest| rest.starts_with('.'))
}

/// Whether a key fits a pattern in which `<...>` stands for any text.
fn matches(pattern: &str, key: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('<') else {
        return pattern == key;
    };
    let Some((_, after)) = rest.split_once('>') else {
        return false;
    };
    let Some(tail) = key.strip_prefix(before) else {
        return false;
    };
    tail.char_indices().skip(1).any(|(index, _)| {
        tail.split_at_checked(index)
            .is_some_and(|(_, tail)| matches(after, tail))
    }) || (after.is_empty() && !tail.is_empty())
}

static OWN: LazyLock<OptionTable> = LazyLock::new(|| OptionTable {
    line: "flugs",
    rules: ReadingRules::NEWEST,
    options: include_str!("data/flugs.tsv")
        .lines()
        .filter_map(parse)
        .collect(),
});

/// A table is read when it is first asked for: most launches need one.
fn table_of(index: usize) -> &'static OptionTable {
    static TABLES: [OnceLock<OptionTable>; LINES.len()] = [const { OnceLock::new() }; LINES.len()];
    let index = index.min(LINES.len() - 1);
    let line = LINES.get(index).copied().unwrap_or_default();
    let read = || OptionTable {
        line,
        rules: rules_of(line),
        options: DATA
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(range, _)| holds(range, index))
            .filter_map(|(_, option)| parse(option))
            .collect(),
    };
    match TABLES.get(index) {
        Some(table) => table.get_or_init(read),
        None => &OWN,
    }
}

fn rules_of(line: &str) -> ReadingRules {
    let number = |text: &str| text.parse().unwrap_or_default();
    let (major, minor) = line.split_once('.').unwrap_or((line, ""));
    ReadingRules::of_line(number(major), number(minor))
}

/// Whether a range of release lines (`1.13`, `1.13-1.17`) has the one at `index`.
fn holds(range: &str, index: usize) -> bool {
    let position = |line| LINES.iter().position(|other| *other == line);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    position(first).is_some_and(|first| first <= index)
        && position(last).is_some_and(|last| index <= last)
}

/// One line of a table: key, type, default, other keys in Flink's order; one that is no older name
/// has a question mark before it.
fn parse(line: &'static str) -> Option<FlinkOption> {
    let mut columns = line.split('\t');
    let key = columns.next()?;
    let value_type = ValueType::parse(columns.next()?);
    let default = columns.next().filter(|default| !default.is_empty());
    let others = columns.next().unwrap_or_default().split(',');
    let others = others.filter(|other| !other.is_empty());
    Some(FlinkOption {
        key,
        value_type,
        default,
        others: others
            .map(|other| OtherKey {
                key: other.trim_start_matches('?'),
                is_older: !other.starts_with('?'),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_an_option_of_some_release_lines() {
        for line in DATA.lines() {
            assert_eq!(line.split('\t').count(), 5, "{line}");
            let range = line.split('\t').next().unwrap();
            assert!((0..LINES.len()).any(|index| holds(range, index)), "{line}");
        }
        for index in 0..LINES.len() {
            let table = table_of(index);
            assert!(table.options().len() > 600, "{}", table.line);
            let mut keys: Vec<&str> = table.options().iter().map(|option| option.key).collect();
            keys.dedup();
            assert_eq!(keys.len(), table.options().len(), "{}", table.line);
        }
    }

    #[test]
    fn every_line_of_flugs_own_table_is_an_option_of_its_own_type() {
        let text = include_str!("data/flugs.tsv");
        let table = OptionTable::own();
        assert_eq!(table.options().len(), text.lines().count());
        assert!(text.lines().all(|line| line.split('\t').count() == 4));
        assert!(table.options().is_sorted_by_key(|option| option.key));
        for option in table.options() {
            let fits = |default: &str| option.value_type.accepts(default, ReadingRules::NEWEST);
            assert!(option.default.is_none_or(fits), "{}", option.key);
        }
    }

    #[test]
    fn every_option_of_flinks_own_mesos_integration_is_one_of_flugs() {
        let of_mesos = table_of(0).options().iter().map(|option| option.key);
        for key in of_mesos.filter(|key| key.contains("mesos")) {
            let known = OptionTable::own().lookup(key);
            assert!(matches!(known, Lookup::Current(_)), "{key}");
        }
        let of_profile = "flugs.mesos.profile.big.conf.taskmanager.memory.process.size";
        let known = OptionTable::own().lookup(of_profile);
        assert!(matches!(known, Lookup::Current(_)), "{of_profile}");
    }

    #[test]
    fn the_compiled_in_table_stays_below_120_kilobytes() {
        assert!(DATA.len() < 120_000);
    }

    #[test]
    fn keys_are_looked_up_as_own_key_alias_pattern_or_family() {
        let [oldest, middle, newest] =
            [(1, 13), (1, 20), (2, 3)].map(|(major, minor)| OptionTable::for_line(major, minor));
        assert!(matches!(oldest.lookup("mesos.master"), Lookup::Current(_)));
        assert_eq!(newest.lookup("mesos.master"), Lookup::Unknown);
        assert!(
            matches!(middle.lookup("high-availability"), Lookup::Alias(option)
            if option.key == "high-availability.type")
        );
        assert!(matches!(
            middle.lookup("external-resource.gpu.amount"),
            Lookup::Current(_)
        ));
        assert_eq!(newest.lookup("fs.s3a.endpoint.region"), Lookup::Family);
        assert_eq!(newest.lookup("query.server.port"), Lookup::Unknown);
    }

    #[test]
    fn a_misspelled_key_has_a_nearest_one() {
        let newest = OptionTable::for_line(2, 3);
        assert_eq!(
            newest.nearest("taskmanager.numberOfTaskSlot"),
            Some("taskmanager.numberOfTaskSlots")
        );
        assert_eq!(
            newest.nearest("jobmanager.memory.proces.size"),
            Some("jobmanager.memory.process.size")
        );
        assert_eq!(
            newest.nearest("taskmanager.number-of-task-slots"),
            Some("taskmanager.numberOfTaskSlots")
        );
        for own in ["my.own.setting", "app.name", "team", "s3.endpoint.of.mine"] {
            assert_eq!(newest.nearest(own), None, "{own}");
        }
    }

    #[test]
    fn every_release_line_has_its_own_table_and_a_newer_one_the_newest() {
        let line = |major, minor| OptionTable::for_line(major, minor).line;
        for (index, name) in LINES.into_iter().enumerate() {
            let (major, minor) = name.split_once('.').unwrap();
            let of_line = OptionTable::for_line(major.parse().unwrap(), minor.parse().unwrap());
            assert_eq!((of_line.line, table_of(index).line), (name, name));
        }
        assert_eq!(
            [line(0, 9), line(1, 12), line(1, 21), line(3, 1)],
            ["1.13", "1.13", "1.20", "2.3"]
        );
    }
}
