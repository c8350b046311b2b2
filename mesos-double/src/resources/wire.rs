//! Resources in JSON, in both formats: before and after reservation refinement.

use super::{Quantity, Reservation, Resource, Resources};
use crate::call::{objects, text};
use serde_json::{Map, Value, json};

/// How a framework sees resources, by its capabilities.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sight {
    /// RESERVATION_REFINEMENT: `reservations` instead of `role` and `reservation`.
    pub(crate) refined: bool,
    /// MULTI_ROLE: `allocation_info` is shown.
    pub(crate) multi_role: bool,
}

impl Resources {
    /// The messages of a list field, which the schema has been through.
    pub(crate) fn read(object: &Map<String, Value>, field: &str) -> Self {
        objects(object, field).map(read_one).collect()
    }

    pub(crate) fn json(&self, sight: Sight) -> Value {
        self.iter().map(|one| one.json(sight)).collect()
    }

    /// `{"cpus": 4.0, "ports": "[31000-31500]"}` as `/state` shows them.
    pub(crate) fn summary(&self) -> Value {
        let mut summary = Map::new();
        for name in ["disk", "mem", "gpus", "cpus"] {
            summary.insert(name.to_owned(), json!(number(self.thousandths(name))));
        }
        for resource in self.iter() {
            if !matches!(resource.quantity, Quantity::Scalar(_)) {
                summary.insert(resource.name.clone(), resource.quantity.to_string().into());
            } else if !summary.contains_key(&resource.name) {
                let value = number(self.thousandths(&resource.name));
                summary.insert(resource.name.clone(), value.into());
            }
        }
        Value::Object(summary)
    }
}

impl Resource {
    pub(crate) fn json(&self, sight: Sight) -> Value {
        let mut object = Map::new();
        object.insert("name".to_owned(), self.name.clone().into());
        let (kind, field, value) = self.quantity.json();
        object.insert("type".to_owned(), kind.into());
        object.insert(field.to_owned(), value);
        if sight.refined {
            if !self.reservations.is_empty() {
                let stack: Vec<Value> = self.reservations.iter().map(stack_entry).collect();
                object.insert("reservations".to_owned(), stack.into());
            }
        } else {
            object.insert("role".to_owned(), self.role().into());
            if let Some(last) = self
                .reservations
                .last()
                .filter(|last| last.kind == "DYNAMIC")
            {
                let mut entry = stack_entry(last);
                if let Some(entry) = entry.as_object_mut() {
                    entry.remove("type");
                    entry.remove("role");
                }
                object.insert("reservation".to_owned(), entry);
            }
        }
        if let Some(role) = self.allocation.as_ref().filter(|_| sight.multi_role) {
            object.insert("allocation_info".to_owned(), json!({ "role": role }));
        }
        object.extend(self.properties.clone());
        Value::Object(object)
    }
}

impl Quantity {
    /// Type, field and value of a `Resource` or an `Attribute`.
    pub(crate) fn json(&self) -> (&'static str, &'static str, Value) {
        match self {
            Self::Scalar(value) => ("SCALAR", "scalar", json!({ "value": number(*value) })),
            Self::Ranges(ranges) => {
                let range: Vec<Value> = ranges
                    .iter()
                    .map(|(begin, end)| json!({ "begin": begin, "end": end }))
                    .collect();
                ("RANGES", "ranges", json!({ "range": range }))
            }
            Self::Set(items) => ("SET", "set", json!({ "item": items })),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "doubles are what JSON carries")]
fn number(thousandths: i64) -> f64 {
    thousandths as f64 / 1000.0
}

fn stack_entry(reservation: &Reservation) -> Value {
    let mut entry = Map::new();
    if let Some(principal) = &reservation.principal {
        entry.insert("principal".to_owned(), principal.clone().into());
    }
    if let Some(labels) = &reservation.labels {
        entry.insert("labels".to_owned(), labels.clone());
    }
    entry.insert("role".to_owned(), reservation.role.clone().into());
    entry.insert("type".to_owned(), reservation.kind.clone().into());
    Value::Object(entry)
}

fn read_one(object: &Map<String, Value>) -> Resource {
    let mut properties = object.clone();
    for known in [
        "name",
        "type",
        "scalar",
        "ranges",
        "set",
        "role",
        "reservation",
        "reservations",
        "allocation_info",
    ] {
        properties.remove(known);
    }
    Resource {
        name: text(object, "name").unwrap_or_default().to_owned(),
        quantity: read_quantity(object),
        reservations: read_reservations(object),
        allocation: object
            .get("allocation_info")
            .and_then(|info| info.get("role"))
            .and_then(Value::as_str)
            .map(str::to_owned),
        properties,
    }
}

fn read_quantity(object: &Map<String, Value>) -> Quantity {
    let empty = Map::new();
    let part = |field: &str| {
        object
            .get(field)
            .and_then(Value::as_object)
            .unwrap_or(&empty)
    };
    match text(object, "type") {
        Some("RANGES") => Quantity::ranges(objects(part("ranges"), "range").map(|range| {
            let bound = |field: &str| range.get(field).and_then(Value::as_u64).unwrap_or(0);
            (bound("begin"), bound("end"))
        })),
        Some("SET") => Quantity::Set(
            crate::call::texts(part("set"), "item")
                .into_iter()
                .collect(),
        ),
        _ => Quantity::scalar(
            part("scalar")
                .get("value")
                .and_then(Value::as_f64)
                .unwrap_or(0.0),
        ),
    }
}

fn read_reservations(object: &Map<String, Value>) -> Vec<Reservation> {
    let stack: Vec<Reservation> = objects(object, "reservations")
        .map(|entry| read_reservation(entry, text(entry, "type"), text(entry, "role")))
        .collect();
    if !stack.is_empty() {
        return stack;
    }
    let role = text(object, "role").unwrap_or("*");
    let dynamic = object.get("reservation").and_then(Value::as_object);
    match (role, dynamic) {
        ("*", _) => Vec::new(),
        (role, Some(entry)) => vec![read_reservation(entry, Some("DYNAMIC"), Some(role))],
        (role, None) => vec![read_reservation(&Map::new(), Some("STATIC"), Some(role))],
    }
}

fn read_reservation(
    entry: &Map<String, Value>,
    kind: Option<&str>,
    role: Option<&str>,
) -> Reservation {
    Reservation {
        kind: kind.unwrap_or("STATIC").to_owned(),
        role: role.unwrap_or("*").to_owned(),
        principal: text(entry, "principal").map(str::to_owned),
        labels: entry.get("labels").cloned(),
    }
}
