//! The connection to the leading master: one stream of events, one connection for calls.
//!
//! Owns everything between the scheduler's actions and the network: finding the leader,
//! redirects, masters that are not ready, authentication, TLS, the stream's framing, heartbeats,
//! the order of calls. Never decides what is said, nor when it is said anew after a generation
//! has ended: that is the scheduler's.

use std::fmt;
use std::time::Duration;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::detection::{Detector, Ways};
use super::master_address::MasterAddress;
use super::version::MasterVersion;
use super::wire::{Call, Event};
use crate::record_io::DEFAULT_LIMIT;
use flugs_base::{ExitCode, Failure};
use flugs_net::HostPort;
use flugs_net::HostResolver;
use flugs_net::zookeeper::Availability;

mod calls;
mod credentials;
mod disconnect;
mod endpoint;
mod http;
mod session;
mod stream;
mod subscribe;
mod tls;

#[cfg(test)]
mod tests;

pub use credentials::{
    BasicCredentials, CREDENTIAL_FILE_VARIABLE, CredentialsError, PRINCIPAL_VARIABLE,
    SECRET_VARIABLE, probe as probe_credentials,
};
pub use disconnect::Disconnect;
pub use endpoint::probe as probe_location;
pub use tls::{TlsTrust, TlsTrustError};

use http::Dialer;
use session::Session;

/// How many events may wait to be taken; the master is read no faster.
const MOST_WAITING: usize = 256;

/// How long calls that were made before [`Connection::close`] may take.
const CLOSING: Duration = Duration::from_secs(2);

/// How to connect.
#[derive(Debug, Clone)]
pub struct ConnectionSettings {
    /// Where the leader is to be asked for.
    pub master: MasterAddress,
    /// Who the framework is.
    pub credentials: Option<BasicCredentials>,
    /// Whom to trust; absent: the masters speak plain HTTP.
    pub tls: Option<TlsTrust>,
    /// What the framework calls itself.
    pub user_agent: String,
    /// What resolves the masters' names.
    pub resolver: HostResolver,
    /// How long TCP and TLS may take with one master.
    pub connect_timeout: Duration,
    /// How long a master may take for the head of an answer, and for SUBSCRIBED after it.
    pub answer_timeout: Duration,
    /// How many heartbeats of the interval that the master promised may be missed.
    pub missed_heartbeats: u32,
    /// How long masters that cannot be reached or are not ready are asked again and again within
    /// one generation.
    pub not_ready_patience: Duration,
    /// The largest event that is taken, in bytes.
    pub record_limit: usize,
    /// The session timeout with ZooKeeper, if masters are found there.
    pub zookeeper_session_timeout: Duration,
    /// Whether that ZooKeeper can be reached.
    pub zookeeper: Availability,
}

impl ConnectionSettings {
    /// The defaults: plain HTTP, no credentials.
    pub fn new(master: MasterAddress, resolver: HostResolver) -> Self {
        Self {
            master,
            credentials: None,
            tls: None,
            user_agent: concat!("flugs/", env!("CARGO_PKG_VERSION")).to_owned(),
            resolver,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(20),
            missed_heartbeats: 3,
            not_ready_patience: Duration::from_secs(60),
            record_limit: DEFAULT_LIMIT,
            zookeeper_session_timeout: Duration::from_secs(10),
            zookeeper: Availability::default(),
        }
    }
}

/// Settings that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsTrustError),
    /// The name cannot be sent.
    #[error("\"{found}\" cannot be a User-Agent")]
    UserAgent {
        /// The name.
        found: String,
    },
}

impl Failure for ConnectionError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

impl Failure for CredentialsError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Configuration
    }
}

/// What a connection tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// The master says something.
    Event {
        /// The generation it belongs to.
        generation: u64,
        /// What it says.
        event: Box<Event>,
    },
    /// The generation is over: nothing is heard of it any more, and nothing can be said.
    Disconnected {
        /// The generation.
        generation: u64,
        /// Why.
        reason: Disconnect,
    },
    /// The master has taken the TEARDOWN.
    TornDown {
        /// The generation.
        generation: u64,
    },
    /// This master has opened the stream.
    Leader {
        /// Where it answers.
        address: HostPort,
        /// Its version, if it tells.
        version: Option<MasterVersion>,
    },
    /// Something for people.
    Notice(Notice),
}

/// What people may want to know of a connection that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// No master leads, or nobody can be asked who does; why.
    NoLeader(String),
    /// A master sends to another one.
    Redirected {
        /// The master.
        master: String,
        /// Where to.
        to: String,
    },
    /// A master cannot be reached, or is not ready; it is asked again.
    Trouble(Disconnect),
    /// An event is not understood, and left out; why.
    Unreadable(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeader(why) => write!(formatter, "no Mesos master leads: {why}"),
            Self::Redirected { master, to } => {
                write!(formatter, "the master {master} redirects to {to}")
            }
            Self::Trouble(reason) => reason.fmt(formatter),
            Self::Unreadable(why) => {
                write!(formatter, "an event of the master is not understood: {why}")
            }
        }
    }
}

