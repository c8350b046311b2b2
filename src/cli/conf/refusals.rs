//! What a start would refuse, as far as the configuration alone shows it.

use crate::provider::mesos::options::{MesosOptionReason, MesosOptions};
use flugs_flink::malformed_java_options;
use flugs_flink::memory::{MemoryError, derive};
use flugs_flink_conf::{Configuration, Origin};
use flugs_launch::{PortError, malformed_ports};
use flugs_model::Role;

use super::sources::Gathered;

/// One refusal: the key, if it is about one, and the words of the start.
pub(super) struct Refusal {
    pub(super) key: Option<String>,
    pub(super) origin: Option<Origin>,
    pub(super) message: String,
}

impl Refusal {
    fn of_key(configuration: &Configuration, key: &str, message: String) -> Self {
        Self {
            key: Some(key.to_owned()),
            origin: configuration
                .setting(key)
                .map(|setting| setting.origin.clone()),
            message,
        }
    }

    fn plain(message: String) -> Self {
        Self {
            key: None,
            origin: None,
            message,
        }
    }
}

/// Everything that a start would refuse. `is_told` says of which keys there is nothing more to say: their
/// values are not of the options' types.
pub(super) fn refusals(gathered: &Gathered, is_told: &dyn Fn(&str) -> bool) -> Vec<Refusal> {
    let mut found = impossible_memory(gathered, is_told);
    found.extend(ports(&gathered.configuration, is_told));
    found.extend(java_options(&gathered.configuration));
    found.extend(mesos(gathered, is_told));
    found
}

/// What the memory model says against the configuration, for either role that has one. A role
/// without any memory setting may be given its size by a container's limit.
fn impossible_memory(gathered: &Gathered, is_told: &dyn Fn(&str) -> bool) -> Vec<Refusal> {
    let get = |key: &str| gathered.configuration.get(key).map(str::to_owned);
    let roles = [
        (Role::JobManager, "jobmanager.memory."),
        (Role::TaskManager, "taskmanager.memory."),
    ];
    let refusal = |(role, prefix): (Role, &str)| {
        let error = derive(role, &gathered.version, &get, &|_| None).err()?;
        let is_set = |(key, _): (&str, _)| key.starts_with(prefix);
        let has_no_size = matches!(error, MemoryError::NothingConfigured { .. });
        let is_left_open = has_no_size && !gathered.configuration.iter().any(is_set);
        if is_left_open || error.unreadable().is_some_and(is_told) {
            return None;
        }
        Some(Refusal::plain(format!("{role}: {error}")))
    };
    roles.into_iter().filter_map(refusal).collect()
}

fn ports(configuration: &Configuration, is_told: &dyn Fn(&str) -> bool) -> Vec<Refusal> {
    let lookup = |key: &str| configuration.get(key);
    let roles = [Role::JobManager, Role::TaskManager, Role::HistoryServer];
    let errors = roles
        .into_iter()
        .flat_map(|role| malformed_ports(role, &lookup));
    errors
        .filter_map(|error| {
            let text = error.to_string();
            match error {
                PortError::Malformed { key, .. } if !is_told(&key) => {
                    let begin = format!("{key} is ");
                    let message = text.strip_prefix(&begin).unwrap_or(&text).to_owned();
                    Some(Refusal::of_key(configuration, &key, message))
                }
                _ => None,
            }
        })
        .collect()
}

fn java_options(configuration: &Configuration) -> Vec<Refusal> {
    let get = |key: &str| configuration.get(key).map(str::to_owned);
    let errors = malformed_java_options(&get, &|name| std::env::var(name).ok());
    errors
        .into_iter()
        .map(|error| {
            let message = format!("{error}: {}", error.source);
            Refusal::of_key(configuration, &error.origin, message)
        })
        .collect()
}

/// Of a configuration that names a Mesos master, what the application master would refuse.
fn mesos(gathered: &Gathered, is_told: &dyn Fn(&str) -> bool) -> Vec<Refusal> {
    let configuration = &gathered.configuration;
    if configuration
        .get("mesos.master")
        .is_none_or(|master| master.trim().is_empty())
    {
        return Vec::new();
    }
    let variable = |name: &str| std::env::var(name).ok();
    let Err(error) = MesosOptions::read(configuration, &gathered.version, &variable) else {
        return Vec::new();
    };
    // Said already: by the options' types, and by the memory model.
    let is_new = |key: &str, reason: &MesosOptionReason| {
        !is_told(key)
            && !matches!(
                reason,
                MesosOptionReason::Memory(_) | MesosOptionReason::Unknown { .. }
            )
    };
    let problems = error.problems.into_iter();
    problems
        .filter(|problem| is_new(&problem.key, &problem.reason))
        .map(|problem| Refusal::of_key(configuration, &problem.key, problem.reason.to_string()))
        .collect()
}
