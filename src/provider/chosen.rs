//! The provider that a cluster was given: the choice is made once, when it is prepared.

use std::time::Duration;

use flugs_model::{ProcessIdentity, WorkerId, WorkerSpec};

use super::docker::DockerProvider;
use super::process::ProcessProvider;
use super::{Provider, ProviderError, WorkerEvent};

/// One of the providers of this machine.
#[derive(Debug)]
pub enum ChosenProvider {
    /// Plain processes.
    Process(ProcessProvider),
    /// Containers.
    Docker(DockerProvider),
}

impl Provider for ChosenProvider {
    async fn launch(&mut self, worker: &WorkerSpec) -> Result<ProcessIdentity, ProviderError> {
        match self {
            Self::Process(provider) => provider.launch(worker).await,
            Self::Docker(provider) => provider.launch(worker).await,
        }
    }

    fn stop(&mut self, id: &WorkerId, grace: Duration) {
        match self {
            Self::Process(provider) => provider.stop(id, grace),
            Self::Docker(provider) => provider.stop(id, grace),
        }
    }

    fn kill(&mut self, id: &WorkerId) {
        match self {
            Self::Process(provider) => provider.kill(id),
            Self::Docker(provider) => provider.kill(id),
        }
    }

    async fn event(&mut self) -> WorkerEvent {
        match self {
            Self::Process(provider) => provider.event().await,
            Self::Docker(provider) => provider.event().await,
        }
    }

    async fn close(&mut self) {
        match self {
            Self::Process(provider) => provider.close().await,
            Self::Docker(provider) => provider.close().await,
        }
    }
}
