//! Every configuration option of Flink, with its type, default and older names, as data.
//!
//! The tables are dumped from Flink's own option classes by `tools/flink-options/dump.sh` and
//! compiled in as text: three release lines stand for those between them. The fourth table has
//! what flugs itself reads, with every Flink: the options of the Mesos integration that Flink had
//! up to 1.13, and those that came with flugs (`flugs.*`).

mod duration;
mod value_type;

use std::sync::LazyLock;

pub use duration::parse_duration;
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
    /// Older names that Flink still reads.
    pub aliases: Vec<&'static str>,
    /// Other keys whose value stands in if this one is unset.
    pub fallbacks: Vec<&'static str>,
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
    options: Vec<FlinkOption>,
}

const DATA: [(&str, &str); 3] = [
    ("1.13", include_str!("data/flink-1.13.tsv")),
    ("1.20", include_str!("data/flink-1.20.tsv")),
    ("2.3", include_str!("data/flink-2.3.tsv")),
];

/// Prefixes of keys that Flink does not list as options: it hands them on to a file system, a
/// reporter or a container, or reads them by pattern.
const FAMILIES: [&str; 26] = [
    "$internal.",
    "internal.",
    "akka.",
    "containerized.master.env.",
    "containerized.taskmanager.env.",
    "dfs.",
    "events.reporter.",
    "external-resource.",
    "flink.hadoop.",
    "flink.yarn.",
    "fs.",
    "google.",
    "gs.",
    "hadoop.",
    "kubernetes.hadoop.",
    "metrics.reporter.",
    "metrics.scope.variables.",
    "oss.",
    "presto.",
    "s3.",
    "s3a.",
    "s3n.",
    "security.delegation.token.provider.",
    "security.module.",
    "traces.reporter.",
    "zookeeper.sasl.",
];

/// Keys that only Flink's shell scripts read. They are in no option class.
const SCRIPT_KEYS: [&str; 5] = [
    "env.java.home",
    "env.log.level",
    "env.stdout-err.redirect-to-file",
    "taskmanager.compute.numa",
    "zookeeper.heap.mb",
];

impl OptionTable {
    /// The tables that speak for a release line, the nearest one first. A line of its own has one
    /// table; a line between two has both, because either may know an option of it.
    pub fn for_line(major: u32, minor: u32) -> Vec<&'static Self> {
        // A table is read when it is first asked for: most launches need one of the three.
        let [oldest, middle, newest] = &TABLES;
        let nearest_first: &[&LazyTable] = match (major, minor) {
            (0, _) | (1, ..=13) => &[oldest],
            (1, 14..=16) => &[oldest, middle],
            (1, 17..=19) => &[middle, oldest],
            (1, 20) => &[middle],
            (1, _) | (2, 0..=1) => &[newest, middle],
            _ => &[newest],
        };
        nearest_first.iter().map(|table| &***table).collect()
    }

    /// The options that flugs itself reads. What it says of a key goes before any other table:
    /// the key means here what flugs makes of it.
    pub fn own() -> &'static Self {
        &OWN
    }

    /// The tables that say what a key is, given those of a release line: that of flugs first.
    pub fn with_own(tables: &[&'static Self]) -> Vec<&'static Self> {
        [Self::own()]
            .into_iter()
            .chain(tables.iter().copied())
            .collect()
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
        if let Some(option) = self.options.iter().find(|o| o.aliases.contains(&key)) {
            return Lookup::Alias(option);
        }
        if let Some(option) = self.options.iter().find(|option| matches(option.key, key)) {
            return Lookup::Current(option);
        }
        let is_family = FAMILIES.iter().any(|prefix| key.starts_with(prefix))
            || SCRIPT_KEYS.contains(&key)
            || self
                .options
                .iter()
                .any(|option| is_entry(option, key) || option.fallbacks.contains(&key));
        if is_family {
            Lookup::Family
        } else {
            Lookup::Unknown
        }
    }

    /// The known key that is spelled most like this one, if any is alike at all.
    pub fn nearest(&self, key: &str) -> Option<&'static str> {
        let limit = (key.chars().count() / 5).max(2);
        self.options
            .iter()
            .map(|option| (strsim::damerau_levenshtein(option.key, key), option.key))
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, key)| key)
    }
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

