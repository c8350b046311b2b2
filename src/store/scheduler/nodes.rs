//! The scheduler's state in ZooKeeper: a node that says whose it is, and one for each task.
//!
//! Owns that a step is confirmed when the ensemble has it, whatever happens to the session in
//! between, and that an older writer gets nothing in after a newer one has come: every
//! transaction writes the first node, in the version that its writer has left there. What somebody
//! else deletes is made anew from what its writer knows ([`restore`](super::restore)).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, sleep};
use zookeeper_client::{Client, CreateMode, Error, MultiWriteError};

use super::super::StoreError;
use super::document::{SCHEDULER_VERSION, Unreadable, versioned};
use super::transaction::{Header, Operation, TaskNode, Transaction, name, plan};
use flugs_mesos::scheduler::{Change, Snapshot, TaskRecord};
use flugs_mesos::wire::TaskId;
use flugs_net::zookeeper::{Trouble, ZooKeeper};

/// How many nodes are read at a time.
const READS: usize = 200;

/// The wait after ZooKeeper did not answer.
const REST: Duration = Duration::from_millis(250);

/// The ZooKeeper store.
#[derive(Debug)]
pub struct SchedulerNodes {
    pub(super) zookeeper: ZooKeeper,
    pub(super) path: String,
    patience: Duration,
    /// A name that nobody else has.
    pub(super) writer: String,
    client: Option<Client>,
    /// Whether the state was taken over once; from then on it is never taken back.
    claimed: bool,
    /// What the ensemble has; absent: it has to be looked at first.
    pub(super) known: Option<Known>,
    /// What was confirmed last, once it was loaded.
    pub(super) kept: Option<Snapshot>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) header: Header,
    /// The version of the header's node.
    pub(super) version: i32,
    /// The tasks that have a node, and its number.
    pub(super) tasks: BTreeMap<TaskId, u64>,
}

/// What stopped an attempt.
pub(super) enum Stop {
    Trouble(Trouble),
    /// Nodes that this writer has made were deleted.
    Deleted,
    Final(StoreError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Trouble(Trouble::of(&error))
    }
}

impl SchedulerNodes {
    /// A store under this node. `patience` is how long ZooKeeper may be away before a call fails.
    pub fn new(zookeeper: ZooKeeper, path: &str, patience: Duration) -> Self {
        let mut random = [0; 16];
        if getrandom::fill(&mut random).is_err() {
            // Without randomness the time and the process tell writers apart.
            let now = std::time::SystemTime::now();
            let since = now.duration_since(std::time::UNIX_EPOCH);
            let nanoseconds = since.unwrap_or_default().as_nanos();
            random = (nanoseconds ^ u128::from(std::process::id()) << 96).to_le_bytes();
        }
        let writer = format!("{:032x}", u128::from_le_bytes(random));
        Self {
            zookeeper,
            path: path.to_owned(),
            patience,
            writer,
            client: None,
            claimed: false,
            known: None,
            kept: None,
        }
    }

    pub(super) async fn load(&mut self) -> Result<Snapshot, StoreError> {
        let until = Instant::now() + self.patience;
        loop {
            match self.look().await {
                Ok((known, snapshot)) => {
                    self.known = Some(known);
                    self.kept = Some(snapshot.clone());
                    return Ok(snapshot);
                }
                Err(Stop::Deleted) if self.kept.is_some() => self.restore(until).await?,
                Err(Stop::Deleted) => {
                    // Nothing is known of it yet: it is taken over as it is then.
                    self.claimed = false;
                    self.endure(Stop::Deleted, until).await?;
                }
                Err(stop) => self.endure(stop, until).await?,
            }
        }
    }

