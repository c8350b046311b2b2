//! Whether what the double said is what was recorded: ids by name, times and processes by kind.

use serde_json::{Map, Value};

/// Recorded ids and the double's for them.
#[derive(Default)]
pub(crate) struct Names(Vec<(String, String)>);

impl Names {
    /// Notes that two ids mean the same; both have to mean it always.
    pub(crate) fn learn(&mut self, recorded: &str, own: &str) {
        if recorded.is_empty() {
            return;
        }
        let known = self
            .0
            .iter()
            .find(|(known, same)| known == recorded || same == own);
        if let Some(known) = known {
            assert_eq!(known, &(recorded.to_owned(), own.to_owned()));
            return;
        }
        self.0.push((recorded.to_owned(), own.to_owned()));
        // What contains another name is replaced before it.
        self.0
            .sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    }

    /// A recorded text in the double's names.
    pub(crate) fn translate(&self, text: &str) -> String {
        // Marks keep what is replaced from being replaced again.
        let mut text = text.to_owned();
        for (position, (recorded, _)) in self.0.iter().enumerate() {
            text = text.replace(recorded.as_str(), &format!("\u{1}{position}\u{2}"));
        }
        for (position, (_, own)) in self.0.iter().enumerate() {
            text = text.replace(&format!("\u{1}{position}\u{2}"), own);
        }
        text
    }

    pub(crate) fn translate_value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.translate(text).into(),
            Value::Array(values) => values
                .iter()
                .map(|value| self.translate_value(value))
                .collect(),
            Value::Object(object) => object
                .iter()
                .map(|(key, value)| (key.clone(), self.translate_value(value)))
                .collect::<Map<String, Value>>()
                .into(),
            other => other.clone(),
        }
    }

    /// Learns the ids that a pair of events brings.
    pub(crate) fn learn_event(&mut self, recorded: &Value, own: &Value) {
        let mut learn = |path: &str| {
            if let (Some(Value::String(recorded)), Some(Value::String(own))) =
                (recorded.pointer(path), own.pointer(path))
            {
                self.learn(recorded, own);
            }
        };
        learn("/subscribed/master_info/id");
        learn("/subscribed/framework_id/value");
        learn("/update/status/uuid");
        learn("/update/status/container_status/container_id/value");
        for position in 0..4 {
            learn(&format!("/offers/offers/{position}/id/value"));
            learn(&format!("/offers/offers/{position}/agent_id/value"));
            learn(&format!(
                "/inverse_offers/inverse_offers/{position}/id/value"
            ));
        }
        // A container that failed is named in the message alone.
        let message = "/update/status/message";
        if let (Some(recorded), Some(own)) = (recorded.pointer(message), own.pointer(message)) {
            let quoted = |text: &Value| {
                let (_, rest) = text.as_str()?.split_once("for container '")?;
                Some(rest.split('\'').next()?.to_owned())
            };
            if let (Some(recorded), Some(own)) = (quoted(recorded), quoted(own)) {
                self.learn(&recorded, &own);
            }
        }
    }
}

/// What is left of an event when time, process and machine are taken out of it.
pub(crate) fn normal(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(status) = event.pointer_mut("/update/status") {
        let status = status.as_object_mut().unwrap();
        by_kind(status, "timestamp", Value::is_f64);
        by_kind(status, "data", Value::is_string);
        if let Some(container) = status.get_mut("container_status") {
            by_kind(
                container.as_object_mut().unwrap(),
                "executor_pid",
                Value::is_u64,
            );
        }
        if let Some(time) = status.get_mut("unreachable_time") {
            by_kind(time.as_object_mut().unwrap(), "nanoseconds", Value::is_u64);
        }
        // Recorded tasks were killed before their shells had set a trap: a race that either can win.
        let contestants = ["cmd-ignore-term", "mi-exec", "d1"];
        let races = contestants.contains(&status["task_id"]["value"].as_str().unwrap_or_default());
        if let Some(Value::String(message)) = status.get_mut("message") {
            if races {
                for other in [
                    "terminated with signal Killed",
                    "exited with status 5",
                    "exited with status 0",
                ] {
                    *message = message.replace(other, "terminated with signal Terminated");
                }
            }
            for end in [
                "MEMORY STATISTICS: \n",
                "; stderr='Error response from daemon",
            ] {
                if let Some(position) = message.find(end) {
                    message.truncate(position + end.len());
                }
            }
        }
    }
    event
}

/// Keeps only that a field is there and of its kind.
fn by_kind(object: &mut Map<String, Value>, field: &str, is: fn(&Value) -> bool) {
    if let Some(value) = object.get_mut(field) {
        assert!(is(value), "{field}: {value}");
        *value = "(of its kind)".into();
    }
}
