//! How constraints are written.
//!
//! A list is `field:OPERATOR[:value]`, separated by commas; a backslash before a comma, a colon
//! or a backslash takes its meaning away, and a value's own colons need none. Marathon's JSON,
//! `[["field","OPERATOR","value"]]`, is read as well.

use super::{Constraint, Field, Operator, Pattern};

/// A constraint that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    /// It has another form.
    #[error("\"{found}\" is no constraint; expected field:OPERATOR[:value]")]
    Form {
        /// What was found.
        found: String,
    },
    /// It has an operator that does not exist.
    #[error(
        "\"{found}\" is no operator in \"{constraint}\"; expected UNIQUE, CLUSTER, GROUP_BY, LIKE, UNLIKE, IS or MAX_PER"
    )]
    Operator {
        /// The operator.
        found: String,
        /// The constraint.
        constraint: String,
    },
    /// Its operator takes no value, or needs one.
    #[error("{operator} in \"{constraint}\" {problem}")]
    Value {
        /// The operator.
        operator: String,
        /// The constraint.
        constraint: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// It is no JSON in Marathon's form.
    #[error("expected [[\"field\",\"OPERATOR\",\"value\"], ...]: {problem}")]
    Json {
        /// What the parser says.
        problem: String,
    },
    /// It is not in the form of `hostattribute`.
    #[error("\"{found}\" is no host attribute; expected attribute:value")]
    HostAttribute {
        /// What was found.
        found: String,
    },
}

/// Reads a list of constraints; empty entries are none.
pub fn parse_list(text: &str) -> Result<Vec<Constraint>, ConstraintError> {
    if text.trim_start().starts_with('[') {
        return parse_json(text);
    }
    let entries = split(text, ',', usize::MAX);
    let entries = entries
        .iter()
        .map(|entry| entry.trim())
        .filter(|entry| !entry.is_empty());
    let one = |entry: &str| {
        let parts: Vec<String> = split(entry, ':', 3)
            .iter()
            .map(|part| plain(part))
            .collect();
        match parts.as_slice() {
            [field, word] => constraint(field, word, None, entry),
            [field, word, value] => constraint(field, word, Some(value), entry),
            _ => Err(ConstraintError::Form {
                found: entry.to_owned(),
            }),
        }
    };
    entries.map(one).collect()
}

fn parse_json(text: &str) -> Result<Vec<Constraint>, ConstraintError> {
    let lists: Vec<Vec<String>> = serde_json::from_str(text).map_err(|error| {
        let problem = error.to_string();
        ConstraintError::Json { problem }
    })?;
    let one = |parts: &Vec<String>| match parts.as_slice() {
        [field, word] => constraint(field, word, None, &parts.join(":")),
        [field, word, value] => constraint(field, word, Some(value), &parts.join(":")),
        _ => Err(ConstraintError::Form {
            found: parts.join(":"),
        }),
    };
    lists.iter().map(one).collect()
}

/// Reads `mesos.constraints.hard.hostattribute`: `attribute:value`, separated by commas; the
/// attribute `HOSTNAME` is the host name. Flink dropped what it did not understand; here it is
/// an error.
pub fn parse_host_attributes(text: &str) -> Result<Vec<Constraint>, ConstraintError> {
    let entries = text
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let one = |entry: &str| match entry.split(':').collect::<Vec<_>>().as_slice() {
        [name, value] if !name.trim().is_empty() && !value.trim().is_empty() => {
            // Only `HOSTNAME` is special in Flink's form.
            let field = match name.trim() {
                "HOSTNAME" => Field::Hostname,
                name => Field::Attribute(name.to_owned()),
            };
            let operator = Operator::Is(value.trim().to_owned());
            Ok(Constraint { field, operator })
        }
        _ => Err(ConstraintError::HostAttribute {
            found: entry.to_owned(),
        }),
    };
    entries.map(one).collect()
}

fn constraint(
    field: &str,
    word: &str,
    value: Option<&String>,
    whole: &str,
) -> Result<Constraint, ConstraintError> {
    let wrong = |problem: String| ConstraintError::Value {
        operator: word.to_owned(),
        constraint: whole.to_owned(),
        problem,
    };
    // Blanks around a field or a value are nobody's, in either form. A bracket begins Marathon's
    // JSON; no attribute of Mesos has one in its name.
    let field = field.trim();
    let value = value.map(|text| text.trim().to_owned());
    let value = value.as_ref();
    if field.is_empty() || field.starts_with('[') {
        return Err(ConstraintError::Form {
            found: whole.to_owned(),
        });
    }
    let needed = || value.ok_or_else(|| wrong("needs a value".to_owned()));
    let pattern = |text: &String| {
        text.parse::<Pattern>().map_err(|problem| {
            wrong(format!(
                "has a regular expression that cannot be used: {problem}"
            ))
        })
    };
    let count = |text: &String| match text.parse() {
        Ok(0) | Err(_) => Err(wrong(format!(
            "expects a number from 1 on, found \"{text}\""
        ))),
        Ok(number) => Ok(number),
    };
    let operator = match word {
        "UNIQUE" if value.is_some() => return Err(wrong("takes no value".to_owned())),
        "UNIQUE" => Operator::Unique,
        "CLUSTER" => Operator::Cluster(value.filter(|text| !text.is_empty()).cloned()),
        "GROUP_BY" => Operator::GroupBy(value.map(count).transpose()?),
        "LIKE" => Operator::Like(pattern(needed()?)?),
        "UNLIKE" => Operator::Unlike(pattern(needed()?)?),
        "IS" => Operator::Is(needed()?.clone()),
        "MAX_PER" => Operator::MaxPer(count(needed()?)?),
        other => {
            return Err(ConstraintError::Operator {
                found: other.to_owned(),
                constraint: whole.to_owned(),
            });
        }
    };
    let field = Field::from(field);
    Ok(Constraint { field, operator })
}

/// Splits at a separator that no backslash stands before, into at most so many parts. Parts keep
/// their backslashes.
fn split(text: &str, separator: char, most: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut escaped = false;
    for letter in text.chars() {
        if letter == separator && !escaped && parts.len() < most {
            parts.push(String::new());
            continue;
        }
        escaped = letter == '\\' && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(letter);
        }
    }
    parts
}

/// Takes the backslashes away that protect a separator or a backslash; others belong to a regular
/// expression.
fn plain(text: &str) -> String {
    let mut result = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let protected = letters.next_if(|next| letter == '\\' && matches!(next, ',' | ':' | '\\'));
        result.push(protected.unwrap_or(letter));
    }
    result
}

/// The opposite of [`plain`].
pub(super) fn escaped(text: &str, colons: bool) -> String {
    let mut result = String::new();
    for letter in text.chars() {
        if matches!(letter, ',' | '\\') || (colons && letter == ':') {
            result.push('\\');
        }
        result.push(letter);
    }
    result
}
