//! What can be taken out of an offer.
//!
//! Owns the arithmetic of resources: scalars in thousandths as the master counts, ranges, roles
//! and reservations. What is taken repeats the offered objects, with less in them. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::wire::{Range, Ranges, Resource, Scalar, ValueType};

/// An amount of a scalar resource in thousandths, which is as exact as the master is
/// (`Value.Scalar`, three decimals).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thousandths(u64);

impl Thousandths {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many whole ones.
    pub const fn whole(number: u32) -> Self {
        Self(number as u64 * 1000)
    }

    /// So many thousandths.
    pub const fn new(thousandths: u64) -> Self {
        Self(thousandths)
    }

    /// The nearest amount; what is negative or no number is nothing.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the conversion saturates, which is what is wanted"
    )]
    pub fn nearest(value: f64) -> Self {
        Self((value * 1000.0).round() as u64)
    }

    /// In thousandths.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As the API writes it.
    #[expect(
        clippy::cast_precision_loss,
        reason = "amounts are far below 2^53 thousandths"
    )]
    pub fn value(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The sum, as far as it can be told.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left; nothing if it is less than nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    fn is_whole(self) -> bool {
        self.0.is_multiple_of(1000)
    }
}

impl fmt::Display for Thousandths {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(formatter)
    }
}

/// A port that a task wants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortDemand {
    /// What it is for; the caller's word.
    pub name: String,
    /// The number it has to be; absent: any.
    pub number: Option<u16>,
}

/// What one task wants of an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// Scalars by name: `cpus`, `mem` and `disk` (MiB), `gpus`, or the agent's own. Those of
    /// nothing are not asked for.
    pub scalars: BTreeMap<String, Thousandths>,
    /// Ports, in the order in which numbers are given out.
    pub ports: Vec<PortDemand>,
    /// Whether revocable resources will do.
    pub revocable: bool,
}

/// What is missing in an offer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Shortage {
    /// There is too little of a scalar.
    #[error("{name}: {wanted} wanted, {offered} offered")]
    Scalar {
        /// Which.
        name: String,
        /// How much is wanted.
        wanted: Thousandths,
        /// How much there is that may be used.
        offered: Thousandths,
    },
    /// There are too few ports.
    #[error("ports: {wanted} wanted, {offered} offered")]
    Ports {
        /// How many are wanted.
        wanted: usize,
        /// How many there are.
        offered: u64,
    },
    /// A port is not to be had.
    #[error("port {number} ({name}) is not offered")]
    Port {
        /// What it is for.
        name: String,
        /// Its number.
        number: u16,
    },
    /// GPUs come whole.
    #[error("gpus: {wanted} wanted, but they come whole")]
    Fraction {
        /// How many are wanted.
        wanted: Thousandths,
    },
}

/// What a task was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Taken {
    /// Parts of the offered objects, to be put into `TaskInfo.resources`.
    pub resources: Vec<Resource>,
    /// The ports, in the order of the demand.
    pub ports: Vec<(String, u16)>,
}

/// What is left of an offer.
#[derive(Debug, Clone, PartialEq)]
pub struct Remaining {
    resources: Vec<Resource>,
}

/// In which order resources of one name are used up: those reserved for the own role first.
fn is_unreserved(resource: &Resource) -> bool {
    let role = resource.role.as_deref();
    resource.reservations.is_empty() && role.is_none_or(|role| role == "*" || role.is_empty())
}

/// Persistent volumes, disks of their own and what is shared are no mere amounts: never used.
fn is_plain(resource: &Resource) -> bool {
    let of_its_own = |disk: &super::wire::DiskInfo| {
        disk.persistence.is_some() || disk.source.is_some() || disk.volume.is_some()
    };
    resource.shared.is_none() && !resource.disk.as_ref().is_some_and(of_its_own)
}

fn amount(resource: &Resource) -> Thousandths {
    match &resource.scalar {
        Some(scalar) if resource.kind == ValueType::Scalar => Thousandths::nearest(scalar.value),
        _ => Thousandths::ZERO,
    }
}

fn ranges(resource: &Resource) -> &[Range] {
    match &resource.ranges {
        Some(ranges) if resource.kind == ValueType::Ranges => &ranges.range,
        _ => &[],
    }
}

