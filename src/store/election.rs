//! Which of several application masters leads.
//!
//! Owns the line that they stand in: a node each, which ZooKeeper removes with its session; the
//! one that was made first leads. Nothing's safety rests on it: that a leader which was given up
//! gets nothing in any more is the doing of [`super::SchedulerNodes`]. Pure but for
//! [`stand_for_election`], which keeps a place in the line.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};
use zookeeper_client::{Client, CreateMode, Error, OneshotWatcher};

use super::leadership;
use flugs_net::zookeeper::{Trouble, ZooKeeper};

/// The wait after ZooKeeper did not answer.
const REST: Duration = Duration::from_millis(250);

/// Who is the first in line leads only if that is still so after this time: whoever removes all
/// nodes, as Flink does when its cluster ends for good, removes one after the other.
const SETTLING: Duration = Duration::from_millis(250);

/// A leader whose node was removed makes it anew after this time, when whoever removed it is done.
const REMOVAL: Duration = Duration::from_secs(1);

/// How long leaving the line may take. The session's end does it as well, later.
const LEAVING: Duration = Duration::from_secs(2);

/// Who stands in line, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contender {
    /// Its host.
    pub host: String,
    /// Its JobManager's web page.
    pub web_url: String,
    /// Its process, on its host.
    pub pid: u32,
}

impl fmt::Display for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, web_url, pid } = self;
        write!(formatter, "the one on {host} (process {pid}, {web_url})")
    }
}

/// How an application master stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Not in line yet; why, if there is trouble.
    Entering(Option<String>),
    /// It leads.
    Leads,
    /// Another one leads.
    Behind {
        /// Who, if that can be read.
        leader: Option<Contender>,
        /// How many are before this one.
        before: usize,
    },
    /// The line was dissolved: the cluster has ended for good.
    Dissolved,
    /// ZooKeeper refuses; why.
    Refused(String),
}

/// How a place in the line is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// The next one leads.
    ToTheNext,
    /// Nobody leads any more: the cluster ends.
    Dissolve,
}

/// A place in the line; kept until it is dropped or left.
#[derive(Debug)]
pub struct Election {
    standing: watch::Receiver<Standing>,
    leave: mpsc::Sender<(Leave, oneshot::Sender<()>)>,
}

/// Enters the line of this directory of ZooKeeper. Must be called within a runtime.
///
/// `id` is whose place it is: hexadecimal, and the same for whoever comes after a process that is
/// known to be gone together with its JobManager. Its place is then removed without waiting for
/// its session's end; if it led, so is what its JobManager led by, below the node `cluster`.
pub fn stand_for_election(
    zookeeper: ZooKeeper,
    cluster: &str,
    directory: &str,
    id: &str,
    contender: &Contender,
) -> Election {
    let (told, standing) = watch::channel(Standing::Entering(None));
    let (leave, leaving) = mpsc::channel(1);
    let place = Place {
        zookeeper,
        cluster: cluster.to_owned(),
        directory: directory.to_owned(),
        id: id.to_owned(),
        data: serde_json::to_vec(contender).unwrap_or_default(),
        client: None,
        name: String::new(),
        entered: false,
        led: false,
        waited: false,
        told,
    };
    tokio::spawn(place.keep(leaving));
    Election { standing, leave }
}

impl Election {
    /// How it stands now.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Waits until it stands otherwise than it was last told; may be dropped at any time.
    pub async fn changed(&mut self) -> Standing {
        if self.standing.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.standing.borrow_and_update().clone()
    }

    /// Leaves the line, and waits for it, but not for long.
    pub async fn leave(&self, how: Leave) {
        let (done, left) = oneshot::channel();
        if self.leave.send((how, done)).await.is_ok() {
            let _ = timeout(LEAVING, left).await;
        }
    }
}

struct Place {
    zookeeper: ZooKeeper,
    /// The node of the Flink cluster.
    cluster: String,
    directory: String,
    id: String,
    data: Vec<u8>,
    client: Option<Client>,
    /// What the name of its node begins with; another one in every session.
    name: String,
    /// Whether the node of this session was made.
    entered: bool,
    /// Whether it has ever led.
    led: bool,
    /// Whether it has ever seen somebody before it.
    waited: bool,
    told: watch::Sender<Standing>,
}

