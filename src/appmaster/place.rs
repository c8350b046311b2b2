//! Where the members of a cluster run, and how they find one another there.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::provider::docker::{DockerProvider, DockerTerms, Engine, cluster_name, network_name};
use crate::provider::process::ProcessProvider;
use crate::provider::{ChosenProvider, ProviderError};
use flugs_flink::memory::{Breakdown, MemorySize};
use flugs_launch::SettledLaunch;
use flugs_model::{Resources, Role, WorkerId};

/// Where members run.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// As plain processes of this machine.
    Processes,
    /// As containers of this machine's engine.
    Containers(Containers),
}

/// What a person says of containers.
#[derive(Debug, Clone, PartialEq)]
pub struct Containers {
    /// The image of the JobManager.
    pub appmaster_image: String,
    /// The image of the TaskManagers.
    pub worker_image: String,
    /// How many cores each may use at most.
    pub cpus: Option<f64>,
}

/// How the members of a cluster reach one another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Addresses {
    /// By the loopback address: all are on one machine.
    Loopback,
    /// By their names on a network of their own.
    Names,
}

/// A place that is ready.
pub(super) struct Ground {
    pub(super) provider: ChosenProvider,
    pub(super) addresses: Addresses,
    /// Where the artifact server is to listen so that every member reaches it.
    pub(super) server: IpAddr,
}

impl Place {
    /// The cluster's name with the engine, if there is one.
    pub(super) fn cluster(&self, directory: &Path) -> Option<String> {
        match self {
            Self::Processes => None,
            Self::Containers(_) => Some(cluster_name(directory)),
        }
    }

    /// What a member may use. A container is limited to what the memory model gives its process:
    /// no more is used, and less would end in a kill.
    pub(super) fn resources(&self, launch: &SettledLaunch) -> Resources {
        let Self::Containers(containers) = self else {
            return Resources::default();
        };
        let total = match &launch.memory.breakdown {
            Breakdown::TaskManager(memory) => Some(memory.total_process),
            Breakdown::JobManager(memory) => Some(memory.total_process),
            Breakdown::Unset => None,
        };
        Resources {
            cpus: containers.cpus,
            memory_bytes: total.map(MemorySize::bytes),
        }
    }

    /// Makes the place ready.
    pub(super) async fn make_ready(
        &self,
        program: PathBuf,
        directory: &Path,
        rest_port: u16,
    ) -> Result<Ground, ProviderError> {
        match self {
            Self::Processes => Ok(Ground {
                provider: ChosenProvider::Process(ProcessProvider::new(program)?),
                addresses: Addresses::Loopback,
                server: Ipv4Addr::LOCALHOST.into(),
            }),
            Self::Containers(containers) => containers.make_ready(directory, rest_port).await,
        }
    }
}

impl Containers {
    async fn make_ready(&self, directory: &Path, rest_port: u16) -> Result<Ground, ProviderError> {
        let engine = Engine::connect().await?;
        let user = engine.users().await?.container_user()?;
        for image in [&self.appmaster_image, &self.worker_image] {
            engine.require_image(image).await?;
        }
        let cluster = cluster_name(directory);
        // What a killed cluster of this directory left is in the way.
        engine.clear(&cluster, Duration::ZERO).await?;
        let shown = directory.display().to_string();
        let network = network_name(&cluster);
        let server = engine.make_network(&network, &cluster, &shown).await?;
        let terms = DockerTerms {
            cluster,
            directory: directory.to_owned(),
            appmaster_image: self.appmaster_image.clone(),
            worker_image: self.worker_image.clone(),
            rest_port,
            user,
        };
        Ok(Ground {
            provider: ChosenProvider::Docker(DockerProvider::new(engine, terms)),
            addresses: Addresses::Names,
            server,
        })
    }
}

impl Addresses {
    /// Where members find the JobManager.
    pub(super) fn job_manager(&self) -> String {
        match self {
            Self::Loopback => super::manifests::ADDRESS.to_owned(),
            Self::Names => WorkerId::of(Role::JobManager, None).to_string(),
        }
    }

    /// What a member must bind, and under which name it is found, whatever the shipped
    /// configuration says: that one is for a single machine.
    pub(super) fn forced(&self, id: &WorkerId) -> Vec<(&'static str, String)> {
        match self {
            Self::Loopback => Vec::new(),
            Self::Names => vec![
                ("jobmanager.bind-host", "0.0.0.0".to_owned()),
                ("rest.bind-address", "0.0.0.0".to_owned()),
                ("taskmanager.bind-host", "0.0.0.0".to_owned()),
                ("taskmanager.host", id.to_string()),
            ],
        }
    }
}

/// Removes what a cluster has left with its engine.
pub(super) async fn clear_engine(cluster: &str, patience: Duration) -> Result<(), ProviderError> {
    let engine = Engine::connect().await?;
    engine.clear(cluster, patience).await?;
    Ok(())
}