/// What a generation tells with.
#[derive(Debug, Clone)]
struct Voice {
    generation: u64,
    told: mpsc::Sender<(u64, Told)>,
}

impl Voice {
    async fn say(&self, told: Told) {
        // Whoever does not listen any more has closed the connection.
        let _ = self.told.send((self.generation, told)).await;
    }

    async fn notice(&self, notice: Notice) {
        self.say(Told::Notice(notice)).await;
    }
}

/// A task that ends when it is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A generation that is open.
#[derive(Debug)]
struct Open {
    generation: u64,
    calls: mpsc::UnboundedSender<Call>,
    task: Task,
}

/// The connection. Its methods have to be called within a tokio runtime.
pub struct Connection {
    settings: ConnectionSettings,
    dialer: Dialer,
    detector: Option<Detector>,
    sender: mpsc::Sender<(u64, Told)>,
    told: mpsc::Receiver<(u64, Told)>,
    open: Option<Open>,
    /// The generation that was closed, while its last calls are on their way.
    closing: Option<(u64, Task)>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let generation = self.open.as_ref().map(|open| open.generation);
        write!(formatter, "Connection({generation:?})")
    }
}

impl Connection {
    /// A connection that is not open yet.
    pub fn new(settings: ConnectionSettings) -> Result<Self, ConnectionError> {
        let mut headers = HeaderMap::new();
        let agent = HeaderValue::try_from(&settings.user_agent);
        let agent = agent.map_err(|_| ConnectionError::UserAgent {
            found: settings.user_agent.clone(),
        })?;
        headers.insert(USER_AGENT, agent);
        if let Some(credentials) = &settings.credentials {
            // On every request: the master never asks twice.
            headers.insert(AUTHORIZATION, credentials.header());
        }
        let tls = settings.tls.as_ref().map(TlsTrust::connector).transpose()?;
        let dialer = Dialer {
            resolver: settings.resolver.clone(),
            tls,
            limit: settings.connect_timeout,
            headers,
        };
        let (sender, told) = mpsc::channel(MOST_WAITING);
        Ok(Self {
            settings,
            dialer,
            detector: None,
            sender,
            told,
            open: None,
            closing: None,
        })
    }

    /// Opens a generation with a SUBSCRIBE; whatever older one there is ends at once, and nothing
    /// is told of it any more. Waits for nothing.
    pub fn connect(&mut self, generation: u64, subscribe: Call) {
        self.open = None;
        self.closing = None;
        let detector = self.detector.get_or_insert_with(|| {
            let ways = Ways {
                resolver: self.settings.resolver.clone(),
                session_timeout: self.settings.zookeeper_session_timeout,
                zookeeper: self.settings.zookeeper.clone(),
            };
            Detector::start(&self.settings.master, &ways)
        });
        let (calls, queue) = mpsc::unbounded_channel();
        let session = Session {
            settings: self.settings.clone(),
            dialer: self.dialer.clone(),
            detected: detector.watch(),
            voice: Voice {
                generation,
                told: self.sender.clone(),
            },
            calls: queue,
        };
        let task = Task(tokio::spawn(session.run(subscribe)));
        self.open = Some(Open {
            generation,
            calls,
            task,
        });
    }

    /// Sends a call after those before it. On any other generation than the open one it is void.
    /// Waits for nothing.
    pub fn send(&mut self, generation: u64, call: Call) {
        if let Some(open) = &self.open
            && open.generation == generation
        {
            // A session that is over has said so, or is about to.
            let _ = open.calls.send(call);
        }
    }

    /// Closes the connection. Calls that were made before still go out, for a moment; of the
    /// generation only `TornDown` may still be told.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let Open {
                generation,
                calls,
                mut task,
            } = open;
            // The session ends with the last call in its queue.
            drop(calls);
            let ending = tokio::spawn(async move {
                let _ = timeout(CLOSING, &mut task.0).await;
            });
            self.closing = Some((generation, Task(ending)));
        }
    }

    /// Closes the connection, and waits until the last calls are out: at most two seconds.
    pub async fn finish(&mut self) {
        self.close();
        if let Some((_, mut ending)) = self.closing.take() {
            self.told.close();
            let _ = (&mut ending.0).await;
        }
    }

    /// What is told next. May be dropped while it waits, and nothing is lost.
    pub async fn next(&mut self) -> Told {
        loop {
            let Some((generation, told)) = self.told.recv().await else {
                // Only `finish` ends the channel.
                return std::future::pending().await;
            };
            if self.is_current(generation, &told) {
                return told;
            }
        }
    }

    fn is_current(&self, generation: u64, told: &Told) -> bool {
        let is_open = self
            .open
            .as_ref()
            .is_some_and(|open| open.generation == generation);
        let closing = self.closing.as_ref();
        let is_closing = closing.is_some_and(|(closing, _)| *closing == generation);
        is_open || (is_closing && matches!(told, Told::TornDown { .. }))
    }
}
