//! What the framework tells a master of itself, and by what it is recognised.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use flugs_mesos::constraint::Field;
use flugs_mesos::wire::{Capability, CapabilityType, FrameworkInfo, Label, Labels};

use super::profiles::WorkerProfile;
use super::reader::Reader;
use super::{MesosOptionReason, MesosOptions};

/// What the framework tells of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameworkOptions {
    /// What people see.
    pub name: String,
    /// Its roles; at least one.
    pub roles: Vec<String>,
    /// Who it authenticates as.
    pub principal: Option<String>,
    /// Its password.
    pub secret: Option<FrameworkSecret>,
    /// The user that tasks run as; absent: the one that the scheduler runs as.
    pub user: Option<String>,
    /// Seconds that tasks stay while the framework is away.
    pub failover_timeout_seconds: u32,
    /// Where it runs, if not where the place says.
    pub hostname: Option<String>,
    /// Its web page, if not what the place says.
    pub webui_url: Option<String>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// What it understands.
    capabilities: Vec<CapabilityType>,
}

/// Where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameworkSecret {
    /// In the configuration.
    Text(SecretText),
    /// In a file.
    File(PathBuf),
}

/// A secret. Not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The secret itself, for the one place that must send it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("redacted")
    }
}

/// What the framework tells of the place it runs in, where no option says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameworkPlace {
    /// The host's name.
    pub hostname: String,
    /// The user that the scheduler runs as. libmesos sent that one as well.
    pub user: String,
    /// Flink's web page.
    pub webui_url: Option<String>,
}

pub(super) fn read(
    reader: &Reader<'_>,
    workers: &BTreeMap<String, WorkerProfile>,
) -> FrameworkOptions {
    let key = |name: &str| format!("mesos.resourcemanager.framework.{name}");
    let principal = reader.set(&key("principal")).map(str::to_owned);
    let secret = secret(reader, principal.is_some());
    if principal
        .as_ref()
        .is_some_and(|principal| principal.contains(':'))
    {
        let problem = "Mesos' Basic authentication has no principal with a colon";
        reader.contradict(&key("principal"), problem);
    }
    let seconds = reader.whole("mesos.failover-timeout", 0, "zero or more seconds");
    FrameworkOptions {
        name: reader.text(&key("name")).unwrap_or_default(),
        roles: roles(reader),
        principal,
        secret,
        user: reader.text(&key("user")),
        failover_timeout_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        hostname: reader.text("flugs.mesos.framework.hostname"),
        webui_url: reader.text("flugs.mesos.framework.webui-url"),
        labels: reader.map("flugs.mesos.framework.labels"),
        capabilities: capabilities(workers),
    }
}

fn secret(reader: &Reader<'_>, has_principal: bool) -> Option<FrameworkSecret> {
    let (text, file) = (
        "mesos.resourcemanager.framework.secret",
        "flugs.mesos.framework.secret-file",
    );
    let secret = match (reader.set(text), reader.path(file)) {
        (Some(_), Some(_)) => {
            reader.contradict(file, format!("{text} is set as well; remove one of them"));
            return None;
        }
        (Some(secret), None) if secret.contains(':') => {
            reader.contradict(
                text,
                "Mesos' Basic authentication has no secret with a colon",
            );
            return None;
        }
        (Some(secret), None) => (text, FrameworkSecret::Text(SecretText(secret.to_owned()))),
        (None, Some(path)) => (file, FrameworkSecret::File(path)),
        (None, None) => return None,
    };
    if !has_principal {
        let principal = "mesos.resourcemanager.framework.principal";
        reader.contradict(
            secret.0,
            format!("it is the secret of nobody; set {principal}"),
        );
    }
    Some(secret.1)
}

/// The roles: several in the newer option, else the one of Flink's.
fn roles(reader: &Reader<'_>) -> Vec<String> {
    let (one, several) = (
        "mesos.resourcemanager.framework.role",
        "flugs.mesos.framework.roles",
    );
    let (key, roles) = match reader.parsed(several, super::text::names) {
        Some(roles) => {
            if reader.set(one).is_some() {
                reader.contradict(several, format!("{one} is set as well; remove one of them"));
            }
            (several, roles)
        }
        None => (one, reader.text(one).into_iter().collect()),
    };
    if let Some(wrong) = roles.iter().find(|role| !is_role(role)) {
        reader.refuse(
            key,
            MesosOptionReason::Range {
                found: wrong.clone(),
                expected: "a role of Mesos: no blank, no part that is empty, \".\" or \"..\", no dash in front",
            },
        );
    }
    roles
}

/// As the master says (`src/common/roles.cpp`).
fn is_role(role: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.starts_with('-');
    let strange = |c: char| c.is_whitespace() || c.is_control();
    role == "*"
        || (role.split('/').all(|part| is_part(part) && part != "*") && !role.contains(strange))
}

/// What is understood always, and what is asked for only by those who want it: a framework that
/// can use GPUs is offered agents that others need.
fn capabilities(workers: &BTreeMap<String, WorkerProfile>) -> Vec<CapabilityType> {
    let mut all = vec![
        CapabilityType::TaskKillingState,
        CapabilityType::PartitionAware,
        CapabilityType::MultiRole,
        CapabilityType::ReservationRefinement,
    ];
    let constraints = || {
        workers
            .values()
            .flat_map(|worker| worker.hard.iter().chain(&worker.soft))
    };
    for (wanted, capability) in [
        (
            workers.values().any(|worker| worker.gpus > 0),
            CapabilityType::GpuResources,
        ),
        (
            workers.values().any(|worker| worker.revocable),
            CapabilityType::RevocableResources,
        ),
        (
            constraints().any(|one| one.field == Field::Region),
            CapabilityType::RegionAware,
        ),
    ] {
        if wanted {
            all.push(capability);
        }
    }
    all
}

pub(super) fn info(options: &MesosOptions, place: &FrameworkPlace) -> FrameworkInfo {
    let framework = &options.framework;
    let labels = framework.labels.iter();
    let labels: Vec<Label> = labels.map(|(key, value)| Label::new(key, value)).collect();
    FrameworkInfo {
        user: framework.user.clone().unwrap_or_else(|| place.user.clone()),
        name: framework.name.clone(),
        id: None,
        failover_timeout: Some(f64::from(framework.failover_timeout_seconds)),
        checkpoint: Some(true),
        role: None,
        roles: framework.roles.clone(),
        hostname: Some(
            framework
                .hostname
                .clone()
                .unwrap_or_else(|| place.hostname.clone()),
        ),
        principal: framework.principal.clone(),
        webui_url: framework
            .webui_url
            .clone()
            .or_else(|| place.webui_url.clone()),
        capabilities: framework
            .capabilities
            .iter()
            .map(|kind| Capability { kind: kind.clone() })
            .collect(),
        labels: (!labels.is_empty()).then_some(Labels { labels }),
    }
}