impl Remaining {
    /// All of an offer.
    pub fn of(offered: &[Resource]) -> Self {
        let mut resources: Vec<Resource> = offered
            .iter()
            .filter(|one| is_plain(one))
            .cloned()
            .collect();
        resources.sort_by_key(is_unreserved);
        Self { resources }
    }

    /// What is left, own role first.
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// How much of a scalar there is, without what is revocable.
    pub fn scalar(&self, name: &str) -> Thousandths {
        self.sum(name, false)
    }

    /// Takes what is demanded, or says everything that is missing and takes nothing.
    ///
    /// Where any port will do, it is the `first_port`th of those offered, counting round, and those
    /// that follow: who has to ask again, because something that Mesos knows nothing of listens
    /// there, can ask for others.
    pub fn take(&mut self, demand: &Demand, first_port: u64) -> Result<Taken, Vec<Shortage>> {
        let mut left = self.resources.clone();
        let (mut taken, mut missing) = (Taken::default(), Vec::new());
        for (name, wanted) in &demand.scalars {
            match self.choose(name, *wanted, demand.revocable) {
                Ok(revocable) => {
                    take_scalar(&mut left, name, *wanted, revocable, &mut taken.resources);
                }
                Err(shortage) => missing.push(shortage),
            }
        }
        take_ports(
            &mut left,
            &demand.ports,
            first_port,
            &mut taken,
            &mut missing,
        );
        if !missing.is_empty() {
            return Err(missing);
        }
        left.retain(|one| match one.kind {
            ValueType::Scalar => amount(one) > Thousandths::ZERO,
            ValueType::Ranges => !ranges(one).is_empty(),
            _ => true,
        });
        self.resources = left;
        Ok(taken)
    }

    /// Whether to take revocable ones of this name. The master refuses a task that mixes them
    /// with others of the same name; those that last are taken if they suffice.
    fn choose(&self, name: &str, wanted: Thousandths, opted_in: bool) -> Result<bool, Shortage> {
        if name == "gpus" && !wanted.is_whole() {
            return Err(Shortage::Fraction { wanted });
        }
        let lasting = self.sum(name, false);
        if lasting >= wanted {
            return Ok(false);
        }
        let revocable = self.sum(name, true);
        if opted_in && revocable >= wanted {
            return Ok(true);
        }
        let offered = if opted_in {
            lasting.max(revocable)
        } else {
            lasting
        };
        Err(Shortage::Scalar {
            name: name.to_owned(),
            wanted,
            offered,
        })
    }

    fn sum(&self, name: &str, revocable: bool) -> Thousandths {
        self.resources
            .iter()
            .filter(|one| one.name == name && one.revocable.is_some() == revocable)
            .fold(Thousandths::ZERO, |sum, one| sum.plus(amount(one)))
    }
}

fn take_scalar(
    left: &mut [Resource],
    name: &str,
    wanted: Thousandths,
    revocable: bool,
    taken: &mut Vec<Resource>,
) {
    let mut wanted = wanted;
    for one in left
        .iter_mut()
        .filter(|one| one.name == name && one.revocable.is_some() == revocable)
    {
        let part = wanted.min(amount(one));
        if part == Thousandths::ZERO {
            continue;
        }
        let value = |amount: Thousandths| {
            Some(Scalar {
                value: amount.value(),
            })
        };
        let mut piece = one.clone();
        piece.scalar = value(part);
        taken.push(piece);
        one.scalar = value(amount(one).minus(part));
        wanted = wanted.minus(part);
    }
}

fn take_ports(
    left: &mut [Resource],
    demand: &[PortDemand],
    first_port: u64,
    taken: &mut Taken,
    missing: &mut Vec<Shortage>,
) {
    if demand.is_empty() {
        return;
    }
    let mut given: Vec<(usize, u16)> = Vec::new();
    let mut numbers: Vec<Option<u16>> = Vec::new();
    // Numbers that somebody insists on come before those that do not matter.
    for port in demand {
        let found = port
            .number
            .and_then(|number| Some((remove_port(left, number)?, number)));
        if let (Some(number), None) = (port.number, found) {
            let name = port.name.clone();
            missing.push(Shortage::Port { name, number });
        }
        given.extend(found);
        numbers.push(found.map(|(_, number)| number));
    }
    let offered: u64 = left
        .iter()
        .filter(|one| is_ports(one))
        .map(usable_ports)
        .sum();
    let mut having = left.iter().filter(|one| is_ports(one)).map(usable_ports);
    let nth = having.find_map(|many| first_port.checked_rem(many));
    let any = demand.iter().filter(|port| port.number.is_none()).count();
    for (port, number) in demand.iter().zip(&mut numbers) {
        if port.number.is_none() {
            let found = remove_any_port(left, nth.unwrap_or(0));
            given.extend(found);
            *number = found.map(|(_, number)| number);
        }
    }
    if numbers
        .iter()
        .zip(demand)
        .any(|(number, port)| number.is_none() && port.number.is_none())
    {
        let wanted = any;
        missing.push(Shortage::Ports { wanted, offered });
    }
    let names = demand.iter().map(|port| port.name.clone());
    let pairs = names
        .zip(numbers)
        .filter_map(|(name, number)| Some((name, number?)));
    taken.ports.extend(pairs);
    taken.resources.extend(port_pieces(left, &given));
}

