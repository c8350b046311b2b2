//! Makes the scheduler's nodes anew where somebody else has deleted them.
//!
//! Flink does: at the end of a cluster its JobManager deletes everything under the cluster's own
//! node, and that is above this state. The framework and its workers may be there for a moment
//! longer, and whoever comes after a crash has to know of them. Nothing is restored over the state
//! of another writer.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use zookeeper_client::{CreateMode, Error};

use super::super::StoreError;
use super::nodes::{Known, SchedulerNodes, Stop};
use super::transaction::{Header, Operation, Transaction, deletions, plan};
use flugs_mesos::scheduler::{Change, Snapshot};

/// Whoever deletes everything is done after this time. To put nodes in his way would make him
/// fail, and him only.
const REMOVAL: Duration = Duration::from_secs(1);

impl SchedulerNodes {
    /// Writes what was confirmed last as if there had never been anything.
    pub(super) async fn restore(&mut self, until: Instant) -> Result<(), StoreError> {
        let kept = self.kept.clone().unwrap_or_default();
        loop {
            sleep(REMOVAL).await;
            match self.begin_anew(&kept).await {
                Ok((known, left)) => {
                    if self.write_kept(&kept, known, &left).await? {
                        return Ok(());
                    }
                    // They were deleted again.
                    self.endure(Stop::Deleted, until).await?;
                }
                Err(stop) => self.endure(stop, until).await?,
            }
        }
    }

    /// Sees to the first node, which is this writer's or nothing happens; what is to be deleted
    /// of the tasks that were not.
    async fn begin_anew(&mut self, kept: &Snapshot) -> Result<(Known, Vec<Operation>), Stop> {
        let client = self.session().await?;
        let directory = format!("{}/tasks", self.path);
        let options = CreateMode::Persistent.with_acls(self.zookeeper.acls());
        client.mkdir(&directory, &options).await?;
        let header = Header {
            framework: kept.framework.clone(),
            serial: kept.serial,
            ..Header::new(&self.writer)
        };
        let data = self.encode(&header)?;
        let path = format!("{}/scheduler", self.path);
        let (header, version) = match client.create(&path, &data, &options).await {
            Ok((stat, _)) => (header, stat.version),
            Err(Error::NodeExists) => self.own_header(&client).await?,
            Err(error) => return Err(error.into()),
        };
        let left = match client.list_children(&directory).await {
            Err(Error::NoNode) => return Err(Stop::Deleted),
            listed => listed?,
        };
        let known = Known {
            header,
            version,
            tasks: BTreeMap::new(),
        };
        let left = deletions(&left).map_err(|name| self.damaged("tasks", &name))?;
        Ok((known, left))
    }

    /// Everything below the first node; `false` if it was deleted again.
    async fn write_kept(
        &mut self,
        kept: &Snapshot,
        mut known: Known,
        left: &[Operation],
    ) -> Result<bool, StoreError> {
        let mut transactions = Transaction::of(left, &known.header);
        let last = transactions.last().map_or(&known.header, |one| &one.header);
        let records = kept.tasks.values().cloned();
        let mut changes: Vec<Change> = records.map(|one| Change::Task(Box::new(one))).collect();
        changes.push(Change::Framework(kept.framework.clone()));
        let planned = plan(&changes, last, &known.tasks);
        transactions.extend(planned.map_err(|error| self.unwritable(&error))?);
        for transaction in transactions {
            let Some(version) = self.commit(&transaction, known.version).await? else {
                return Ok(false);
            };
            known.version = version;
            known.header = transaction.header;
        }
        let tasks = kept.tasks.values();
        known.tasks = tasks.map(|one| (one.task.clone(), one.serial)).collect();
        self.known = Some(known);
        Ok(true)
    }
}
