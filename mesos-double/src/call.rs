//! One request's body as a call: parsed, of the schema's shape, and with what its type needs.

use crate::schema;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A call that a master would look at further.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Call {
    pub(crate) kind: String,
    pub(crate) framework_id: Option<String>,
    body: Map<String, Value>,
}

impl Call {
    /// Reads a JSON body. The error is the text of the 400.
    ///
    /// `principal`: who was authenticated, if anybody.
    pub(crate) fn read(body: &[u8], principal: Option<&str>) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body).map_err(|error| {
            format!(
                "Failed to parse body into JSON: {}",
                syntax_error(body, &error)
            )
        })?;
        let body = schema::message("Call", &value)
            .map_err(|reason| format!("Failed to convert JSON into Call protobuf: {reason}"))?;
        let call = Self {
            kind: text(&body, "type").unwrap_or_default().to_owned(),
            framework_id: identifier(&body, "framework_id").map(str::to_owned),
            body,
        };
        call.validate(principal)
            .map_err(|reason| format!("Failed to validate scheduler::Call: {reason}"))?;
        Ok(call)
    }

    /// The message that belongs to the type, `accept` of an ACCEPT; empty if there is none.
    pub(crate) fn message(&self) -> Map<String, Value> {
        match self.body.get(&self.kind.to_lowercase()) {
            Some(Value::Object(message)) => message.clone(),
            _ => Map::new(),
        }
    }

    fn validate(&self, principal: Option<&str>) -> Result<(), String> {
        if self.kind.is_empty() {
            return Err("Expecting 'type' to be present".to_owned());
        }
        if self.kind == "SUBSCRIBE" {
            return self.validate_subscribe(principal);
        }
        if self.framework_id.is_none() {
            return Err("Expecting 'framework_id' to be present".to_owned());
        }
        let name = self.kind.to_lowercase();
        let needs_no_message = matches!(
            self.kind.as_str(),
            "TEARDOWN" | "REVIVE" | "SUPPRESS" | "UNKNOWN"
        );
        if !needs_no_message && !self.body.contains_key(&name) {
            return Err(format!("Expecting '{name}' to be present"));
        }
        let message = self.message();
        if matches!(
            self.kind.as_str(),
            "ACKNOWLEDGE" | "ACKNOWLEDGE_OPERATION_STATUS"
        ) {
            let uuid = text(&message, "uuid").and_then(|uuid| STANDARD.decode(uuid).ok());
            if uuid.is_none_or(|uuid| uuid.len() != 16) {
                return Err("Not a valid UUID".to_owned());
            }
        }
        if self.kind == "ACKNOWLEDGE_OPERATION_STATUS" && !message.contains_key("agent_id") {
            return Err("Expecting 'agent_id' to be present".to_owned());
        }
        if self.kind == "UPDATE_FRAMEWORK" {
            let info = message.get("framework_info").and_then(Value::as_object);
            if info.and_then(|info| identifier(info, "id")) != self.framework_id.as_deref() {
                return Err(
                    "'framework_id' differs from 'update_framework.framework_info.id'".to_owned(),
                );
            }
        }
        Ok(())
    }

    fn validate_subscribe(&self, principal: Option<&str>) -> Result<(), String> {
        let message = self.message();
        let Some(info) = message.get("framework_info").and_then(Value::as_object) else {
            return Err("Expecting 'subscribe' to be present".to_owned());
        };
        // An id that is not set equals an empty one.
        let named = identifier(info, "id").unwrap_or_default();
        if named != self.framework_id.as_deref().unwrap_or_default() {
            return Err("'framework_id' differs from 'subscribe.framework_info.id'".to_owned());
        }
        match (principal, text(info, "principal")) {
            (Some(authenticated), Some(claimed)) if authenticated != claimed => Err(format!(
                "Authenticated principal '{authenticated}' does not match principal '{claimed}' set in `FrameworkInfo`"
            )),
            _ => Ok(()),
        }
    }
}

/// The text of `object`'s field.
pub(crate) fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    object.get(field).and_then(Value::as_str)
}

/// The value of one of the `…ID` messages.
pub(crate) fn identifier<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    object
        .get(field)
        .and_then(|id| id.get("value"))
        .and_then(Value::as_str)
}

/// The values of a list of `…ID` messages.
pub(crate) fn identifiers(object: &Map<String, Value>, field: &str) -> Vec<String> {
    objects(object, field)
        .filter_map(|id| text(id, "value"))
        .map(str::to_owned)
        .collect()
}

/// The messages of a repeated field.
pub(crate) fn objects<'a>(
    object: &'a Map<String, Value>,
    field: &str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    object
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
}

/// The texts of a repeated field.
pub(crate) fn texts(object: &Map<String, Value>, field: &str) -> Vec<String> {
    object
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// As the master's parser tells it: the line, and what stands there up to its end.
fn syntax_error(body: &[u8], error: &serde_json::Error) -> String {
    let line = error.line().max(1);
    let rest = body
        .split(|byte| *byte == b'\n')
        .nth(line - 1)
        .and_then(|text| text.get(error.column().saturating_sub(1)..))
        .unwrap_or_default();
    format!(
        "syntax error at line {line} near: {}",
        String::from_utf8_lossy(rest)
    )
}
