//! Where a task may run: Marathon's constraint operators, and Flink's `hostattribute`.
//!
//! Owns their texts and their meaning. Pure: a constraint is judged from the agent of an offer and
//! from where the tasks of the same group run already.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};

use super::wire::{Attribute, Offer, ValueType};

mod text;

pub use text::{ConstraintError, parse_host_attributes, parse_list};

/// What of an agent is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Its host name.
    Hostname,
    /// Its zone (`@zone`).
    Zone,
    /// Its region (`@region`).
    Region,
    /// An attribute.
    Attribute(String),
}

impl From<&str> for Field {
    /// Marathon's spellings: `hostname` and `@hostname`, `@zone`, `@region`, else an attribute.
    fn from(text: &str) -> Self {
        match text {
            "hostname" | "@hostname" | "HOSTNAME" => Self::Hostname,
            "@zone" => Self::Zone,
            "@region" => Self::Region,
            name => Self::Attribute(name.to_owned()),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hostname => "hostname",
            Self::Zone => "@zone",
            Self::Region => "@region",
            Self::Attribute(name) => name,
        })
    }
}

/// A regular expression that has to match all of a value.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// A compiled expression may have so many bytes: constraints are short.
const MOST_PATTERN_BYTES: usize = 1 << 20;

impl Pattern {
    fn matches(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut builder = RegexBuilder::new(&format!("^(?:{text})$"));
        let regex = builder
            .size_limit(MOST_PATTERN_BYTES)
            .nest_limit(32)
            .build();
        // By itself as well, so that no text closes the group that is put around it.
        let alone = RegexBuilder::new(text)
            .size_limit(MOST_PATTERN_BYTES)
            .nest_limit(32)
            .build();
        let regex = alone.and(regex).map_err(|error| error.to_string())?;
        let text = text.to_owned();
        Ok(Self { text, regex })
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// Marathon's operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// No two tasks with the same value.
    Unique,
    /// All tasks with the same value: this one, or that of the first.
    Cluster(Option<String>),
    /// Evenly over the values; over at least so many.
    GroupBy(Option<u32>),
    /// The value matches.
    Like(Pattern),
    /// The value does not match, or there is none.
    Unlike(Pattern),
    /// The value is this one.
    Is(String),
    /// At most so many tasks with the same value.
    MaxPer(u32),
}

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// What is looked at.
    pub field: Field,
    /// How it is judged.
    pub operator: Operator,
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = text::escaped(&self.field.to_string(), true);
        let (word, value) = match &self.operator {
            Operator::Unique => ("UNIQUE", None),
            Operator::Cluster(value) => ("CLUSTER", value.clone()),
            Operator::GroupBy(groups) => ("GROUP_BY", groups.map(|groups| groups.to_string())),
            Operator::Like(pattern) => ("LIKE", Some(pattern.text.clone())),
            Operator::Unlike(pattern) => ("UNLIKE", Some(pattern.text.clone())),
            Operator::Is(value) => ("IS", Some(value.clone())),
            Operator::MaxPer(most) => ("MAX_PER", Some(most.to_string())),
        };
        match value {
            Some(value) => write!(formatter, "{field}:{word}:{}", text::escaped(&value, false)),
            None => write!(formatter, "{field}:{word}"),
        }
    }
}

/// What constraints can see of an agent.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Its host name.
    pub hostname: String,
    /// Its zone.
    pub zone: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its attributes as text: scalars without needless zeros, ranges as `[1-4,8-9]`, sets as
    /// `{a,b}`. Of several with one name the first.
    pub attributes: BTreeMap<String, String>,
}

impl Host {
    /// The agent of an offer.
    pub fn of(offer: &Offer) -> Self {
        let domain = offer
            .domain
            .as_ref()
            .and_then(|domain| domain.fault_domain.as_ref());
        let mut attributes = BTreeMap::new();
        for attribute in &offer.attributes {
            let text = attribute_text(attribute);
            attributes.entry(attribute.name.clone()).or_insert(text);
        }
        Self {
            hostname: offer.hostname.clone(),
            zone: domain.and_then(|domain| Some(domain.zone.as_ref()?.name.clone())),
            region: domain.and_then(|domain| Some(domain.region.as_ref()?.name.clone())),
            attributes,
        }
    }

    /// The value of a field, if the agent has it.
    pub fn value(&self, field: &Field) -> Option<&str> {
        match field {
            Field::Hostname => Some(&self.hostname),
            Field::Zone => self.zone.as_deref(),
            Field::Region => self.region.as_deref(),
            Field::Attribute(name) => self.attributes.get(name).map(String::as_str),
        }
    }
}

