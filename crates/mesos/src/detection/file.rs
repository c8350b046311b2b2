//! An address of masters in a file, read again and again.
//!
//! Owns the file. Whoever changes it means what it says from then on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Detected, Ways, begin};
use crate::master_address::MasterAddress;

/// How often the file is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// The inner search; it ends when another takes its place.
struct Inner(Option<JoinHandle<()>>);

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Follows the file until nobody wants to know any more.
pub(super) async fn watch(path: PathBuf, ways: Ways, detected: watch::Sender<Detected>) {
    let mut known = None;
    let mut inner = Inner(None);
    while !detected.is_closed() {
        let found = read(&path);
        if known.as_ref() != Some(&found) {
            // The old search must not speak after the new one.
            if let Some(task) = inner.0.take() {
                task.abort();
                let _ = task.await;
            }
            inner = Inner(match &found {
                Ok(address) => begin(address, &ways, detected.clone()),
                Err(why) => {
                    detected.send_replace(Detected::Nobody(why.clone()));
                    None
                }
            });
            known = Some(found);
        }
        sleep(INTERVAL).await;
    }
}

/// The address in the file; or why there is none.
fn read(path: &Path) -> Result<MasterAddress, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    match MasterAddress::parse(&text) {
        Ok(MasterAddress::File(_)) => Err(format!("{shown} names a file again; expected masters")),
        Ok(address) => Ok(address),
        Err(error) => Err(format!("{shown}: {error}")),
    }
}
