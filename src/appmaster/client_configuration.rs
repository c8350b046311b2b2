//! The configuration directory for clients of the cluster: what `FLINK_CONF_DIR` names for
//! `flink`, `sql-client.sh` and the like.

use std::path::{Path, PathBuf};

use crate::conf::{Layer, Origin};
use crate::launch::{self, ResolvedLaunch};

use super::AppMasterError;
use super::manifests::ADDRESS;

/// Where it is, below the cluster's directory.
pub(super) fn directory(cluster: &Path) -> PathBuf {
    cluster.join("client-conf")
}

/// Writes it: the JobManager's configuration with the cluster's address, and the log settings of
/// the Flink home.
pub(super) fn write(
    cluster: &Path,
    job_manager: &ResolvedLaunch,
    rest_port: u16,
) -> Result<(), AppMasterError> {
    let mut client = job_manager.clone();
    client.layout.conf = directory(cluster);
    let port = rest_port.to_string();
    for (key, value) in [
        ("rest.address", ADDRESS),
        ("rest.port", &port),
        ("jobmanager.rpc.address", ADDRESS),
    ] {
        client
            .configuration
            .set(key, value, Origin::from_source(Layer::Forced, "flugs"));
    }
    // A client has no sandbox: its temporary files go where its own environment says.
    for key in ["io.tmp.dirs", "web.tmpdir"] {
        client.configuration.remove(key);
    }
    let conf = &client.layout.conf;
    std::fs::create_dir_all(conf).map_err(|source| AppMasterError::Write {
        path: conf.clone(),
        source,
    })?;
    Ok(launch::render(&client)?)
}
