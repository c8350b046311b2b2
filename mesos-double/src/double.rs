//! The double itself: its listeners, its clock's ticking, and the handle that tests hold.

use crate::cluster::{Cluster, Node};
use crate::election::{Election, Place};
use crate::executor::{Command, Running};
use crate::faults::Faults;
use crate::http::connection::serve;
use crate::options::Options;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a clock without timers sleeps.
const IDLE: Duration = Duration::from_secs(3600);
/// How long tasks have to be gone when a double stops.
const STOPPING: Duration = Duration::from_secs(10);

/// Why a double cannot be started.
#[derive(thiserror::Error, Debug)]
pub enum DoubleError {
    /// A port is taken, or the host is not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// `host:port`.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An agent's resources or attributes.
    #[error("an agent's options: {0}")]
    Agent(String),
    /// The address of a ZooKeeper.
    #[error("'{0}': expected zk://host:port,…/path")]
    Place(String),
    /// What ZooKeeper says.
    #[error("ZooKeeper: {0}")]
    ZooKeeper(#[from] zookeeper_client::Error),
    /// The directory of the sandboxes.
    #[error("cannot make {path}: {source}")]
    WorkDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What connections, timers, executors and the handle share.
#[derive(Debug)]
pub(crate) struct Shared {
    cluster: Mutex<Cluster>,
    pub(crate) running: Running,
    /// Wakes the clock when a timer may be earlier than it sleeps.
    wake: Notify,
    /// Connections up to this count are cut, and up to that one are frozen.
    connections: watch::Sender<Connections>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    made: u64,
    cut: u64,
    frozen: u64,
}

/// What is to become of one connection.
pub(crate) struct Fate {
    number: u64,
    connections: watch::Receiver<Connections>,
}

impl Fate {
    /// Returns when the connection is to be closed.
    pub(crate) async fn cut(&self) {
        let number = self.number;
        wait(self.connections.clone(), move |all| all.cut >= number).await;
    }

    /// Returns when nothing may come through the connection any more.
    pub(crate) async fn frozen(&self) {
        let number = self.number;
        wait(self.connections.clone(), move |all| all.frozen >= number).await;
    }
}

async fn wait(mut connections: watch::Receiver<Connections>, until: impl Fn(&Connections) -> bool) {
    if connections.wait_for(|all| until(all)).await.is_err() {
        // The double is gone, and the connection with it.
    }
}

impl Shared {
    /// Does something with the cluster, and what follows from it.
    pub(crate) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut Cluster) -> T) -> T {
        let (result, orders) = {
            let mut cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
            let result = act(&mut cluster);
            (result, cluster.take_orders())
        };
        for order in orders {
            self.running.carry_out(order, self);
        }
        self.wake.notify_one();
        result
    }

    pub(crate) fn fate(&self) -> Fate {
        let mut number = 0;
        self.connections.send_modify(|all| {
            all.made += 1;
            number = all.made;
        });
        Fate {
            number,
            connections: self.connections.subscribe(),
        }
    }
}

/// A running double. When it is dropped everything ends, without grace.
#[derive(Debug)]
pub struct MesosDouble {
    shared: Arc<Shared>,
    listeners: Mutex<Vec<Option<JoinHandle<()>>>>,
    clock: JoinHandle<()>,
    election: Option<Election>,
    work_dir: PathBuf,
    /// Whether the directory is the double's own, to be removed.
    owns_work_dir: bool,
}

impl MesosDouble {
    /// Starts masters and agents; the first master leads when this returns.
    ///
    /// # Errors
    /// If a port or the directory cannot be had, or an agent's options cannot be read.
    pub async fn start(options: Options) -> Result<Self, DoubleError> {
        let mut sockets = Vec::new();
        for port in &options.ports {
            sockets.push(listen(&options.host, *port).await?);
        }
        let nodes = sockets
            .iter()
            .map(|(_, address)| Node {
                address: *address,
                id: crate::identity::Uuid::random().to_string(),
                up: true,
                recovering: false,
            })
            .collect();
        let election = match &options.zookeeper {
            None => None,
            Some(text) => {
                let place = Place::parse(text).ok_or_else(|| DoubleError::Place(text.clone()))?;
                Some(Election::enter(&place).await?)
            }
        };
        let owns_work_dir = options.work_dir.is_none();
        let work_dir = options.work_dir.clone().unwrap_or_else(|| {
            std::env::temp_dir().join(format!("mesos-double-{}", crate::identity::Uuid::random()))
        });
        std::fs::create_dir_all(&work_dir).map_err(|source| DoubleError::WorkDir {
            path: work_dir.clone(),
            source,
        })?;
        let cluster = Cluster::new(options, nodes, work_dir.clone()).map_err(DoubleError::Agent)?;
        let shared = Arc::new(Shared {
            cluster: Mutex::new(cluster),
            running: Running::default(),
            wake: Notify::new(),
            connections: watch::Sender::new(Connections::default()),
        });
        let listeners = sockets
            .into_iter()
            .enumerate()
            .map(|(node, (listener, _))| Some(accept(listener, node, &shared)))
            .collect();
        let clock = tokio::spawn(tick(Arc::clone(&shared)));
        let double = Self {
            shared,
            listeners: Mutex::new(listeners),
            clock,
            election,
            work_dir,
            owns_work_dir,
        };
        double.stand();
        Ok(double)
    }

