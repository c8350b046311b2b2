//! Resources and their arithmetic: scalars in thousandths, ranges coalesced, reservations apart.
//!
//! Never decides who gets them.

mod quantity;
mod render;
mod text;
mod wire;

pub(crate) use quantity::Quantity;
pub(crate) use wire::Sight;

use serde_json::{Map, Value};

/// One entry of a reservation stack; the last one of a stack is the current one.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reservation {
    /// `STATIC` or `DYNAMIC`.
    pub(crate) kind: String,
    pub(crate) role: String,
    pub(crate) principal: Option<String>,
    pub(crate) labels: Option<Value>,
}

/// One resource.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) quantity: Quantity,
    pub(crate) reservations: Vec<Reservation>,
    /// The role it is allocated to; an agent's total has none.
    pub(crate) allocation: Option<String>,
    /// `disk`, `revocable`, `shared`, `provider_id` as they came.
    pub(crate) properties: Map<String, Value>,
}

impl Resource {
    pub(crate) fn role(&self) -> &str {
        self.reservations.last().map_or("*", |last| &last.role)
    }

    /// Whether it was set aside by an operator or a framework, and not by its agent's options.
    pub(crate) fn is_dynamically_reserved(&self) -> bool {
        let last = self.reservations.last();
        last.is_some_and(|last| last.kind == "DYNAMIC")
    }

    /// Whether the two are of one kind, so that their quantities add up.
    fn addable(&self, other: &Self) -> bool {
        self.name == other.name
            && self.reservations == other.reservations
            && self.allocation == other.allocation
            && self.properties == other.properties
            && self.quantity.same_kind(&other.quantity)
    }
}

/// Resources in the order in which they were given.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Resources(Vec<Resource>);

impl Resources {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for resource in &other.0 {
            self.add_one(resource);
        }
    }

    pub(crate) fn add_one(&mut self, resource: &Resource) {
        match self.0.iter_mut().find(|own| own.addable(resource)) {
            Some(own) => own.quantity.add(&resource.quantity),
            None if resource.quantity.is_empty() => {}
            None => self.0.push(resource.clone()),
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for resource in &other.0 {
            if let Some(own) = self.0.iter_mut().find(|own| own.addable(resource)) {
                own.quantity.subtract(&resource.quantity);
            }
        }
        self.0.retain(|resource| !resource.quantity.is_empty());
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut rest = self.clone();
        rest.subtract(other);
        rest
    }

    pub(crate) fn contains(&self, other: &Self) -> bool {
        // Two entries of one kind in `other` count together.
        let mut wanted = Self::default();
        wanted.add(other);
        wanted.0.iter().all(|resource| {
            self.0
                .iter()
                .any(|own| own.addable(resource) && own.quantity.contains(&resource.quantity))
        })
    }

    pub(crate) fn filter(&self, keep: impl Fn(&Resource) -> bool) -> Self {
        Self(self.0.iter().filter(|one| keep(one)).cloned().collect())
    }

    /// The same, allocated to `role` (or to nobody).
    pub(crate) fn allocated(&self, role: Option<&str>) -> Self {
        let mut all = self.clone();
        for resource in &mut all.0 {
            resource.allocation = role.map(str::to_owned);
        }
        all
    }

    /// The same as it was before its last reservation.
    pub(crate) fn without_last_reservation(&self) -> Self {
        let before = |one: &Resource| {
            let mut one = one.clone();
            one.reservations.pop();
            one
        };
        self.0.iter().map(before).collect()
    }

    /// Gives a role to what has none, as the master does with a task's resources.
    pub(crate) fn inject_allocation(&mut self, role: &str) {
        for resource in &mut self.0 {
            resource.allocation.get_or_insert_with(|| role.to_owned());
        }
    }

    /// The scalar `name` over all roles, in thousandths.
    pub(crate) fn thousandths(&self, name: &str) -> i64 {
        self.0
            .iter()
            .filter(|resource| resource.name == name)
            .map(|resource| resource.quantity.thousandths())
            .sum()
    }

    /// Leaves at most so many thousandths of the scalar `name` that are reserved for nobody.
    pub(crate) fn shrink(&mut self, name: &str, most: i64) {
        let mut left = most.max(0);
        for resource in &mut self.0 {
            if let Quantity::Scalar(own) = &mut resource.quantity
                && resource.name == name
                && resource.reservations.is_empty()
            {
                *own = left.min(*own);
                left -= *own;
            }
        }
        self.0.retain(|resource| !resource.quantity.is_empty());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|resource| resource.name == name)
    }
}

impl FromIterator<Resource> for Resources {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        let mut all = Self::default();
        for resource in resources {
            all.add_one(&resource);
        }
        all
    }
}