/// Ports never are revocable on a real agent, and a port that is taken away is of no use.
fn is_ports(resource: &Resource) -> bool {
    resource.name == "ports" && resource.revocable.is_none()
}

fn remove_port(left: &mut [Resource], number: u16) -> Option<usize> {
    let number = u64::from(number);
    for (index, one) in left.iter_mut().enumerate().filter(|(_, one)| is_ports(one)) {
        let Some(range) = &mut one.ranges else {
            continue;
        };
        let within = |range: &Range| (range.begin..=range.end).contains(&number);
        if let Some(at) = range.range.iter().position(within) {
            let whole = range.range.remove(at);
            let (below, above) = (number.checked_sub(1), number.checked_add(1));
            let parts = [
                below.map(|end| Range {
                    begin: whole.begin,
                    end,
                }),
                above.map(|begin| Range {
                    begin,
                    end: whole.end,
                }),
            ];
            let parts = parts
                .into_iter()
                .flatten()
                .filter(|part| part.begin <= part.end);
            range.range.splice(at..at, parts);
            return Some(index);
        }
    }
    None
}

/// The ranges of a resource's ports that can be listened on.
fn usable_ranges(ports: &Resource) -> impl Iterator<Item = (u64, u64)> {
    let ranges = ranges(ports).iter();
    let usable = ranges.map(|range| (range.begin.max(1), range.end.min(u64::from(u16::MAX))));
    usable.filter(|(begin, end)| begin <= end)
}

fn usable_ports(ports: &Resource) -> u64 {
    usable_ranges(ports)
        .map(|(begin, end)| end + 1 - begin)
        .sum()
}

/// Takes a port of the first resource that has any: the `nth` of those that it has, counting round.
/// Asked again, it gives the one that follows.
fn remove_any_port(left: &mut [Resource], nth: u64) -> Option<(usize, u16)> {
    let mut ports = left.iter().filter(|one| is_ports(one));
    let number = ports.find_map(|one| nth_port(one, nth))?;
    Some((remove_port(left, number)?, number))
}

fn nth_port(ports: &Resource, nth: u64) -> Option<u16> {
    let mut nth = nth.checked_rem(usable_ports(ports))?;
    for (begin, end) in usable_ranges(ports) {
        let many = end + 1 - begin;
        if nth < many {
            return u16::try_from(begin + nth).ok();
        }
        nth -= many;
    }
    None
}

/// The ports as parts of the objects they came from, neighbours joined.
fn port_pieces(left: &[Resource], given: &[(usize, u16)]) -> Vec<Resource> {
    let piece = |(index, one): (usize, &Resource)| {
        let mut numbers: Vec<u64> = given
            .iter()
            .filter(|(of, _)| *of == index)
            .map(|(_, number)| u64::from(*number))
            .collect();
        if numbers.is_empty() {
            return None;
        }
        numbers.sort_unstable();
        let mut piece = one.clone();
        piece.ranges = Some(Ranges {
            range: coalesce(&numbers),
        });
        Some(piece)
    };
    left.iter().enumerate().filter_map(piece).collect()
}

fn coalesce(sorted: &[u64]) -> Vec<Range> {
    let mut joined: Vec<Range> = Vec::new();
    for &number in sorted {
        match joined.last_mut() {
            Some(last) if last.end + 1 == number => last.end = number,
            _ => joined.push(Range {
                begin: number,
                end: number,
            }),
        }
    }
    joined
}

#[cfg(test)]
#[path = "resources/tests.rs"]
mod tests;