    /// `host:port` of each master.
    pub fn addresses(&self) -> Vec<String> {
        self.shared.with(|cluster| {
            let host = cluster.options.host.clone();
            let nodes = cluster.nodes.iter();
            nodes
                .map(|node| format!("{host}:{}", node.address.port()))
                .collect()
        })
    }

    /// `host:port` of the first master.
    pub fn address(&self) -> String {
        self.addresses().into_iter().next().unwrap_or_default()
    }

    /// Where the sandboxes are.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// The leader's `/state`.
    pub fn state(&self) -> Value {
        self.shared.with(|cluster| cluster.state())
    }

    /// What the tasks that are not over were launched with: each `TaskInfo` as the agent has it.
    pub fn launched(&self) -> Vec<Value> {
        self.shared.with(|cluster| cluster.launched())
    }

    /// The faults as they are set.
    pub fn faults(&self) -> Faults {
        self.shared.with(|cluster| cluster.faults.clone())
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.shared.with(|cluster| change(&mut cluster.faults));
    }

    /// Puts a virtual clock forward, through everything that falls due on the way. Whether the
    /// clock is one: real time goes by itself.
    pub fn advance(&self, by: Duration) -> bool {
        self.shared.with(|cluster| cluster.advance(by))
    }

    /// How many agents there are, here or away.
    pub fn agents(&self) -> usize {
        self.shared.with(|cluster| cluster.how_many_agents())
    }

    /// Cuts an agent off: after `agent_timeout` it is unreachable. Its tasks go on.
    pub fn cut_agent(&self, agent: usize) {
        self.shared.with(|cluster| cluster.set_online(agent, false));
    }

    /// Cuts an agent off, and the master knows at once.
    pub fn lose_agent(&self, agent: usize) {
        self.shared.with(|cluster| {
            cluster.set_online(agent, false);
            cluster.give_up_agent(agent);
        });
    }

    /// An agent that was cut off, lost or crashed comes back.
    pub fn return_agent(&self, agent: usize) {
        self.shared.with(|cluster| cluster.set_online(agent, true));
    }

    /// An agent's machine dies with all its tasks; it may come back, under a new id.
    pub fn crash_agent(&self, agent: usize) {
        self.shared.with(|cluster| {
            cluster.set_online(agent, false);
            cluster.crash_agent(agent);
        });
    }

    /// An agent's process is started anew without what it had written down: under a new id, while
    /// the old one's tasks go on and nobody in Mesos knows of them.
    pub fn replace_agent(&self, agent: usize) {
        self.shared.with(|cluster| cluster.replace_agent(agent));
    }

    /// The tasks that an agent's predecessor has left end, as after its `--recovery_timeout`.
    pub fn end_orphans(&self, agent: usize) {
        self.shared.with(|cluster| cluster.end_orphans(agent));
    }

    /// Closes all connections there are, without a word.
    pub fn cut_connections(&self) {
        self.shared
            .connections
            .send_modify(|all| all.cut = all.made);
    }

    /// All connections there are go silent and stay open: nothing is read, nothing written.
    pub fn freeze_connections(&self) {
        self.shared
            .connections
            .send_modify(|all| all.frozen = all.made);
    }

    /// Takes all outstanding offers back and tells nobody: whoever accepts one is too late.
    pub fn spoil_offers(&self) {
        self.shared.with(Cluster::spoil_offers);
    }

    /// Takes all outstanding offers back, with RESCIND.
    pub fn rescind_offers(&self) {
        self.shared.with(Cluster::rescind_offers);
    }

