//! What masters of which version understand.
//!
//! Owns the table from the features that matter here to the versions that brought them, and what
//! a subscription has to look like for an older master. Pure.

use std::fmt;

use super::wire::{Capability, CapabilityType, Subscribe};

/// A version of Mesos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MasterVersion {
    /// The first number.
    pub major: u32,
    /// The second one.
    pub minor: u32,
    /// The third one; 0 if there is none.
    pub patch: u32,
}

impl MasterVersion {
    /// The oldest whose v1 API is declared stable.
    pub const OLDEST: Self = Self::new(1, 0);

    /// The first release of a minor version.
    pub const fn new(major: u32, minor: u32) -> Self {
        let patch = 0;
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads `1.12.0`, `1.8`, `1.11.0-rc1` and the like.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(['-', '+', ' ']);
        let numbers = end.and_then(|end| text.get(..end)).unwrap_or(text);
        let mut numbers = numbers.split('.');
        let mut next = || -> Option<Option<u32>> {
            match numbers.next() {
                None => Some(None),
                Some(one) if one.bytes().all(|byte| byte.is_ascii_digit()) => {
                    one.parse().ok().map(Some)
                }
                Some(_) => None,
            }
        };
        let (major, minor, patch) = (next()??, next()??, next()?.unwrap_or(0));
        Some(Self {
            major,
            minor,
            patch,
        })
    }

    /// The version in the answer to `GET /version`.
    pub fn from_answer(body: &[u8]) -> Option<Self> {
        let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
        Self::parse(answer.get("version")?.as_str()?)
    }

    /// Whether a master of this version has it.
    pub fn has(self, feature: Feature) -> bool {
        self >= feature.since()
    }
}

impl fmt::Display for MasterVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What not every master has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// `SUBSCRIBED` says who the master is.
    MasterInfo,
    /// Several roles (`MULTI_ROLE`, `FrameworkInfo.roles`), and REVIVE and SUPPRESS for some.
    MultiRole,
    /// Hierarchical roles and stacked reservations (`RESERVATION_REFINEMENT`).
    ReservationRefinement,
    /// `Subscribe.suppressed_roles` is heeded.
    SuppressedRoles,
    /// The built-in executors say `TASK_STARTING`.
    StartingUpdates,
    /// UPDATE_FRAMEWORK.
    UpdateFramework,
    /// `TaskInfo.limits`.
    ResourceLimits,
    /// `Subscribe.offer_constraints`.
    OfferConstraints,
}

/// Each feature, and the first version that has it (the CHANGELOG of Mesos).
const SINCE: [(Feature, MasterVersion); 8] = [
    (Feature::MasterInfo, MasterVersion::new(1, 1)),
    (Feature::MultiRole, MasterVersion::new(1, 3)),
    (Feature::ReservationRefinement, MasterVersion::new(1, 4)),
    (Feature::SuppressedRoles, MasterVersion::new(1, 5)),
    (Feature::StartingUpdates, MasterVersion::new(1, 5)),
    (Feature::UpdateFramework, MasterVersion::new(1, 9)),
    (Feature::ResourceLimits, MasterVersion::new(1, 10)),
    (Feature::OfferConstraints, MasterVersion::new(1, 11)),
];

/// The capabilities that an older master does not take, and that change what the rest of a
/// subscription means. All others are ignored where they are unknown.
const CAPABILITIES: [(CapabilityType, Feature); 2] = [
    (CapabilityType::MultiRole, Feature::MultiRole),
    (
        CapabilityType::ReservationRefinement,
        Feature::ReservationRefinement,
    ),
];

impl Feature {
    /// The first version that has it.
    pub fn since(self) -> MasterVersion {
        let found = SINCE.iter().find(|(feature, _)| *feature == self);
        found.map_or(MasterVersion::OLDEST, |(_, since)| *since)
    }
}

/// Why a master is too old.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooOld {
    /// Its v1 API is not the stable one.
    #[error(
        "Mesos {found} is too old; at least {} is needed",
        MasterVersion::OLDEST
    )]
    Api {
        /// Its version.
        found: MasterVersion,
    },
    /// The framework is to have several roles.
    #[error(
        "Mesos {found} knows one role for a framework, and {roles} are configured; name one, or use at least Mesos {}",
        Feature::MultiRole.since()
    )]
    Roles {
        /// Its version.
        found: MasterVersion,
        /// How many roles there are.
        roles: usize,
    },
}

