//! The configuration directory for clients of the cluster: what `FLINK_CONF_DIR` names for
//! `flink`, `sql-client.sh` and the like.

use std::path::{Path, PathBuf};

use flugs_flink::rest::is_rest_encrypted;
use flugs_flink::{JavaRuntime, missing_access};
use flugs_flink_conf::{Layer, Origin, TLS_ALGORITHMS};
use flugs_launch::{self as launch, SettledLaunch};

use super::AppMasterError;

/// Where it is, below the cluster's directory.
pub(super) fn directory(cluster: &Path) -> PathBuf {
    cluster.join("client-conf")
}

/// Writes it: the JobManager's configuration with the cluster's address, and the log settings of
/// the Flink home. `host` is where clients find the JobManager; `java` is this machine's, if it has one: clients run here.
pub(super) fn write(
    cluster: &Path,
    job_manager: &SettledLaunch,
    java: Option<&JavaRuntime>,
    host: &str,
    rest_port: u16,
) -> Result<(), AppMasterError> {
    let mut client = job_manager.clone();
    client.layout.conf = directory(cluster);
    let port = rest_port.to_string();
    for (key, value) in [
        ("rest.address", host),
        ("rest.port", &port),
        ("jobmanager.rpc.address", host),
    ] {
        client
            .configuration
            .set(key, value, Origin::from_source(Layer::Forced, "flugs"));
    }
    // What the JobManager was told, unless somebody chose: the two have to have one in common.
    let is_encrypted = is_rest_encrypted(&|key| client.configuration.get(key));
    if is_encrypted && !client.configuration.contains("security.ssl.algorithms") {
        let origin = Origin::from_source(Layer::FlugsDefault, "flugs");
        client
            .configuration
            .set("security.ssl.algorithms", TLS_ALGORITHMS, origin);
    }
    let options = java.and_then(|java| client_options(job_manager, java));
    if let Some(options) = options {
        let origin = Origin::from_source(Layer::Derived, "what this Java needs");
        client
            .configuration
            .set("env.java.opts.client", options, origin);
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

/// The Java options of a client: the user's, and the module access that this Flink needs on this
/// Java and does not ask for itself (a Flink before 1.18 on a Java of its future).
fn client_options(job_manager: &SettledLaunch, java: &JavaRuntime) -> Option<String> {
    let configuration = &job_manager.configuration;
    let given = ["env.java.opts.all", "env.java.opts", "env.java.opts.client"]
        .iter()
        .filter_map(|key| configuration.get(key))
        .flat_map(str::split_whitespace);
    let given: Vec<String> = given.map(str::to_owned).collect();
    let missing = missing_access(job_manager.home.version(), java, &given);
    let own = configuration.get("env.java.opts.client").map(str::to_owned);
    (!missing.is_empty()).then(|| own.into_iter().chain(missing).collect::<Vec<_>>().join(" "))
}