impl Place {
    async fn keep(mut self, mut leaving: mpsc::Receiver<(Leave, oneshot::Sender<()>)>) {
        loop {
            let step = tokio::select! {
                step = self.step() => step,
                left = leaving.recv() => {
                    self.left(left).await;
                    return;
                }
            };
            let pause = async {
                match step {
                    Ok(Next::Change(watcher)) => drop(watcher.changed().await),
                    Ok(Next::Again(after)) => sleep(after).await,
                    Ok(Next::End) | Err(Trouble::Refused(_)) => std::future::pending().await,
                    Err(Trouble::Away(_)) => sleep(REST).await,
                }
            };
            tokio::select! {
                () = pause => {}
                left = leaving.recv() => {
                    self.left(left).await;
                    return;
                }
            }
        }
    }

    /// Looks once, and tells what is seen.
    async fn step(&mut self) -> Result<Next, Trouble> {
        let looked = self.look().await;
        match &looked {
            Err(Trouble::Refused(reason)) => self.tell(Standing::Refused(reason.clone())),
            // Who is in line already learns more when ZooKeeper is back.
            Err(Trouble::Away(reason)) if matches!(*self.told.borrow(), Standing::Entering(_)) => {
                self.tell(Standing::Entering(Some(reason.clone())));
            }
            _ => {}
        }
        looked
    }

    async fn look(&mut self) -> Result<Next, Trouble> {
        let client = self.session().await?;
        self.enter(&client).await?;
        let listed = client.list_and_watch_children(&self.directory).await;
        let (names, watcher) = match listed {
            Err(Error::NoNode) => return Ok(self.removed()),
            listed => listed.map_err(|error| Trouble::of(&error))?,
        };
        let line = in_line(names);
        let Some(before) = line.iter().position(|one| one.starts_with(&self.name)) else {
            return Ok(self.removed());
        };
        let Some(first) = line.first().filter(|_| before > 0) else {
            if self.led || !self.waited || self.is_still_first(&client).await? {
                self.led = true;
                self.tell(Standing::Leads);
                return Ok(Next::Change(watcher));
            }
            return Ok(Next::Again(Duration::ZERO));
        };
        let read = client
            .get_data(&format!("{}/{first}", self.directory))
            .await;
        let leader = match read {
            Ok((data, _)) => serde_json::from_slice(&data).ok(),
            Err(Error::NoNode) => return Ok(Next::Again(Duration::ZERO)),
            Err(error) => return Err(Trouble::of(&error)),
        };
        self.waited = true;
        self.tell(Standing::Behind { leader, before });
        Ok(Next::Change(watcher))
    }

    async fn is_still_first(&self, client: &Client) -> Result<bool, Trouble> {
        sleep(SETTLING).await;
        let names = match client.list_children(&self.directory).await {
            Err(Error::NoNode) => return Ok(false),
            listed => listed.map_err(|error| Trouble::of(&error))?,
        };
        let line = in_line(names);
        Ok(line.first().is_some_and(|one| one.starts_with(&self.name)))
    }

    /// The node is gone, and the session is not.
    fn removed(&mut self) -> Next {
        self.entered = false;
        if self.led {
            return Next::Again(REMOVAL);
        }
        self.tell(Standing::Dissolved);
        Next::End
    }

    async fn session(&mut self) -> Result<Client, Trouble> {
        let alive = |client: &&Client| !client.state().is_terminated();
        if let Some(client) = self.client.as_ref().filter(alive) {
            return Ok(client.clone());
        }
        let client = self.zookeeper.connect().await?;
        let mut random = [0; 8];
        // Without randomness the session's number has to do; the server gives each once.
        let _ = getrandom::fill(&mut random);
        let session = client.session_id().0;
        self.name = format!("{}-{session:x}-{}-", self.id, hex(random));
        self.entered = false;
        self.client = Some(client.clone());
        Ok(client)
    }