fn attribute_text(attribute: &Attribute) -> String {
    let joined = |texts: Vec<String>| texts.join(",");
    match attribute.kind {
        ValueType::Scalar => attribute
            .scalar
            .as_ref()
            .map(|scalar| scalar.value.to_string()),
        ValueType::Ranges => attribute.ranges.as_ref().map(|ranges| {
            let one = |range: &super::wire::Range| format!("{}-{}", range.begin, range.end);
            format!("[{}]", joined(ranges.range.iter().map(one).collect()))
        }),
        ValueType::Set => attribute
            .set
            .as_ref()
            .map(|set| format!("{{{}}}", joined(set.item.clone()))),
        ValueType::Text | ValueType::Other(_) => {
            attribute.text.as_ref().map(|text| text.value.clone())
        }
    }
    .unwrap_or_default()
}

/// What these constraints look at on a host: each field once.
fn seen<'a, 'h>(
    host: &'h Host,
    constraints: impl IntoIterator<Item = &'a Constraint>,
) -> impl Iterator<Item = (&'a Field, &'h str)> {
    let mut fields: Vec<&Field> = constraints.into_iter().map(|one| &one.field).collect();
    fields.sort_unstable();
    fields.dedup();
    let with_value = |field| Some((field, host.value(field)?));
    fields.into_iter().filter_map(with_value)
}

/// How many tasks of a group run where: by field, by value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placed {
    counts: BTreeMap<Field, BTreeMap<String, u32>>,
}

impl Placed {
    /// Counts a task that runs on this host, as far as these constraints look at it.
    pub fn add<'a>(&mut self, host: &Host, constraints: impl IntoIterator<Item = &'a Constraint>) {
        for (field, value) in seen(host, constraints) {
            if !self.counts.contains_key(field) {
                self.counts.insert(field.clone(), BTreeMap::new());
            }
            let Some(values) = self.counts.get_mut(field) else {
                continue;
            };
            match values.get_mut(value) {
                Some(count) => *count += 1,
                None => {
                    values.insert(value.to_owned(), 1);
                }
            }
        }
    }

    /// Takes back what [`Self::add`] has counted.
    pub fn remove<'a>(
        &mut self,
        host: &Host,
        constraints: impl IntoIterator<Item = &'a Constraint>,
    ) {
        for (field, value) in seen(host, constraints) {
            let Some(values) = self.counts.get_mut(field) else {
                continue;
            };
            if let Some(count) = values.get_mut(value) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.counts.remove(field);
            }
        }
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn values(&self, field: &Field) -> impl Iterator<Item = (&str, u32)> {
        let values = self.counts.get(field).into_iter().flatten();
        values.map(|(value, count)| (value.as_str(), *count))
    }

    fn count(&self, field: &Field, value: &str) -> u32 {
        let values = self.counts.get(field);
        values
            .and_then(|values| values.get(value))
            .copied()
            .unwrap_or(0)
    }
}

impl Constraint {
    /// Whether what it refuses may be allowed when more tasks run elsewhere.
    pub fn relents(&self) -> bool {
        matches!(self.operator, Operator::GroupBy(_))
    }

    /// Whether one more task may run on this host.
    pub fn allows(&self, host: &Host, placed: &Placed) -> bool {
        let Some(value) = host.value(&self.field) else {
            return matches!(self.operator, Operator::Unlike(_));
        };
        let count = placed.count(&self.field, value);
        match &self.operator {
            Operator::Unique => count == 0,
            Operator::Cluster(Some(wanted)) | Operator::Is(wanted) => equal(value, wanted),
            Operator::Cluster(None) => placed.values(&self.field).all(|(other, _)| other == value),
            Operator::GroupBy(groups) => {
                let known = u32::try_from(placed.values(&self.field).count()).unwrap_or(u32::MAX);
                let least = placed
                    .values(&self.field)
                    .map(|(_, count)| count)
                    .min()
                    .unwrap_or(0);
                count
                    <= if known < groups.unwrap_or(0) {
                        0
                    } else {
                        least
                    }
            }
            Operator::Like(pattern) => pattern.matches(value),
            Operator::Unlike(pattern) => !pattern.matches(value),
            Operator::MaxPer(most) => count < *most,
        }
    }
}

/// Equal as text, or as the number that a scalar attribute has.
fn equal(value: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    value == wanted
        || number(value)
            .zip(number(wanted))
            .is_some_and(|(value, wanted)| (value - wanted).abs() < 0.0005)
}

/// Parses constraints from arbitrary text and judges an agent by them, for fuzzing: what is
/// printed has to be read as the same again.
#[doc(hidden)]
pub fn probe(input: &str) -> bool {
    let Ok(constraints) = parse_list(input) else {
        return true;
    };
    let printed: Vec<String> = constraints.iter().map(ToString::to_string).collect();
    let host = Host {
        hostname: input.to_owned(),
        ..Host::default()
    };
    let mut placed = Placed::default();
    placed.add(&host, &constraints);
    for constraint in &constraints {
        constraint.allows(&host, &placed);
    }
    parse_list(&printed.join(",")) == Ok(constraints)
}

#[cfg(test)]
mod tests;