type LazyTable = LazyLock<OptionTable>;

static OWN: LazyTable = LazyLock::new(|| read(&("flugs", include_str!("data/flugs.tsv"))));

static TABLES: [LazyTable; 3] = [
    LazyLock::new(|| read(&DATA[0])),
    LazyLock::new(|| read(&DATA[1])),
    LazyLock::new(|| read(&DATA[2])),
];

fn read((line, text): &(&'static str, &'static str)) -> OptionTable {
    OptionTable {
        line,
        options: text.lines().filter_map(parse).collect(),
    }
}

/// One line of a table: key, type, default, older keys; a fallback has a question mark before it.
fn parse(line: &'static str) -> Option<FlinkOption> {
    let mut columns = line.split('\t');
    let key = columns.next()?;
    let value_type = ValueType::parse(columns.next()?);
    let default = columns.next().filter(|default| !default.is_empty());
    let others = columns.next().unwrap_or_default().split(',');
    let (fallbacks, aliases): (Vec<&str>, Vec<&str>) = others
        .filter(|other| !other.is_empty())
        .partition(|other| other.starts_with('?'));
    Some(FlinkOption {
        key,
        value_type,
        default,
        aliases,
        fallbacks: fallbacks
            .into_iter()
            .map(|fallback| fallback.trim_start_matches('?'))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_an_option() {
        for (table, (_, text)) in TABLES.iter().zip(DATA) {
            assert_eq!(table.options().len(), text.lines().count());
            assert!(table.options().len() > 600, "{}", table.line);
            assert!(text.lines().all(|line| line.split('\t').count() == 4));
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
            let fits = |default: &str| option.value_type.accepts(default);
            assert!(option.default.is_none_or(fits), "{}", option.key);
        }
    }

    #[test]
    fn every_option_of_flinks_own_mesos_integration_is_one_of_flugs() {
        let [oldest, _, _] = &TABLES;
        let of_mesos = oldest.options().iter().map(|option| option.key);
        for key in of_mesos.filter(|key| key.contains("mesos")) {
            let known = OptionTable::own().lookup(key);
            assert!(matches!(known, Lookup::Current(_)), "{key}");
        }
        let of_profile = "flugs.mesos.profile.big.conf.taskmanager.memory.process.size";
        let known = OptionTable::own().lookup(of_profile);
        assert!(matches!(known, Lookup::Current(_)), "{of_profile}");
    }

    #[test]
    fn the_compiled_in_tables_stay_below_200_kilobytes() {
        assert!(DATA.iter().map(|(_, text)| text.len()).sum::<usize>() < 200_000);
    }

    #[test]
    fn keys_are_looked_up_as_own_key_alias_pattern_or_family() {
        let [oldest, middle, newest] = &TABLES;
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
        let [_, _, newest] = &TABLES;
        assert_eq!(
            newest.nearest("taskmanager.numberOfTaskSlot"),
            Some("taskmanager.numberOfTaskSlots")
        );
        assert_eq!(
            newest.nearest("jobmanager.memory.proces.size"),
            Some("jobmanager.memory.process.size")
        );
        assert_eq!(newest.nearest("my.own.setting"), None);
    }

    #[test]
    fn a_line_between_two_tables_has_both() {
        let lines = |major, minor| -> Vec<&str> {
            OptionTable::for_line(major, minor)
                .iter()
                .map(|t| t.line)
                .collect()
        };
        assert_eq!(lines(1, 13), ["1.13"]);
        assert_eq!(lines(1, 15), ["1.13", "1.20"]);
        assert_eq!(lines(1, 18), ["1.20", "1.13"]);
        assert_eq!(lines(2, 0), ["2.3", "1.20"]);
        assert_eq!(lines(3, 1), ["2.3"]);
    }
}