/// Writes a subscription so that a master of this version understands it as it is meant. An older
/// master ignores fields that it does not know: with `roles` it would put the framework into the
/// role `*`, and say nothing.
pub fn adapt(subscribe: &mut Subscribe, version: MasterVersion) -> Result<(), TooOld> {
    if version < MasterVersion::OLDEST {
        return Err(TooOld::Api { found: version });
    }
    if !version.has(Feature::SuppressedRoles) {
        subscribe.suppressed_roles.clear();
    }
    let framework = &mut subscribe.framework_info;
    if !version.has(Feature::MultiRole) {
        let roles = std::mem::take(&mut framework.roles);
        match roles.as_slice() {
            [] => {}
            [role] => framework.role = Some(role.clone()),
            several => {
                return Err(TooOld::Roles {
                    found: version,
                    roles: several.len(),
                });
            }
        }
    }
    let understood = |capability: &Capability| {
        let table = CAPABILITIES.iter();
        let mut table = table.filter(|(kind, _)| *kind == capability.kind);
        table.all(|(_, feature)| version.has(*feature))
    };
    framework.capabilities.retain(understood);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FrameworkInfo;

    fn subscribe(roles: &[&str]) -> Subscribe {
        let capability = |kind| Capability { kind };
        let framework_info = FrameworkInfo {
            roles: roles.iter().map(ToString::to_string).collect(),
            capabilities: vec![
                capability(CapabilityType::MultiRole),
                capability(CapabilityType::ReservationRefinement),
                capability(CapabilityType::PartitionAware),
                capability(CapabilityType::TaskKillingState),
            ],
            ..FrameworkInfo::default()
        };
        Subscribe {
            framework_info,
            suppressed_roles: vec!["b".into()],
        }
    }

    fn shown(version: &str, roles: &[&str]) -> String {
        let mut subscribe = subscribe(roles);
        let version = MasterVersion::parse(version).unwrap();
        if let Err(error) = adapt(&mut subscribe, version) {
            return error.to_string();
        }
        let info = &subscribe.framework_info;
        let kinds: Vec<&str> = info
            .capabilities
            .iter()
            .map(|one| one.kind.as_str())
            .collect();
        let suppressed = subscribe.suppressed_roles.len();
        format!(
            "{:?} {:?} {suppressed} {}",
            info.role,
            info.roles,
            kinds.join(" ")
        )
    }

    #[test]
    fn versions_are_read_as_masters_write_them() {
        let shown = |text: &str| MasterVersion::parse(text).map(|version| version.to_string());
        assert_eq!(shown("1.12.0").as_deref(), Some("1.12.0"));
        assert_eq!(shown("1.8").as_deref(), Some("1.8.0"));
        assert_eq!(shown("1.11.1-rc2").as_deref(), Some("1.11.1"));
        for other in [
            "",
            "1",
            "one.two",
            "1.x",
            "1.2.3z",
            "1.99999999999",
            "-1.2",
            "1..2",
        ] {
            assert_eq!(shown(other), None, "{other}");
        }
        let recorded = br#"{"build_date":"2026-11-21 09:48:37","version":"1.12.0"}"#;
        let recorded = MasterVersion::from_answer(recorded);
        assert_eq!(recorded, Some(MasterVersion::new(1, 12)));
        assert_eq!(MasterVersion::from_answer(b"<html>"), None);
    }

    #[test]
    fn every_feature_is_in_the_table_and_versions_compare_as_numbers() {
        let features = [
            Feature::MasterInfo,
            Feature::MultiRole,
            Feature::ReservationRefinement,
            Feature::SuppressedRoles,
            Feature::StartingUpdates,
            Feature::UpdateFramework,
            Feature::ResourceLimits,
            Feature::OfferConstraints,
        ];
        for feature in features {
            let listed = SINCE.iter().filter(|(one, _)| *one == feature).count();
            assert_eq!(listed, 1, "{feature:?}");
        }
        assert!(
            MasterVersion::parse("1.10.0")
                .unwrap()
                .has(Feature::ResourceLimits)
        );
        assert!(
            !MasterVersion::parse("1.9.5")
                .unwrap()
                .has(Feature::ResourceLimits)
        );
    }

    #[test]
    fn a_subscription_is_written_as_each_version_understands_it() {
        let all = "MULTI_ROLE RESERVATION_REFINEMENT PARTITION_AWARE TASK_KILLING_STATE";
        assert_eq!(
            shown("1.12.0", &["a", "b"]),
            format!(r#"None ["a", "b"] 1 {all}"#)
        );
        assert_eq!(
            shown("1.4.1", &["a", "b"]),
            format!(r#"None ["a", "b"] 0 {all}"#)
        );
        assert_eq!(
            shown("1.3.2", &["a"]),
            r#"None ["a"] 0 MULTI_ROLE PARTITION_AWARE TASK_KILLING_STATE"#
        );
        assert_eq!(
            shown("1.2.0", &["a"]),
            r#"Some("a") [] 0 PARTITION_AWARE TASK_KILLING_STATE"#
        );
        assert_eq!(
            shown("1.0.4", &[]),
            "None [] 0 PARTITION_AWARE TASK_KILLING_STATE"
        );
    }

    #[test]
    fn a_master_that_cannot_do_what_is_configured_is_refused() {
        assert_eq!(
            shown("1.2.3", &["a", "b"]),
            "Mesos 1.2.3 knows one role for a framework, and 2 are configured; name one, or use at least Mesos 1.3.0"
        );
        assert_eq!(
            shown("0.28.2", &[]),
            "Mesos 0.28.2 is too old; at least 1.0.0 is needed"
        );
    }
}