    async fn enter(&mut self, client: &Client) -> Result<(), Trouble> {
        if self.entered {
            return Ok(());
        }
        let trouble = |error: Error| Trouble::of(&error);
        let persistent = CreateMode::Persistent.with_acls(self.zookeeper.acls());
        client
            .mkdir(&self.directory, &persistent)
            .await
            .map_err(trouble)?;
        // It may have been made, and the answer lost.
        let names = client
            .list_children(&self.directory)
            .await
            .map_err(trouble)?;
        let own = format!("{}-", self.id);
        let past = |name: &String| name.starts_with(&own) && !name.starts_with(&self.name);
        // While the place is there, nobody else leads, and only who leads has a JobManager.
        if in_line(names.clone()).first().is_some_and(past) {
            let released = leadership::release(client, &self.cluster).await;
            released.map_err(trouble)?;
        }
        for gone in names.iter().filter(|name| past(name)) {
            match client
                .delete(&format!("{}/{gone}", self.directory), None)
                .await
            {
                Ok(()) | Err(Error::NoNode) => {}
                Err(error) => return Err(trouble(error)),
            }
        }
        if !names.iter().any(|one| one.starts_with(&self.name)) {
            let options = CreateMode::EphemeralSequential.with_acls(self.zookeeper.acls());
            let path = format!("{}/{}", self.directory, self.name);
            client
                .create(&path, &self.data, &options)
                .await
                .map_err(trouble)?;
        }
        self.entered = true;
        Ok(())
    }

    async fn left(&self, asked: Option<(Leave, oneshot::Sender<()>)>) {
        // Dropped without a word: the session ends with its client.
        let Some((how, done)) = asked else { return };
        if let Some(client) = self.client.as_ref().filter(|_| self.entered) {
            // What cannot be removed ends with the session.
            let _ = self.remove(client, how).await;
        }
        let _ = done.send(());
    }

    async fn remove(&self, client: &Client, how: Leave) -> Result<(), Error> {
        let names = client.list_children(&self.directory).await?;
        let mut writer = client.new_multi_writer();
        // At once: nobody in between takes himself for the first.
        for name in in_line(names) {
            if how == Leave::Dissolve || name.starts_with(&self.name) {
                writer.add_delete(&format!("{}/{name}", self.directory), None)?;
            }
        }
        writer.commit().await.map_err(Error::from)?;
        if how == Leave::Dissolve {
            // What is above, as far as nothing else is in it: Flink leaves none of it either.
            let mut path = self.directory.as_str();
            while !path.is_empty() && client.delete(path, None).await.is_ok() {
                path = path.rsplit_once('/').map_or("", |(above, _)| above);
            }
        }
        Ok(())
    }

    fn tell(&self, standing: Standing) {
        self.told.send_if_modified(|told| {
            let new = *told != standing;
            *told = standing;
            new
        });
    }
}

/// What is to be waited for.
enum Next {
    Change(OneshotWatcher),
    Again(Duration),
    End,
}

/// Names of nodes in the order in which they were made, by the number that ZooKeeper puts at the
/// end of each. What has none is nobody's place.
fn in_line(names: Vec<String>) -> Vec<String> {
    let number = |name: &str| name.rsplit_once('-')?.1.parse::<i64>().ok();
    let numbered = names
        .into_iter()
        .filter_map(|name| Some((number(&name)?, name)));
    let mut line: Vec<(i64, String)> = numbered.collect();
    line.sort_unstable();
    line.into_iter().map(|(_, name)| name).collect()
}

fn hex(bytes: [u8; 8]) -> String {
    format!("{:016x}", u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_by_number_and_not_by_name() {
        let names = [
            "b-0000000010",
            "c-0000000009",
            "a-0000000011",
            "lock",
            "x-y",
        ];
        let line = in_line(names.map(str::to_owned).into());
        assert_eq!(line, ["c-0000000009", "b-0000000010", "a-0000000011"]);
    }
}
