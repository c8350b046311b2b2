//! The way to the Mesos master, as the options describe it.

use std::fs;

use super::super::AppMasterError;
use crate::provider::mesos::options::{FrameworkSecret, MesosOptions};
use flugs_mesos::connection::{
    BasicCredentials, Connection, ConnectionError, ConnectionSettings, TlsTrust,
};
use flugs_net::HostResolver;
use flugs_net::Resolver;
use flugs_net::zookeeper::Availability;

/// A connection that is not open yet. Whether ZooKeeper can be reached, if the master is found
/// there, will be known from `zookeeper`.
pub(super) fn connection(
    options: &MesosOptions,
    variable: &dyn Fn(&str) -> Option<String>,
    zookeeper: Availability,
) -> Result<Connection, AppMasterError> {
    let resolver = HostResolver::new(Resolver::default());
    let tls = options.master_tls.then(|| TlsTrust {
        authority: options.master_authorities.clone(),
        identity: None,
    });
    let made = Connection::new(ConnectionSettings {
        credentials: credentials(options, variable)?,
        tls,
        zookeeper,
        ..ConnectionSettings::new(options.master.clone(), resolver)
    });
    made.map_err(|error| match error {
        ConnectionError::Tls(source) => AppMasterError::MasterAuthorities { source },
        error @ ConnectionError::UserAgent { .. } => error.into(),
    })
}

/// The options' principal and secret, else what variables say.
fn credentials(
    options: &MesosOptions,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<BasicCredentials>, AppMasterError> {
    let framework = &options.framework;
    let (Some(principal), Some(secret)) = (&framework.principal, &framework.secret) else {
        return Ok(BasicCredentials::from_environment(variable)?);
    };
    let pair = match secret {
        FrameworkSecret::Text(secret) => BasicCredentials::new(principal, secret.expose())?,
        FrameworkSecret::File(path) => {
            let text = fs::read_to_string(path).map_err(|source| AppMasterError::Read {
                key: "flugs.mesos.framework.secret-file",
                path: path.clone(),
                source,
            })?;
            BasicCredentials::new(principal, text.trim())?
        }
    };
    Ok(Some(pair))
}