    pub(super) async fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let until = Instant::now() + self.patience;
        loop {
            let written = self.write(changes).await?;
            if !written && self.is_over(changes) {
                // There is nothing that would have to be known again.
                self.known = None;
            } else if !written {
                self.restore(until).await?;
                continue;
            }
            let kept = self.kept.get_or_insert_default();
            for change in changes {
                kept.apply(change);
            }
            return Ok(());
        }
    }

    /// Whether nothing is left once these changes are done.
    fn is_over(&self, changes: &[Change]) -> bool {
        let mut after = self.kept.clone().unwrap_or_default();
        for change in changes {
            after.apply(change);
        }
        after.framework.is_none() && after.tasks.is_empty()
    }

    /// Writes changes; `false` if the nodes were deleted meanwhile.
    async fn write(&mut self, changes: &[Change]) -> Result<bool, StoreError> {
        // Whatever ends this early, what the ensemble has then is not known.
        let mut known = if let Some(known) = self.known.take() {
            known
        } else {
            self.load().await?;
            self.known.take().ok_or_else(|| self.superseded())?
        };
        let planned = plan(changes, &known.header, &known.tasks);
        let transactions = planned.map_err(|error| self.unwritable(&error))?;
        for transaction in transactions {
            let Some(version) = self.commit(&transaction, known.version).await? else {
                return Ok(false);
            };
            known.version = version;
            known.header = transaction.header;
            for (task, serial) in transaction.known {
                match serial {
                    Some(serial) => known.tasks.insert(task, serial),
                    None => known.tasks.remove(&task),
                };
            }
        }
        self.known = Some(known);
        Ok(true)
    }

    /// Has a transaction done exactly once; the version of the header's node after it, or `None`
    /// if the nodes were deleted.
    pub(super) async fn commit(
        &mut self,
        transaction: &Transaction,
        version: i32,
    ) -> Result<Option<i32>, StoreError> {
        let until = Instant::now() + self.patience;
        let mut uncertain = false;
        loop {
            let attempt = self.attempt(transaction, version, uncertain).await;
            match attempt {
                Ok(version) => return Ok(Some(version)),
                Err(Stop::Deleted) => return Ok(None),
                Err(stop) => self.endure(stop, until).await?,
            }
            // The answer may have been lost on its way.
            uncertain = true;
        }
    }

    async fn attempt(
        &mut self,
        transaction: &Transaction,
        version: i32,
        uncertain: bool,
    ) -> Result<i32, Stop> {
        let client = self.session().await?;
        let path = format!("{}/scheduler", self.path);
        if uncertain {
            let (header, found) = self.own_header(&client).await?;
            if header == transaction.header {
                return Ok(found);
            }
        }
        let header = self.encode(&transaction.header)?;
        let options = CreateMode::Persistent.with_acls(self.zookeeper.acls());
        let mut writer = client.new_multi_writer();
        writer.add_set_data(&path, &header, Some(version))?;
        for operation in &transaction.operations {
            let node = |serial: &u64| format!("{}/tasks/{}", self.path, name(*serial));
            match operation {
                Operation::Create(serial, data) => {
                    writer.add_create(&node(serial), data, &options)?;
                }
                Operation::Set(serial, data) => writer.add_set_data(&node(serial), data, None)?,
                Operation::Delete(serial) => writer.add_delete(&node(serial), None)?,
            }
        }
        match writer.commit().await {
            Ok(_) => Ok(version.wrapping_add(1)),
            Err(MultiWriteError::OperationFailed {
                index: 0,
                source: Error::BadVersion | Error::NoNode,
            }) => {
                // Somebody else's, or this very one, whose answer was lost on its way.
                let (header, found) = self.own_header(&client).await?;
                let done = header == transaction.header;
                done.then_some(found)
                    .ok_or_else(|| Stop::Final(self.superseded()))
            }
            // Whoever deletes everything has not come to the first node yet.
            Err(MultiWriteError::OperationFailed {
                source: Error::NoNode,
                ..
            }) => Err(Stop::Deleted),
            Err(MultiWriteError::OperationFailed { index, source })
                if matches!(source, Error::NodeExists | Error::NotEmpty) =>
            {
                let reason = format!("operation {index} of a transaction: {source}");
                Err(self.damaged("tasks", &reason))
            }
            Err(error) => Err(Error::from(error).into()),
        }
    }

    /// Takes the state over, or looks at it again after the session was lost.
    async fn look(&mut self) -> Result<(Known, Snapshot), Stop> {
        let client = self.session().await?;
        let (header, version) = if self.claimed {
            self.own_header(&client).await?
        } else {
            let claimed = self.claim(&client).await?;
            self.claimed = true;
            claimed
        };
        let directory = format!("{}/tasks", self.path);
        let names = match client.list_children(&directory).await {
            Err(Error::NoNode) => return Err(Stop::Deleted),
            listed => listed?,
        };
        let reads = names.into_iter().map(|name| {
            let reading = client.get_data(&format!("{directory}/{name}"));
            async move { Ok::<_, Stop>((name, reading.await?.0)) }
        });
        let nodes: Vec<(String, Vec<u8>)> =
            stream::iter(reads).buffered(READS).try_collect().await?;
        let mut snapshot = Snapshot {
            framework: header.framework.clone(),
            serial: header.serial,
            tasks: BTreeMap::new(),
        };
        let mut tasks = BTreeMap::new();
        for (node, data) in nodes {
            let place = format!("tasks/{node}");
            let TaskNode { task, .. } = versioned::<TaskNode<TaskRecord>>(&data)
                .map_err(|reason| self.unreadable(&place, reason))?;
            if name(task.serial) != node {
                return Err(self.damaged(&place, &format!("it has the task {}", task.serial)));
            }
            tasks.insert(task.task.clone(), task.serial);
            snapshot.tasks.insert(task.task.value.clone(), task);
        }
        let known = Known {
            header,
            version,
            tasks,
        };
        Ok((known, snapshot))
    }

    /// Makes the state this writer's. What others write from then on fails.
    async fn claim(&self, client: &Client) -> Result<(Header, i32), Stop> {
        let options = CreateMode::Persistent.with_acls(self.zookeeper.acls());
        client
            .mkdir(&format!("{}/tasks", self.path), &options)
            .await?;
        let path = format!("{}/scheduler", self.path);
        loop {
            let Some((header, version)) = self.header(client).await? else {
                let header = Header::new(&self.writer);
                let data = self.encode(&header)?;
                match client.create(&path, &data, &options).await {
                    Ok((stat, _)) => return Ok((header, stat.version)),
                    // Somebody was there first.
                    Err(Error::NodeExists) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            let claimed = Header {
                writer: self.writer.clone(),
                transaction: header.transaction + 1,
                ..header
            };
            let data = self.encode(&claimed)?;
            match client.set_data(&path, &data, Some(version)).await {
                Ok(stat) => return Ok((claimed, stat.version)),
                // Somebody wrote in between.
                Err(Error::BadVersion) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The header, if this writer has written it last.
    pub(super) async fn own_header(&self, client: &Client) -> Result<(Header, i32), Stop> {
        let Some((header, version)) = self.header(client).await? else {
            return Err(Stop::Deleted);
        };
        if header.writer != self.writer {
            return Err(Stop::Final(self.superseded()));
        }
        Ok((header, version))
    }

    /// The header as the whole ensemble has it, not as a server that lags behind.
    async fn header(&self, client: &Client) -> Result<Option<(Header, i32)>, Stop> {
        let path = format!("{}/scheduler", self.path);
        client.sync(&path).await?;
        match client.get_data(&path).await {
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error.into()),
            Ok((data, stat)) => {
                let header = versioned(&data);
                let header = header.map_err(|reason| self.unreadable("scheduler", reason))?;
                Ok(Some((header, stat.version)))
            }
        }
    }

    pub(super) async fn session(&mut self) -> Result<Client, Stop> {
        if let Some(client) = self
            .client
            .as_ref()
            .filter(|one| !one.state().is_terminated())
        {
            return Ok(client.clone());
        }
        let client = self.zookeeper.connect().await.map_err(Stop::Trouble)?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Waits, if it may get better in time.
    pub(super) async fn endure(&mut self, stop: Stop, until: Instant) -> Result<(), StoreError> {
        let place = self.place();
        let trouble = match stop {
            Stop::Final(error) => return Err(error),
            Stop::Deleted => Trouble::Away("its nodes are being deleted".to_owned()),
            Stop::Trouble(trouble) => trouble,
        };
        match trouble {
            Trouble::Refused(reason) => Err(StoreError::Refused { place, reason }),
            Trouble::Away(reason) if Instant::now() + REST > until => {
                // The next session asks for the servers' addresses anew.
                self.client = None;
                Err(StoreError::Away { place, reason })
            }
            Trouble::Away(_) => {
                sleep(REST).await;
                Ok(())
            }
        }
    }

    pub(super) fn encode(&self, header: &Header) -> Result<Vec<u8>, Stop> {
        let data = serde_json::to_vec(header);
        data.map_err(|error| self.damaged("scheduler", &error.to_string()))
    }

    pub(super) fn unwritable(&self, error: &serde_json::Error) -> StoreError {
        StoreError::Damaged {
            path: self.place(),
            reason: error.to_string(),
        }
    }

    fn place(&self) -> PathBuf {
        self.zookeeper.shown(&self.path).into()
    }

    pub(super) fn superseded(&self) -> StoreError {
        let place = self.place();
        StoreError::Superseded { place }
    }

    pub(super) fn damaged(&self, node: &str, reason: &str) -> Stop {
        self.unreadable(node, Unreadable::Damaged(reason.to_owned()))
    }

    fn unreadable(&self, node: &str, reason: Unreadable) -> Stop {
        let path = self.place().join(node);
        Stop::Final(match reason {
            Unreadable::Version(found) => StoreError::Version {
                path,
                found,
                expected: SCHEDULER_VERSION,
            },
            Unreadable::Damaged(reason) => StoreError::Damaged { path, reason },
        })
    }
}
