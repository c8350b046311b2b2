//! Reads options by the table of [`OptionTable::own`], and remembers everything that is wrong.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use flugs_flink_conf::options::{FlinkOption, Lookup, OptionTable, ReadingRules, parse_duration};
use flugs_flink_conf::{Configuration, Setting, is_sensitive};

use super::problem::{MesosOptionProblem, MesosOptionReason};

/// The most workers of a kind: more than any cluster of Mesos has had, and each is kept in memory.
pub(super) const MOST_WORKERS: u32 = 100_000;

/// Reads one configuration. A value that is wrong is noted, and the default goes on in its place.
pub(super) struct Reader<'a> {
    configuration: &'a Configuration,
    problems: RefCell<Vec<MesosOptionProblem>>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(configuration: &'a Configuration) -> Self {
        Self {
            configuration,
            problems: RefCell::new(Vec::new()),
        }
    }

    pub(super) const fn configuration(&self) -> &'a Configuration {
        self.configuration
    }

    /// All problems in the order of their keys, each once: several profiles read one option.
    pub(super) fn into_problems(self) -> Vec<MesosOptionProblem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_cached_key(ToString::to_string);
        problems.dedup_by_key(|problem| problem.to_string());
        problems
    }

    /// Notes that an option is wrong.
    pub(super) fn refuse(&self, key: &str, reason: impl Into<MesosOptionReason>) {
        let setting = self.configuration.setting(key);
        self.problems.borrow_mut().push(MesosOptionProblem {
            key: key.to_owned(),
            origin: setting.map(|setting| setting.origin.clone()),
            reason: reason.into(),
        });
    }

    /// Notes that a value is of another type than its option.
    pub(super) fn refuse_type(&self, key: &str, expected: impl Into<String>) {
        let value = self.configuration.get(key).map(str::trim);
        let found = value.filter(|_| !is_sensitive(key)).map(str::to_owned);
        let expected = expected.into();
        self.refuse(key, MesosOptionReason::Type { found, expected });
    }

    /// Notes that two options contradict one another.
    pub(super) fn contradict(&self, key: &str, problem: impl Into<String>) {
        let problem = problem.into();
        self.refuse(key, MesosOptionReason::Conflict { problem });
    }

    /// The value of an option as text, if it is set and of its type; an empty one counts as unset.
    pub(super) fn set(&self, key: &str) -> Option<&'a str> {
        let option = option(key);
        let Setting { value, .. } = self.configuration.setting(key)?;
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let value_type = option.map(|option| &option.value_type);
        if let Some(wrong) =
            value_type.filter(|value_type| !value_type.accepts(value, ReadingRules::NEWEST))
        {
            self.refuse_type(key, wrong.expected());
            return None;
        }
        Some(value)
    }

    /// The value of an option, or its default.
    fn or_default(&self, key: &str) -> Option<&'a str> {
        self.set(key).or_else(|| option(key)?.default)
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.or_default(key).map(str::to_owned)
    }

    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        self.or_default(key).map(PathBuf::from)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.or_default(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn flag_if_set(&self, key: &str) -> Option<bool> {
        self.set(key)
            .map(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(super) fn duration(&self, key: &str) -> Duration {
        let value = self.or_default(key).map(parse_duration);
        match value {
            Some(Some(duration)) => duration,
            Some(None) => {
                self.refuse_type(key, "a duration such as 500 ms, 10 s or 5 min");
                Duration::ZERO
            }
            None => Duration::ZERO,
        }
    }

    /// A whole number from `least` on.
    pub(super) fn whole(&self, key: &str, least: i64, expected: &'static str) -> i64 {
        let value = self.or_default(key).and_then(|text| text.parse().ok());
        self.at_least(key, value.unwrap_or(least), least, expected)
    }

    /// A number that is not negative and can be counted in.
    pub(super) fn count(&self, key: &str) -> u32 {
        self.up_to(key, u32::MAX, "zero or more")
    }

    /// A number of workers.
    pub(super) fn workers(&self, key: &str) -> u32 {
        self.up_to(key, MOST_WORKERS, "a number from 0 to 100000")
    }

    fn up_to(&self, key: &str, most: u32, expected: &'static str) -> u32 {
        let number = self.whole(key, 0, expected);
        let fitting = u32::try_from(number).ok().filter(|number| *number <= most);
        fitting.unwrap_or_else(|| {
            let found = number.to_string();
            self.refuse(key, MesosOptionReason::Range { found, expected });
            0
        })
    }

    /// A port; 0 leaves the choice to the kernel.
    pub(super) fn port(&self, key: &str) -> u16 {
        let number = self.whole(key, 0, "a port from 0 to 65535");
        u16::try_from(number).unwrap_or_else(|_| {
            self.refuse(
                key,
                MesosOptionReason::Range {
                    found: number.to_string(),
                    expected: "a port from 0 to 65535",
                },
            );
            0
        })
    }

    fn at_least(&self, key: &str, number: i64, least: i64, expected: &'static str) -> i64 {
        if number >= least {
            return number;
        }
        let found = number.to_string();
        self.refuse(key, MesosOptionReason::Range { found, expected });
        least
    }

    /// A number that is neither negative nor infinite, if it is set.
    pub(super) fn amount(&self, key: &str) -> Option<f64> {
        let text = self.or_default(key)?.trim_end_matches(['d', 'D', 'f', 'F']);
        let number: f64 = text.parse().ok()?;
        // The master refuses what is more; a million of anything is a mistake.
        if number.is_finite() && (0.0..=1e6).contains(&number) {
            return Some(number);
        }
        let found = text.to_owned();
        let expected = "a number from 0 to 1000000";
        self.refuse(key, MesosOptionReason::Range { found, expected });
        None
    }

    /// What a function makes of an option's text, if it is set and the function takes it.
    pub(super) fn parsed<T, E: Into<MesosOptionReason>>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let parsed = parse(self.or_default(key)?);
        parsed.map_err(|error| self.refuse(key, error)).ok()
    }

    /// A map: `key:value` pairs, or an option for each key below this one.
    pub(super) fn map(&self, key: &str) -> Vec<(String, String)> {
        let mut all = self.parsed(key, super::text::map).unwrap_or_default();
        let below = format!("{key}.");
        for (name, setting) in self.configuration.iter() {
            if let Some(entry) = name.strip_prefix(&below) {
                all.push((entry.to_owned(), setting.value.clone()));
            }
        }
        all
    }
}

fn option(key: &str) -> Option<&'static FlinkOption> {
    match OptionTable::own().lookup(key) {
        Lookup::Current(option) | Lookup::Alias(option) => Some(option),
        Lookup::Family | Lookup::Unknown => None,
    }
}
