//! What a call may hold: messages, fields and enumerations of the v1 scheduler API, and how JSON is
//! taken for one of them.
//!
//! As strict and as lenient as a real master: unknown fields are dropped, `null` is absence, one
//! value may stand for a list of one, an unknown word of an optional enumeration is dropped. A value
//! of the wrong kind, an unknown word of a required enumeration and a missing required field refuse
//! the call, with the master's own words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("schema/messages.txt");

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::read(TABLE));

#[derive(Clone, Copy, PartialEq, Debug)]
enum Label {
    Required,
    Optional,
    Repeated,
    Map,
}

struct Field {
    label: Label,
    name: &'static str,
    kind: &'static str,
}

struct Schema {
    messages: HashMap<&'static str, Vec<Field>>,
    enumerations: HashMap<&'static str, Vec<&'static str>>,
}

/// `body` as the message `name`: what is left when everything that a master ignores is gone.
///
/// The error is what a master appends to `Failed to convert JSON into Call protobuf: `.
pub(crate) fn message(name: &str, body: &Value) -> Result<Map<String, Value>, String> {
    let Value::Object(object) = body else {
        return Err("Expecting a JSON object".to_owned());
    };
    let message = SCHEMA.object(name, object)?;
    let mut missing = Vec::new();
    SCHEMA.missing(name, &message, "", &mut missing);
    if missing.is_empty() {
        Ok(message)
    } else {
        Err(format!("Missing required fields: {}", missing.join(", ")))
    }
}

impl Schema {
    fn read(table: &'static str) -> Self {
        let mut messages: HashMap<&'static str, Vec<Field>> = HashMap::new();
        let mut enumerations: HashMap<&'static str, Vec<&'static str>> = HashMap::new();
        let mut current = "";
        for line in table.lines() {
            let words: Vec<&'static str> = line.split_whitespace().collect();
            match (line.starts_with(' '), words.as_slice()) {
                (false, ["message", name]) => {
                    current = name;
                    messages.insert(name, Vec::new());
                }
                (false, ["enum", name]) => {
                    current = name;
                    enumerations.insert(name, Vec::new());
                }
                (true, words) if enumerations.contains_key(current) => {
                    enumerations.entry(current).or_default().extend(words);
                }
                (true, [label, name, kind]) => {
                    let label = match *label {
                        "required" => Label::Required,
                        "repeated" => Label::Repeated,
                        "map" => Label::Map,
                        _ => Label::Optional,
                    };
                    messages
                        .entry(current)
                        .or_default()
                        .push(Field { label, name, kind });
                }
                _ => {}
            }
        }
        Self {
            messages,
            enumerations,
        }
    }

    fn fields(&self, message: &str) -> &[Field] {
        self.messages.get(message).map_or(&[], Vec::as_slice)
    }

    fn object(
        &self,
        message: &str,
        object: &Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        // The first fault in the order of the names is the one that is told.
        let mut names: Vec<&String> = object.keys().collect();
        names.sort();
        let mut taken = Map::new();
        for name in names {
            let Some(field) = self.fields(message).iter().find(|field| field.name == name) else {
                continue;
            };
            let Some(value) = object.get(name) else {
                continue;
            };
            if let Some(value) = self.field(field, value)? {
                taken.insert(name.clone(), value);
            }
        }
        Ok(taken)
    }

    fn field(&self, field: &Field, value: &Value) -> Result<Option<Value>, String> {
        match (field.label, value) {
            (_, Value::Null) => Ok(None),
            (Label::Map, Value::Object(entries)) => {
                let mut taken = Map::new();
                for (key, value) in entries {
                    if let Some(value) = self.single(field, value)? {
                        taken.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(taken)))
            }
            (Label::Repeated | Label::Map, Value::Array(values)) => {
                let taken: Result<Vec<Option<Value>>, String> = values
                    .iter()
                    .filter(|value| !value.is_null())
                    .map(|value| self.single(field, value))
                    .collect();
                Ok(Some(Value::Array(taken?.into_iter().flatten().collect())))
            }
            (Label::Repeated, value) => Ok(self
                .single(field, value)?
                .map(|value| Value::Array(vec![value]))),
            (_, Value::Array(_)) => Err(unexpected("array", field)),
            (_, value) => self.single(field, value),
        }
    }

    /// One value of a field; `None` if a master drops it.
    fn single(&self, field: &Field, value: &Value) -> Result<Option<Value>, String> {
        match value {
            Value::Object(object) if self.messages.contains_key(field.kind) => {
                Ok(Some(Value::Object(self.object(field.kind, object)?)))
            }
            Value::Object(_) => Err(unexpected("object", field)),
            Value::Array(_) => Err(unexpected("array", field)),
            Value::Bool(_) if field.kind == "bool" => Ok(Some(value.clone())),
            Value::Bool(_) => Err(unexpected("boolean", field)),
            Value::Number(number) => {
                as_number(field, number).map_or_else(|| Err(unexpected("number", field)), kept)
            }
            Value::String(text) => self.text(field, text),
            Value::Null => Ok(None),
        }
    }

