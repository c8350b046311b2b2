//! How much of a resource: a fixed-point number, ranges of numbers, or a set of words.

use std::collections::BTreeSet;

/// How much of it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Quantity {
    /// In thousandths: a master's scalars have three decimals and no more.
    Scalar(i64),
    /// Inclusive ranges, sorted and coalesced.
    Ranges(Vec<(u64, u64)>),
    Set(BTreeSet<String>),
}

impl Quantity {
    /// A scalar from what JSON carries, rounded to thousandths.
    pub(crate) fn scalar(value: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "no agent has 2^63 thousandths of anything; a cast saturates"
        )]
        Self::Scalar((value * 1000.0).round() as i64)
    }

    pub(crate) fn ranges(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self::Ranges(coalesce(ranges.into_iter().collect()))
    }

    pub(crate) fn same_kind(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(value) => *value <= 0,
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Set(items) => items.is_empty(),
        }
    }

    pub(crate) fn thousandths(&self) -> i64 {
        match self {
            Self::Scalar(value) => *value,
            _ => 0,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(own), Self::Scalar(other)) => *own += other,
            (Self::Ranges(own), Self::Ranges(other)) => {
                own.extend(other);
                *own = coalesce(std::mem::take(own));
            }
            (Self::Set(own), Self::Set(other)) => own.extend(other.iter().cloned()),
            _ => {}
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        match (self, other) {
            (Self::Scalar(own), Self::Scalar(other)) => *own -= other,
            (Self::Ranges(own), Self::Ranges(other)) => {
                for taken in other {
                    *own = own
                        .iter()
                        .flat_map(|range| without(*range, *taken))
                        .collect();
                }
            }
            (Self::Set(own), Self::Set(other)) => own.retain(|item| !other.contains(item)),
            _ => {}
        }
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Scalar(own), Self::Scalar(other)) => own >= other,
            (Self::Ranges(own), Self::Ranges(other)) => other
                .iter()
                .all(|(begin, end)| own.iter().any(|own| own.0 <= *begin && *end <= own.1)),
            (Self::Set(own), Self::Set(other)) => other.is_subset(own),
            _ => false,
        }
    }
}

fn coalesce(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
    for (begin, end) in ranges {
        match joined.last_mut() {
            Some(last) if begin <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => joined.push((begin, end)),
        }
    }
    joined
}

/// What is left of a range when another is taken out of it.
fn without(range: (u64, u64), taken: (u64, u64)) -> Vec<(u64, u64)> {
    if taken.1 < range.0 || taken.0 > range.1 {
        return vec![range];
    }
    let mut rest = Vec::new();
    if taken.0 > range.0 {
        rest.push((range.0, taken.0 - 1));
    }
    if taken.1 < range.1 {
        rest.push((taken.1 + 1, range.1));
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_come_back_coalesced() {
        let mut ports = Quantity::ranges([(31_000, 31_500)]);
        let taken = Quantity::ranges([(31_000, 31_000), (31_200, 31_210)]);
        assert!(ports.contains(&taken));
        ports.subtract(&taken);
        assert_eq!(
            ports,
            Quantity::Ranges(vec![(31_001, 31_199), (31_211, 31_500)])
        );
        ports.add(&taken);
        assert_eq!(ports, Quantity::Ranges(vec![(31_000, 31_500)]));
    }

    #[test]
    fn scalars_have_three_decimals_behaviour_9() {
        let mut cpus = Quantity::scalar(0.3);
        cpus.subtract(&Quantity::scalar(0.1));
        cpus.subtract(&Quantity::scalar(0.2));
        assert!(cpus.is_empty());
    }
}
