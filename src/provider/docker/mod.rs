//! Workers as containers of the flugs images, on a network of their cluster's own.
//!
//! A container runs the same `flugs launch` as a process does, told the same three values. All
//! that belongs to a cluster bears its label, and nothing else is ever touched.

mod container;
mod engine;
mod users;
mod watch;

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, KillContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use tokio::sync::mpsc;

use super::process::identify;
use super::{Provider, ProviderError, WorkerEvent};
use engine::failed;
use flugs_base::Sha256Digest;
use flugs_base::files::write_private;
use flugs_model::{ProcessIdentity, WorkerId, WorkerSpec};

pub use engine::Engine;
pub use users::{ContainerUser, UserMapping};

/// The file of a sandbox that holds the token.
const TOKEN: &str = "token";

/// What containers and networks of a cluster are marked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Which cluster it belongs to.
    Cluster,
    /// Which of its members it is.
    Worker,
    /// The cluster's directory, for people who look.
    Directory,
}

impl Label {
    /// The label's key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cluster => "org.flugs.cluster",
            Self::Worker => "org.flugs.worker",
            Self::Directory => "org.flugs.directory",
        }
    }
}

/// What all containers of a cluster have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerTerms {
    /// The cluster's name with the engine.
    pub cluster: String,
    /// The cluster's directory.
    pub directory: PathBuf,
    /// The image of JobManagers.
    pub appmaster_image: String,
    /// The image of TaskManagers.
    pub worker_image: String,
    /// The JobManager's REST port, inside and outside.
    pub rest_port: u16,
    /// Whom containers run as.
    pub user: ContainerUser,
}

/// The name of a directory's cluster with the engine.
pub fn cluster_name(directory: &Path) -> String {
    let mut digest = Sha256Digest::of(directory.as_os_str().as_encoded_bytes()).to_string();
    digest.truncate(12);
    digest
}

/// The network of a cluster.
pub fn network_name(cluster: &str) -> String {
    format!("flugs-{cluster}")
}

impl DockerTerms {
    fn network(&self) -> String {
        network_name(&self.cluster)
    }
}

/// Starts workers as containers.
#[derive(Debug)]
pub struct DockerProvider {
    engine: Engine,
    terms: DockerTerms,
    events: mpsc::UnboundedReceiver<WorkerEvent>,
    ended: mpsc::UnboundedSender<WorkerEvent>,
}

impl DockerProvider {
    /// A provider over an engine that has the cluster's network already.
    pub fn new(engine: Engine, terms: DockerTerms) -> Self {
        let (ended, events) = mpsc::unbounded_channel();
        Self {
            engine,
            terms,
            events,
            ended,
        }
    }

    fn name_of(&self, id: &WorkerId) -> String {
        format!("flugs-{}-{id}", self.terms.cluster)
    }

    async fn create(&self, worker: &WorkerSpec) -> Result<String, ProviderError> {
        prepare_sandbox(&self.terms, worker)?;
        let name = container::name(&self.terms, worker);
        // One that an earlier, killed cluster left under this name is nobody's.
        self.engine.remove(&name).await?;
        let options = CreateContainerOptions {
            name: Some(name.clone()),
            ..CreateContainerOptions::default()
        };
        let body = container::body(&self.terms, worker, arguments(worker));
        let api = &self.engine.api;
        api.create_container(Some(options), body)
            .await
            .map_err(refused("create", worker))?;
        let started = api
            .start_container(&name, None::<StartContainerOptions>)
            .await
            .map_err(refused("start", worker));
        if started.is_err() {
            self.engine.remove(&name).await?;
        }
        started.map(|()| name)
    }

    /// The container's first process, as this machine numbers it.
    async fn process(&self, name: &str) -> Option<ProcessIdentity> {
        let api = &self.engine.api;
        let found = api.inspect_container(name, None::<InspectContainerOptions>);
        let pid = found.await.ok()?.state?.pid?;
        identify(i32::try_from(pid).ok()?)
    }
}

impl Provider for DockerProvider {
    async fn launch(&mut self, worker: &WorkerSpec) -> Result<ProcessIdentity, ProviderError> {
        let name = self.create(worker).await?;
        let process = self.process(&name).await;
        let (ended, id) = (self.ended.clone(), worker.id.clone());
        let followed = watch::follow(self.engine.clone(), name, worker.sandbox.clone());
        tokio::spawn(async move {
            let code = followed.await;
            // Nobody listens any more once the cluster has been stopped.
            let _ = ended.send(WorkerEvent::Exited { id, code });
        });
        Ok(process.unwrap_or(ProcessIdentity {
            pid: 0,
            start_ticks: 0,
        }))
    }

    fn stop(&mut self, id: &WorkerId, grace: Duration) {
        let (api, name) = (self.engine.api.clone(), self.name_of(id));
        let options = StopContainerOptions {
            t: i32::try_from(grace.as_secs()).ok(),
            ..StopContainerOptions::default()
        };
        // One that is gone ended meanwhile, which its follower tells.
        tokio::spawn(async move { api.stop_container(&name, Some(options)).await });
    }