    /// Another master leads from now on, or none: the old one forgets everything, its streams end.
    pub fn elect(&self, node: Option<usize>) {
        self.cut_connections();
        self.shared.with(|cluster| cluster.elect(node));
        self.stand();
    }

    /// The leader's process dies with its registry, and starts again: it knows no agent, no task
    /// and nothing that an operator ordered. Agents find it by and by.
    pub fn lose_registry(&self) {
        self.cut_connections();
        self.shared.with(|cluster| {
            let leader = cluster.leader();
            cluster.lose_registry();
            cluster.elect(leader);
        });
        self.stand();
    }

    /// Lets ZooKeeper know who stands.
    fn stand(&self) {
        if let Some(election) = &self.election {
            election.stand(self.shared.with(|cluster| cluster.standing()));
        }
    }

    /// Whether the leader `node` answers 503, as one that still reads its registry.
    pub fn set_recovering(&self, node: usize, recovering: bool) {
        self.shared.with(|cluster| {
            if let Some(node) = cluster.nodes.get_mut(node) {
                node.recovering = recovering;
            }
        });
    }

    /// A master's process dies. If it led, nobody does until `elect`.
    pub fn stop_master(&self, node: usize) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listeners.get_mut(node).and_then(Option::take) {
            listener.abort();
        }
        self.shared.with(|cluster| {
            if let Some(node) = cluster.nodes.get_mut(node) {
                node.up = false;
            }
            if cluster.leader() == Some(node) {
                cluster.elect(None);
            }
        });
        self.cut_connections();
        self.stand();
    }

    /// A master's process starts again, on its old port.
    ///
    /// # Errors
    /// If the port is taken meanwhile.
    pub async fn start_master(&self, node: usize) -> Result<(), DoubleError> {
        let (host, port) = self.shared.with(|cluster| {
            let port = cluster
                .nodes
                .get(node)
                .map_or(0, |node| node.address.port());
            (cluster.options.host.clone(), port)
        });
        let (listener, _) = listen(&host, port).await?;
        let handle = accept(listener, node, &self.shared);
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = listeners.get_mut(node) {
            *slot = Some(handle);
        }
        self.shared.with(|cluster| {
            if let Some(node) = cluster.nodes.get_mut(node) {
                node.up = true;
            }
        });
        self.stand();
        Ok(())
    }

    /// A pretended task ends with this exit status. Whether there is such a task.
    pub fn end_task(&self, task: &str, status: i32) -> bool {
        let container = self.shared.with(|cluster| cluster.container_of(task));
        if let Some(container) = container {
            self.shared.running.tell(container, Command::Exit(status));
        }
        container.is_some()
    }

    /// A task's agent takes its resources away. Whether there is such a task.
    pub fn preempt_task(&self, task: &str) -> bool {
        self.shared.with(|cluster| cluster.preempt(task))
    }

    /// Ends all tasks and everything else, and waits for it.
    pub async fn stop(&self) {
        self.shared.running.tell_all(Command::Destroy);
        let gone = async {
            while !self.shared.running.is_empty() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // What does not go by itself ends with the runtime.
        let _ = timeout(STOPPING, gone).await;
    }
}

impl Drop for MesosDouble {
    fn drop(&mut self) {
        self.shared.running.tell_all(Command::Destroy);
        self.clock.abort();
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for listener in listeners.iter_mut().filter_map(Option::take) {
            listener.abort();
        }
        self.shared
            .connections
            .send_modify(|all| all.cut = u64::MAX);
        if self.owns_work_dir {
            let _ = std::fs::remove_dir_all(&self.work_dir);
        }
    }
}

pub(crate) async fn listen(
    host: &str,
    port: u16,
) -> Result<(TcpListener, SocketAddr), DoubleError> {
    let failed = |source| DoubleError::Listen {
        address: format!("{host}:{port}"),
        source,
    };
    let listener = TcpListener::bind((host, port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn accept(listener: TcpListener, node: usize, shared: &Arc<Shared>) -> JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    tokio::spawn(serve(socket, node, Arc::clone(&shared)));
                }
                // Out of descriptors, say: it may pass.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    })
}

/// Lets a real clock do what is due.
async fn tick(shared: Arc<Shared>) {
    loop {
        let next = {
            let cluster = shared
                .cluster
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            cluster.next_due()
        };
        tokio::select! {
            () = sleep(next.unwrap_or(IDLE)) => shared.with(Cluster::fire_due),
            () = shared.wake.notified() => {}
        }
    }
}