    fn text(&self, field: &Field, text: &str) -> Result<Option<Value>, String> {
        if let Some(words) = self.enumerations.get(field.kind) {
            return if words.contains(&text) {
                kept(Value::from(text))
            } else if field.label == Label::Required {
                Err(format!("Failed to find enum for '{text}'"))
            } else {
                Ok(None)
            };
        }
        match field.kind {
            "string" => kept(Value::from(text)),
            "bytes" => STANDARD.decode(text).map_or_else(
                |error| {
                    Err(format!(
                        "Failed to base64 decode bytes field '{}': {error}",
                        field.name
                    ))
                },
                |_| kept(Value::from(text)),
            ),
            "bool" => match text {
                "true" => kept(Value::from(true)),
                "false" => kept(Value::from(false)),
                _ => Err(format!(
                    "Failed to parse '{text}' as a JSON boolean for field '{}': syntax error at line 1 near: {text}",
                    field.name
                )),
            },
            // JSON has no infinity: limits are told in words.
            "double" if matches!(text, "Infinity" | "-Infinity") => kept(Value::from(text)),
            kind if is_number(kind) => {
                let number = serde_json::from_str::<Number>(text).map_err(|_| {
                    format!(
                        "Failed to parse '{text}' as a JSON number for field '{}': syntax error at line 1 near: {text}",
                        field.name
                    )
                })?;
                as_number(field, &number).map_or_else(|| Err(unexpected("number", field)), kept)
            }
            _ => Err(unexpected("string", field)),
        }
    }

    fn missing(
        &self,
        message: &str,
        object: &Map<String, Value>,
        path: &str,
        missing: &mut Vec<String>,
    ) {
        for field in self.fields(message) {
            if field.label == Label::Required && !object.contains_key(field.name) {
                missing.push(format!("{path}{}", field.name));
            }
        }
        for field in self.fields(message) {
            if !self.messages.contains_key(field.kind) {
                continue;
            }
            let Some(value) = object.get(field.name) else {
                continue;
            };
            match (field.label, value) {
                (Label::Repeated, Value::Array(values)) => {
                    for (position, value) in values.iter().enumerate() {
                        if let Value::Object(inner) = value {
                            let path = format!("{path}{}[{position}].", field.name);
                            self.missing(field.kind, inner, &path, missing);
                        }
                    }
                }
                (Label::Map, Value::Object(entries)) => {
                    for (position, value) in entries.values().enumerate() {
                        if let Value::Object(inner) = value {
                            let path = format!("{path}{}[{position}].value.", field.name);
                            self.missing(field.kind, inner, &path, missing);
                        }
                    }
                }
                (_, Value::Object(inner)) => {
                    let path = format!("{path}{}.", field.name);
                    self.missing(field.kind, inner, &path, missing);
                }
                _ => {}
            }
        }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the arms of the readers above end in it"
)]
fn kept(value: Value) -> Result<Option<Value>, String> {
    Ok(Some(value))
}

fn is_number(kind: &str) -> bool {
    matches!(
        kind,
        "double" | "float" | "int32" | "int64" | "uint32" | "uint64"
    )
}

/// A JSON number as a field's kind holds it: fractions are cut off for integers, as C++ casts.
fn as_number(field: &Field, number: &Number) -> Option<Value> {
    match field.kind {
        "double" | "float" => number.as_f64().map(Value::from),
        #[expect(clippy::cast_possible_truncation, reason = "the master casts as well")]
        kind if is_number(kind) => Some(if number.is_f64() {
            Value::from(number.as_f64()? as i64)
        } else {
            Value::Number(number.clone())
        }),
        _ => None,
    }
}

fn unexpected(kind: &str, field: &Field) -> String {
    format!("Not expecting a JSON {kind} for field '{}'", field.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_that_a_field_names_is_in_the_table() {
        for (message, fields) in &SCHEMA.messages {
            for field in fields {
                let known = is_number(field.kind)
                    || matches!(field.kind, "string" | "bytes" | "bool")
                    || SCHEMA.messages.contains_key(field.kind)
                    || SCHEMA.enumerations.contains_key(field.kind);
                assert!(known, "{message}.{}: {}", field.name, field.kind);
            }
        }
        assert!(SCHEMA.messages.len() > 90);
    }

    #[test]
    fn what_is_missing_is_named_with_its_path() {
        let body = json!({"type": "ACCEPT", "accept": {"operations": [
            {"type": "LAUNCH", "launch": {"task_infos": [{"task_id": {"value": "t"}}]}}
        ]}});
        assert_eq!(
            message("Call", &body).unwrap_err(),
            "Missing required fields: accept.operations[0].launch.task_infos[0].name, \
             accept.operations[0].launch.task_infos[0].agent_id"
        );
    }

    #[test]
    fn a_required_enumeration_has_to_be_known_and_an_optional_one_is_dropped() {
        let resource = json!({"name": "cpus", "type": "SCALER", "scalar": {"value": 1}});
        assert_eq!(
            message("Resource", &resource).unwrap_err(),
            "Failed to find enum for 'SCALER'"
        );
        assert_eq!(
            message("Call", &json!({"type": "NONSENSE"})).unwrap(),
            Map::new()
        );
    }

    #[test]
    fn one_value_stands_for_a_list_and_null_for_nothing() {
        let call = message(
            "Call.Decline",
            &json!({"offer_ids": {"value": "o"}, "filters": null, "x": 1}),
        )
        .unwrap();
        assert_eq!(Value::Object(call), json!({"offer_ids": [{"value": "o"}]}));
    }

    #[test]
    fn a_value_of_the_wrong_kind_is_refused() {
        let kill = json!({"task_id": "t"});
        assert_eq!(
            message("Call.Kill", &kill).unwrap_err(),
            "Not expecting a JSON string for field 'task_id'"
        );
    }
}