    fn kill(&mut self, id: &WorkerId) {
        let (api, name) = (self.engine.api.clone(), self.name_of(id));
        tokio::spawn(async move {
            api.kill_container(&name, None::<KillContainerOptions>)
                .await
        });
    }

    async fn event(&mut self) -> WorkerEvent {
        match self.events.recv().await {
            Some(event) => event,
            // Not reached: the provider itself holds a sender.
            None => std::future::pending().await,
        }
    }

    async fn close(&mut self) {
        // What cannot be removed now, `down` removes.
        let _ = self.engine.clear(&self.terms.cluster, Duration::ZERO).await;
    }
}

/// What the engine says of a container. An answer is a refusal, which another try would meet as
/// well; no answer says nothing of the container.
fn refused<'a>(
    action: &'static str,
    worker: &'a WorkerSpec,
) -> impl FnOnce(Error) -> ProviderError + 'a {
    move |error| match error {
        Error::DockerResponseServerError { message, .. } => ProviderError::Container {
            action,
            id: worker.id.clone(),
            sandbox: worker.sandbox.clone(),
            reason: message,
        },
        error => failed("reach the Docker engine")(error),
    }
}

/// The command line of a worker's launcher, as for a process. The token is in the sandbox, in a
/// file that only the container's user can read.
fn arguments(worker: &WorkerSpec) -> Vec<String> {
    let options = [
        ("--manifest", worker.manifest_url.clone()),
        ("--sha256", worker.manifest_sha256.to_string()),
        ("--token-file", format!("{}/{TOKEN}", container::SANDBOX)),
        ("--dir", container::SANDBOX.to_owned()),
        ("--cache", container::CACHE.to_owned()),
    ];
    let options = options
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value]);
    let role = worker.role.to_string();
    ["launch".to_owned(), role]
        .into_iter()
        .chain(options)
        .collect()
}

fn token_file(worker: &WorkerSpec) -> PathBuf {
    worker.sandbox.join(TOKEN)
}

/// Makes the sandbox and the cache, and gives them to the container's user.
fn prepare_sandbox(terms: &DockerTerms, worker: &WorkerSpec) -> Result<(), ProviderError> {
    let failed = |path: &Path| {
        let (id, path) = (worker.id.clone(), path.to_owned());
        move |source| ProviderError::Sandbox { id, path, source }
    };
    for directory in [&worker.sandbox, &worker.cache] {
        fs::create_dir_all(directory).map_err(failed(directory))?;
    }
    let token = token_file(worker);
    let secret = fs::read(&worker.token_file).map_err(failed(&worker.token_file))?;
    write_private(&token, &secret).map_err(failed(&token))?;
    if nix::unistd::geteuid().is_root() {
        let (user, group) = terms.user.outside;
        watch::hand_over(&worker.sandbox, user, group).map_err(failed(&worker.sandbox))?;
        let cache = &worker.cache;
        chown(cache, Some(user), Some(group)).map_err(failed(cache))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_model::{Resources, Role};

    pub(super) fn terms() -> DockerTerms {
        DockerTerms {
            cluster: "0123456789ab".into(),
            directory: "/cluster".into(),
            appmaster_image: "flugs-appmaster".into(),
            worker_image: "flugs-worker".into(),
            rest_port: 40002,
            user: ContainerUser {
                inside: (9999, 9999),
                outside: (9999, 9999),
            },
        }
    }

    pub(super) fn worker(directory: &Path) -> WorkerSpec {
        WorkerSpec {
            id: "taskmanager-1".parse().unwrap(),
            role: Role::TaskManager,
            manifest_url: "http://172.18.0.1:1/sha256/00".into(),
            manifest_sha256: Sha256Digest::of(b""),
            token_file: directory.join("token"),
            sandbox: directory.join("sandboxes/taskmanager-1"),
            cache: directory.join("cache"),
            resources: Resources::default(),
        }
    }

    #[test]
    fn a_container_is_told_the_same_three_values_as_a_process() {
        insta::assert_snapshot!(arguments(&worker(Path::new("/cluster"))).join(" "), @"launch taskmanager --manifest http://172.18.0.1:1/sha256/00 --sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 --token-file /flugs/sandbox/token --dir /flugs/sandbox --cache /flugs/cache");
    }

    #[test]
    fn the_token_in_a_sandbox_is_its_users_alone() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let directory = tempfile::tempdir().unwrap();
        let worker = worker(directory.path());
        fs::write(&worker.token_file, "secret\n").unwrap();
        let user = UserMapping::Same.container_user().unwrap();
        let terms = DockerTerms { user, ..terms() };
        for _ in 0..2 {
            prepare_sandbox(&terms, &worker).unwrap();
        }
        let token = fs::metadata(token_file(&worker)).unwrap();
        assert_eq!(token.permissions().mode() & 0o777, 0o600);
        assert_eq!(token.uid(), user.outside.0);
        assert_eq!(fs::read_to_string(token_file(&worker)).unwrap(), "secret\n");
    }

    #[test]
    fn a_clusters_name_follows_from_its_directory() {
        let name = cluster_name(Path::new("/a"));
        assert_eq!(name.len(), 12);
        assert_eq!(name, cluster_name(Path::new("/a")));
        assert_ne!(name, cluster_name(Path::new("/b")));
    }
}
