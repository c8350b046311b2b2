//! Resources as the master's texts write them: `cpus(allocated: *)(reservations: [(STATIC,a)]):4`.

use super::{Quantity, Resource, Resources};
use std::fmt;

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(value) => {
                #[expect(clippy::cast_precision_loss, reason = "three decimals are shown")]
                let value = *value as f64 / 1000.0;
                write!(formatter, "{value}")
            }
            Self::Ranges(ranges) => {
                let ranges: Vec<String> = ranges
                    .iter()
                    .map(|(begin, end)| format!("{begin}-{end}"))
                    .collect();
                write!(formatter, "[{}]", ranges.join(", "))
            }
            Self::Set(items) => {
                let items: Vec<&str> = items.iter().map(String::as_str).collect();
                write!(formatter, "{{{}}}", items.join(", "))
            }
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(role) = &self.allocation {
            write!(formatter, "(allocated: {role})")?;
        }
        if !self.reservations.is_empty() {
            let stack: Vec<String> = self
                .reservations
                .iter()
                .map(|one| match &one.principal {
                    Some(principal) => format!("({},{},{principal})", one.kind, one.role),
                    None => format!("({},{})", one.kind, one.role),
                })
                .collect();
            write!(formatter, "(reservations: [{}])", stack.join(","))?;
        }
        if self.properties.contains_key("revocable") {
            formatter.write_str("{REV}")?;
        }
        if self.properties.contains_key("shared") {
            formatter.write_str("<SHARED>")?;
        }
        write!(formatter, ":{}", self.quantity)
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return formatter.write_str("{}");
        }
        let all: Vec<String> = self.iter().map(Resource::to_string).collect();
        formatter.write_str(&all.join("; "))
    }
}
