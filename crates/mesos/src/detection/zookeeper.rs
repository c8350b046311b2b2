//! The leader that ZooKeeper's nodes name, watched.
//!
//! Owns the watch. What was known stays known while ZooKeeper is away: a master that leads no
//! longer says so itself.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use zookeeper_client::{Client, Error};

use super::{Detected, election};
use flugs_net::zookeeper::{Trouble, ZooKeeper};

/// How long to wait after ZooKeeper did not answer, and for the masters to make their node.
const REST: Duration = Duration::from_secs(1);

/// Watches until nobody wants to know any more.
pub(super) async fn watch(zookeeper: ZooKeeper, path: String, detected: watch::Sender<Detected>) {
    let shown = zookeeper.shown(&path);
    while !detected.is_closed() {
        let trouble = match zookeeper.connect().await {
            Ok(client) => match follow(&client, &path, &shown, &detected).await {
                Err(error) => Trouble::of(&error),
                Ok(never) => match never {},
            },
            Err(trouble) => trouble,
        };
        let why = format!("{shown}: {}", trouble.text());
        detected.send_if_modified(|now| nobody_if_unknown(now, why));
        sleep(REST).await;
    }
}

/// Follows the election for as long as the session lasts.
async fn follow(
    client: &Client,
    path: &str,
    shown: &str,
    detected: &watch::Sender<Detected>,
) -> Result<Infallible, Error> {
    loop {
        let (children, changed) = match client.list_and_watch_children(path).await {
            Ok(found) => found,
            Err(Error::NoNode) => {
                let why = format!("{shown} does not exist: has a master ever been there?");
                tell(detected, Detected::Nobody(why));
                sleep(REST).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let now = match election::leader(&children) {
            None => Detected::Nobody(format!("no master is registered under {shown}")),
            Some(name) => match client.get_data(&format!("{path}/{name}")).await {
                // It has gone since; the watch says so.
                Err(Error::NoNode) => continue,
                Err(error) => return Err(error),
                Ok((data, _)) => match election::master(&data) {
                    Ok(master) => Detected::Leader(master),
                    Err(reason) => Detected::Nobody(format!(
                        "the node {name} under {shown} does not describe a master: {reason}"
                    )),
                },
            },
        };
        tell(detected, now);
        changed.changed().await;
    }
}

fn tell(detected: &watch::Sender<Detected>, now: Detected) {
    detected.send_if_modified(|known| {
        let news = *known != now;
        *known = now;
        news
    });
}

fn nobody_if_unknown(now: &mut Detected, why: String) -> bool {
    let nobody = Detected::Nobody(why);
    let unknown = now.masters().is_empty() && *now != nobody;
    if unknown {
        *now = nobody;
    }
    unknown
}
