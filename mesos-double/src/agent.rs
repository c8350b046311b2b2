//! An agent: what it has, what it runs, and the updates that it owes.
//!
//! This is the truth about tasks; a master only knows what it was told.

use crate::identity::Uuid;
use crate::operations::Drain;
use crate::options::AgentOptions;
use crate::resources::{Quantity, Resources};
use crate::update_queue::UpdateQueue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Framework and task.
pub(crate) type RunKey = (String, String);

/// One agent.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Given by the master that it first registers with.
    pub(crate) id: Option<String>,
    /// The id of the agent whose address it has taken over, until a master hears of it.
    pub(crate) former_id: Option<String>,
    pub(crate) options: AgentOptions,
    pub(crate) resources: Resources,
    pub(crate) attributes: Vec<Attribute>,
    /// Where a real one would listen; nothing does here.
    pub(crate) port: u16,
    /// Whether what it says reaches the master, and the other way round.
    pub(crate) online: bool,
    /// Counts losses, so that an old timer knows that it is old.
    pub(crate) epoch: u64,
    /// The frameworks that it runs tasks of.
    pub(crate) frameworks: BTreeMap<String, Map<String, Value>>,
    pub(crate) runs: BTreeMap<RunKey, Run>,
    /// What goes on from the agent before it, of which it knows nothing.
    pub(crate) orphans: Vec<Uuid>,
    /// It was told to empty itself.
    pub(crate) drain: Option<Drain>,
}

/// One task on its agent.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) container: Uuid,
    pub(crate) info: Map<String, Value>,
    pub(crate) resources: Resources,
    pub(crate) latest_state: String,
    pub(crate) container_status: Option<Value>,
    pub(crate) updates: UpdateQueue,
    /// Its executor has the task: STARTING was reported.
    pub(crate) delivered: bool,
}

/// One attribute.
#[derive(Clone, Debug)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: AttributeValue,
}

/// What an attribute may be; a real agent refuses sets.
#[derive(Clone, Debug)]
pub(crate) enum AttributeValue {
    Quantity(Quantity),
    Text(String),
}

impl Agent {
    /// The error says which part of the options cannot be read.
    pub(crate) fn new(options: AgentOptions, port: u16) -> Result<Self, String> {
        Ok(Self {
            id: None,
            former_id: None,
            resources: Resources::parse(&options.resources)?,
            attributes: parse_attributes(&options.attributes)?,
            options,
            port,
            online: true,
            epoch: 0,
            frameworks: BTreeMap::new(),
            runs: BTreeMap::new(),
            orphans: Vec::new(),
            drain: None,
        })
    }

    /// Its address, where `host` is the masters'.
    pub(crate) fn address(&self, host: &str) -> String {
        let own = self.options.address.as_deref();
        own.unwrap_or(host).to_owned()
    }

    pub(crate) fn pid(&self) -> String {
        format!("slave(1)@{}:{}", self.options.hostname, self.port)
    }
}

impl Attribute {
    pub(crate) fn json(&self) -> Value {
        match &self.value {
            AttributeValue::Text(text) => {
                json!({"name": self.name, "type": "TEXT", "text": {"value": text}})
            }
            AttributeValue::Quantity(quantity) => {
                let (kind, field, value) = quantity.json();
                json!({"name": self.name, "type": kind, field: value})
            }
        }
    }

    /// As `/state` shows it.
    pub(crate) fn summary(&self) -> Value {
        match &self.value {
            AttributeValue::Text(text) => text.clone().into(),
            AttributeValue::Quantity(Quantity::Scalar(_)) => self
                .json()
                .get("scalar")
                .and_then(|scalar| scalar.get("value"))
                .cloned()
                .unwrap_or_default(),
            AttributeValue::Quantity(quantity) => quantity.to_string().into(),
        }
    }
}

fn parse_attributes(text: &str) -> Result<Vec<Attribute>, String> {
    text.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part
                .split_once(':')
                .ok_or_else(|| format!("'{part}': expected name:value"))?;
            let quantity = Resources::parse(&format!("{name}:{value}"))
                .ok()
                .and_then(|one| one.iter().next().map(|one| one.quantity.clone()));
            let value = match quantity {
                Some(quantity) => AttributeValue::Quantity(quantity),
                None => AttributeValue::Text(value.to_owned()),
            };
            Ok(Attribute {
                name: name.to_owned(),
                value,
            })
        })
        .collect()
}
