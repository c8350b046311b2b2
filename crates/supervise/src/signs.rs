//! What lines of the program's output say about whether it serves, for programs that tell nobody
//! else. Serialised with the supervision that they belong to.
//!
//! Owns the rules and what they make of one line. Getting lines is [`super::logs`]' business, judging
//! what they say [`super::readiness`]'.

use std::time::Duration;

use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::clock::seconds;

/// Rules for lines of one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Signs {
    /// What holds from each start on, until a line says otherwise; `None`: nothing is wrong.
    #[serde(default)]
    pub at_start: Option<Complaint>,
    /// The rules. The first that fits a line is the line's meaning.
    pub rules: Vec<Sign>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Sign {
    /// Texts that such a line has, in this order.
    pub has: Vec<String>,
    /// What such a line means.
    pub means: Meaning,
}

/// What a line means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Meaning {
    /// The program serves, until a line says otherwise.
    Serves,
    /// It does not.
    Trouble(Complaint),
}

/// Why a program is not ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Complaint {
    /// For people, after "it"; `{n}` stands for the line's text behind the n-th of the rule's texts, up
    /// to the next one or to the line's end.
    pub text: String,
    /// How much it is believed.
    pub weight: Weight,
    /// How long it holds without being repeated; `None`: until a line says that the program serves.
    #[serde(default, with = "optional_seconds", rename = "holdsSeconds")]
    pub holds: Option<Duration>,
    /// It is said when the program has not been ready for so long; `None`: only to those who ask.
    #[serde(default, with = "optional_seconds", rename = "saidAfterSeconds")]
    pub said_after: Option<Duration>,
}

/// How much a complaint is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// It gives way to one that is no guess and still holds for a while, and counts for nothing
    /// while the program serves.
    Guess,
    /// It counts for nothing while the program serves.
    Reason,
    /// It ends serving.
    Fact,
}

impl Complaint {
    /// A complaint that holds until the program serves, and is told only to those who ask.
    pub fn new(weight: Weight, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            weight,
            holds: None,
            said_after: None,
        }
    }
}

/// Rules that are ready to be searched for.
#[derive(Debug)]
pub struct SignReader(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    texts: Vec<memmem::Finder<'static>>,
    meaning: Meaning,
}

impl Signs {
    /// The rules, made ready for many lines.
    pub fn reader(&self) -> SignReader {
        SignReader(self.rules.iter().map(Rule::new).collect())
    }
}

impl SignReader {
    /// What a line means; a complaint's text has its quotations in place.
    pub fn meaning_of(&self, line: &[u8]) -> Option<Meaning> {
        self.0.iter().find_map(|rule| rule.meaning_of(line))
    }
}

impl Rule {
    fn new(sign: &Sign) -> Self {
        let finder = |text: &String| memmem::Finder::new(text.as_bytes()).into_owned();
        Self {
            texts: sign.has.iter().map(finder).collect(),
            meaning: sign.means.clone(),
        }
    }

    /// What the line means if it is one of these.
    fn meaning_of(&self, line: &[u8]) -> Option<Meaning> {
        let mut rest = line;
        let mut between: Vec<&[u8]> = Vec::new();
        for text in &self.texts {
            let at = text.find(rest)?;
            let (before, after) = rest.split_at(at);
            between.push(before);
            rest = after.get(text.needle().len()..).unwrap_or_default();
        }
        between.push(rest);
        let mut meaning = self.meaning.clone();
        if let Meaning::Trouble(complaint) = &mut meaning {
            for (number, quoted) in between.iter().enumerate().skip(1) {
                let quoted = String::from_utf8_lossy(quoted);
                complaint.text = complaint
                    .text
                    .replace(&format!("{{{number}}}"), quoted.trim());
            }
        }
        Some(meaning)
    }
}

/// `Option<Duration>` as a JSON number of seconds or null.
mod optional_seconds {
    use super::{Duration, seconds};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Seconds(#[serde(with = "seconds")] Duration);

    #[expect(clippy::ref_option, reason = "serde hands the field over like this")]
    pub(super) fn serialize<S: Serializer>(
        span: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(Seconds).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<Seconds>::deserialize(deserializer)?.map(|Seconds(span)| span))
    }
}
