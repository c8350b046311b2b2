//! The configuration of a cluster on Mesos, settled as its launches will settle it: what would
//! fail there fails here, before anything runs.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::super::AppMasterError;
use super::certificate;
use super::job_manager::{addresses, bound, defaults};
use super::settings::MesosClusterSettings;
use crate::provider::mesos::options::{FrameworkPlace, MesosOptions};
use flugs_artifact::server::TlsIdentity;
use flugs_base::is_wildcard;
use flugs_flink::JavaRuntime;
use flugs_flink::rest::{RestTls, rest_scheme};
use flugs_flink_conf::Configuration;
use flugs_launch::{self as launch, PortOption, REST, SettledLaunch};
use flugs_model::Role;

/// What is settled.
#[derive(Debug)]
pub(super) struct Settled {
    /// This machine's Java, which the JobManager runs on.
    pub(super) java: JavaRuntime,
    pub(super) job_manager: SettledLaunch,
    pub(super) task_manager: SettledLaunch,
    pub(super) options: MesosOptions,
    /// What makes the members one cluster: where the JobManager is found.
    pub(super) addresses: BTreeMap<String, String>,
    /// What suits a cluster of many machines, unless the user set it.
    pub(super) defaults: BTreeMap<String, String>,
    /// The name under which this machine is found.
    pub(super) host: String,
    pub(super) rpc_port: u16,
    pub(super) rest_port: u16,
    /// How the REST interface is spoken to, and who the JobManager is there, if that is over TLS.
    pub(super) rest_tls: Option<RestTls>,
    /// Who the artifact server is, if it speaks TLS.
    pub(super) artifact_tls: Option<TlsIdentity>,
}

impl Settled {
    /// Settles everything that needs no network.
    pub(super) fn of(settings: &MesosClusterSettings) -> Result<Self, AppMasterError> {
        let request = settings.request(settings.role);
        let job_manager = launch::settle(&request)?;
        let java = launch::java_of(&request, &job_manager)?;
        let task_manager = launch::settle(&settings.request(Role::TaskManager))?;
        let version = job_manager.home.version();
        let variable = |name: &str| settings.variable(name);
        let mut options = MesosOptions::read(&task_manager.configuration, version, &variable)?;
        let configuration = &job_manager.configuration;
        // Under high availability Flink binds another one, and workers ask for the leader.
        let rpc_option = launch::job_manager_rpc(&|key| configuration.get(key));
        let rpc_port = port(rpc_option, configuration)?;
        let rest_port = port(REST, configuration)?;
        // Marathon names the agent's host; a container's own name means nothing outside of it.
        let host = variable("HOST").filter(|host| !is_wildcard(host));
        let host = host.unwrap_or(request.host.host_name);
        let rest_tls = RestTls::of(&|key| configuration.get(key))?;
        let addresses = addresses(configuration, &host, rpc_port, rest_port);
        let found = addresses.get("jobmanager.rpc.address").unwrap_or(&host);
        options.advertise(found);
        let server = &options.artifact_server;
        let artifact_tls = certificate::identity(server, rest_tls.as_ref(), found)?;
        Ok(Self {
            addresses,
            defaults: defaults(version),
            java,
            job_manager,
            task_manager,
            options,
            host,
            rpc_port,
            rest_port,
            rest_tls,
            artifact_tls,
        })
    }

    /// Where others find the JobManager.
    pub(super) fn job_manager_address(&self) -> &str {
        let address = self.addresses.get("jobmanager.rpc.address");
        address.map_or(&self.host, String::as_str)
    }

    /// How many workers of all profiles are wanted.
    pub(super) fn workers(&self) -> usize {
        let profiles = self.options.workers.values();
        profiles.map(|worker| worker.workers as usize).sum()
    }

    /// Where clients find the JobManager.
    pub(super) fn rest_host(&self) -> &str {
        self.addresses.get("rest.address").unwrap_or(&self.host)
    }

    /// The web page as others see it.
    pub(super) fn web_url(&self) -> String {
        let host = bracketed(self.rest_host());
        format!("{}://{host}:{}", self.rest_scheme(), self.rest_port)
    }

    /// Where this process reaches the JobManager: by address, so that no name has to be resolved.
    pub(super) fn rest_address(&self) -> String {
        let bound = bound(&self.job_manager.configuration, REST.bind_address);
        let address = match launch::bind_address(Some(&bound)) {
            address if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            address => address,
        };
        let address = SocketAddr::new(address, self.rest_port);
        format!("{}://{address}", self.rest_scheme())
    }

    fn rest_scheme(&self) -> &'static str {
        rest_scheme(&|key| self.job_manager.configuration.get(key))
    }

    /// What the framework tells of the place it runs in.
    pub(super) fn place(&self, user: String) -> FrameworkPlace {
        FrameworkPlace {
            hostname: self.host.clone(),
            user,
            webui_url: Some(self.web_url()),
        }
    }
}

/// A host as URLs write it.
pub(super) fn bracketed(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.to_owned(),
    }
}

/// The port that an option names or Flink takes by default, or any free one where that is asked
/// for. It must not change while workers run: they look for the JobManager there.
fn port(option: PortOption, configuration: &Configuration) -> Result<u16, AppMasterError> {
    let bound = bound(configuration, option.bind_address);
    let set = option.keys.iter().any(|key| configuration.contains(key));
    let lookup = |key: &str| {
        if key == option.bind_address {
            return Some(bound.as_str());
        }
        let last = option.keys.last().is_some_and(|last| *last == key);
        let default = option.default.filter(|_| last && !set);
        configuration.get(key).or(default)
    };
    if let Some(port) = option.pick(&lookup)? {
        return Ok(port);
    }
    launch::free_port(launch::bind_address(Some(&bound)))
        .map_err(|source| AppMasterError::NoFreePort { source })
}
