//! Quota: how much a role may hold. It keeps offers small, and ends nothing that runs.

use super::Cluster;
use crate::call::{objects, text};
use crate::master::Master;
use crate::operations::Limits;
use crate::resources::{Quantity, Resources};
use crate::validation::role::{self, is_within};
use serde_json::{Map, Value};

impl Cluster {
    /// UPDATE_QUOTA. The error is the text of the 400.
    pub(crate) fn update_quota(&mut self, message: &Map<String, Value>) -> Result<(), String> {
        let force = message.get("force").and_then(Value::as_bool) == Some(true);
        let mut changes: Vec<(String, Limits)> = Vec::new();
        for config in objects(message, "quota_configs") {
            let role = text(config, "role").unwrap_or_default().to_owned();
            if role == "*" || role::validate(&role).is_err() {
                return Err(format!(
                    "Invalid QuotaConfig: Invalid 'QuotaConfig.role': '{role}'"
                ));
            }
            let limits = limits(config);
            if let Some(master) = self.master.as_ref().filter(|_| !force) {
                let held = consumption(master, &role, false);
                let over = |(name, limit): (&String, &i64)| held.thousandths(name) > *limit;
                if limits.iter().any(over) {
                    return Err(format!(
                        "Invalid QuotaConfig: Role '{role}' is already consuming '{held}'; this \
                         is more than the requested limits (use 'force' flag to bypass this check)"
                    ));
                }
            }
            changes.push((role, limits));
        }
        for (role, limits) in changes {
            if let Some(master) = &mut self.master {
                for offer in master.offers_where(|offer| is_within(&offer.role, &role)) {
                    master.rescind(&offer);
                }
            }
            self.operations.limits.insert(role, limits);
        }
        Ok(())
    }
}

fn limits(config: &Map<String, Value>) -> Limits {
    let limits = config.get("limits").and_then(Value::as_object);
    let limits = limits.into_iter().flatten();
    limits
        .filter_map(|(name, scalar)| {
            let value = scalar.get("value")?.as_f64()?;
            Some((name.clone(), Quantity::scalar(value).thousandths()))
        })
        .collect()
}

/// What a role and those below it hold: what is reserved for them, what their tasks have, and
/// what is offered to them.
fn consumption(master: &Master, role: &str, with_offers: bool) -> Resources {
    let mut held = Resources::default();
    for agent in master.registered.values() {
        held.add(
            &agent
                .total
                .filter(|one| one.role() != "*" && is_within(one.role(), role)),
        );
    }
    let mut take = |resources: &Resources| {
        let unreserved = resources.filter(|one| {
            let allocated = one.allocation.as_deref().unwrap_or("*");
            one.role() == "*" && is_within(allocated, role)
        });
        held.add(&unreserved.allocated(None));
    };
    for framework in master.frameworks.values() {
        let live = framework.tasks.values().filter(|task| !task.is_over());
        live.for_each(|task| take(&task.resources));
    }
    if with_offers {
        master
            .offers
            .values()
            .for_each(|offer| take(&offer.resources));
    }
    held
}

/// What a role may be offered of this: its limits, and those of the roles above it, shrink what
/// is not reserved.
pub(super) fn within_limits(
    limits: &std::collections::BTreeMap<String, Limits>,
    master: &Master,
    role: &str,
    mut share: Resources,
) -> Resources {
    for (limited, limits) in limits
        .iter()
        .filter(|(limited, _)| is_within(role, limited))
    {
        let held = consumption(master, limited, true);
        for (name, limit) in limits {
            share.shrink(name, limit - held.thousandths(name));
        }
    }
    share
}
