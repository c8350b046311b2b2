//! An agent's `--resources`: `cpus(flink):2;ports:[31000-31500];gpus:1`.

use super::{Quantity, Reservation, Resource, Resources};
use serde_json::Map;

impl Resources {
    /// Reads what an agent is given on its command line; the error names the part that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        text.split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(parse_one)
            .collect()
    }
}

fn parse_one(part: &str) -> Result<Resource, String> {
    let (head, value) = part
        .split_once(':')
        .ok_or_else(|| format!("'{part}': expected name:value"))?;
    let (name, role) = match head.split_once('(') {
        Some((name, role)) => (name, role.trim_end_matches(')')),
        None => (head, "*"),
    };
    let reservations = if role == "*" {
        Vec::new()
    } else {
        vec![Reservation {
            kind: "STATIC".to_owned(),
            role: role.to_owned(),
            principal: None,
            labels: None,
        }]
    };
    Ok(Resource {
        name: name.trim().to_owned(),
        quantity: quantity(value.trim()).ok_or_else(|| {
            format!("'{part}': expected a number, [begin-end,…] or {{word,…}} behind the colon")
        })?,
        reservations,
        allocation: None,
        properties: Map::new(),
    })
}

fn quantity(value: &str) -> Option<Quantity> {
    if let Some(ranges) = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let ranges: Option<Vec<(u64, u64)>> = ranges
            .split(',')
            .map(|range| {
                let (begin, end) = range.trim().split_once('-')?;
                Some((begin.trim().parse().ok()?, end.trim().parse().ok()?))
            })
            .collect();
        return Some(Quantity::ranges(ranges?));
    }
    if let Some(items) = value
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return Some(Quantity::Set(
            items
                .split(',')
                .map(|item| item.trim().to_owned())
                .collect(),
        ));
    }
    value.parse().ok().map(Quantity::scalar)
}
