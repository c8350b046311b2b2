//! What a task runs: command, environment, files to fetch, how it is checked and ended.

use super::Nanoseconds;
use super::message::{message, open_enum};
use super::tolerant::Base64Bytes;

message! {
    /// `CommandInfo.URI`: a file that the agent fetches into the sandbox.
    Uri {
        /// Where from.
        required value: String,
        /// Make it executable; such a file is never extracted.
        optional executable: bool,
        /// Extract archives; absent: yes.
        optional extract: bool,
        /// Keep it in the agent's fetcher cache, which never revalidates.
        optional cache: bool,
        /// The name in the sandbox; absent: what follows the last `/`.
        optional output_file: String,
    }
}

open_enum! {
    /// `Environment.Variable.Type`.
    VariableType {
        /// The value is in `value`.
        Value = "VALUE",
        /// The value is a secret; the Docker containerizer makes it empty.
        Secret = "SECRET",
    }
}

open_enum! {
    /// `Secret.Type`.
    SecretType {
        /// A name that the agent's secret resolver knows.
        Reference = "REFERENCE",
        /// The secret itself.
        Value = "VALUE",
    }
}

message! {
    /// `Secret.Reference`.
    SecretReference {
        /// The secret's name.
        required name: String,
        /// The key within it.
        optional key: String,
    }
}

message! {
    /// `Secret.Value`.
    SecretValue {
        /// The secret.
        required data: Base64Bytes,
    }
}

message! {
    /// `Secret`.
    Secret {
        /// Which of the two is set.
        #[serde(rename = "type")]
        optional kind: SecretType,
        /// A reference.
        optional reference: SecretReference,
        /// The secret itself.
        optional value: SecretValue,
    }
}

message! {
    /// `Environment.Variable`.
    Variable {
        /// Its name.
        required name: String,
        /// Which of the two values is set; absent: `VALUE` (and older masters know no other).
        #[serde(rename = "type")]
        optional kind: VariableType,
        /// Its value.
        optional value: String,
        /// Its secret value.
        optional secret: Secret,
    }
}

message! {
    /// `Environment`.
    Environment {
        /// The variables.
        repeated variables: Variable,
    }
}

message! {
    /// `CommandInfo`.
    CommandInfo {
        /// Files to fetch before it runs.
        repeated uris: Uri,
        /// Its environment.
        optional environment: Environment,
        /// Run `value` with `sh -c`; absent: yes.
        optional shell: bool,
        /// The shell's words, or the file to run.
        optional value: String,
        /// Arguments: the Mesos containerizer takes the first as `argv[0]`, Docker as an argument.
        repeated arguments: String,
        /// The user to run as, known to the agent's host.
        optional user: String,
    }
}

message! {
    /// `KillPolicy`.
    #[derive(Copy, Eq)]
    KillPolicy {
        /// Between SIGTERM and SIGKILL; absent: 3 s or 5 s, by containerizer.
        optional grace_period: Nanoseconds,
    }
}

open_enum! {
    /// `HealthCheck.Type`.
    HealthCheckType {
        /// A command that has to exit with 0.
        Command = "COMMAND",
        /// A GET that has to answer with 2xx or 3xx.
        Http = "HTTP",
        /// A connection that has to be accepted.
        Tcp = "TCP",
    }
}

message! {
    /// `HealthCheck.HTTPCheckInfo`.
    HttpCheck {
        /// `IPv4` or `IPv6`.
        optional protocol: String,
        /// `http` or `https`.
        optional scheme: String,
        /// The port.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required port: u32,
        /// The path, with its leading `/`.
        optional path: String,
    }
}

message! {
    /// `HealthCheck.TCPCheckInfo`.
    TcpCheck {
        /// `IPv4` or `IPv6`.
        optional protocol: String,
        /// The port.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required port: u32,
    }
}

message! {
    /// `HealthCheck`: a task that fails it too often is killed.
    HealthCheck {
        /// Which kind.
        #[serde(rename = "type")]
        optional kind: HealthCheckType,
        /// The command of `COMMAND`.
        optional command: CommandInfo,
        /// The request of `HTTP`.
        optional http: HttpCheck,
        /// The port of `TCP`.
        optional tcp: TcpCheck,
        /// Seconds before the first; absent: 15.
        optional delay_seconds: f64,
        /// Seconds between two; absent: 10.
        optional interval_seconds: f64,
        /// Seconds one may take; absent: 20.
        optional timeout_seconds: f64,
        /// Failures in a row that kill; absent: 3.
        #[serde(deserialize_with = "super::tolerant::optional_integer")]
        optional consecutive_failures: u32,
        /// Seconds from the start in which failures do not count; absent: 10.
        optional grace_period_seconds: f64,
    }
}

message! {
    /// `Label`.
    Label {
        /// Key; may occur more than once.
        required key: String,
        /// Value.
        optional value: String,
    }
}

message! {
    /// `Labels`.
    Labels {
        /// The labels.
        repeated labels: Label,
    }
}

open_enum! {
    /// `DiscoveryInfo.Visibility`.
    Visibility {
        /// Seen by the framework.
        Framework = "FRAMEWORK",
        /// Seen by the cluster.
        Cluster = "CLUSTER",
        /// Seen from outside.
        External = "EXTERNAL",
    }
}

message! {
    /// `Port` of a discovery entry.
    DiscoveryPort {
        /// The number.
        #[serde(deserialize_with = "super::tolerant::integer")]
        required number: u32,
        /// What it is for.
        optional name: String,
        /// `tcp` or `udp`.
        optional protocol: String,
        /// Who may see it.
        optional visibility: Visibility,
        /// Labels.
        optional labels: Labels,
    }
}

message! {
    /// `Ports`.
    DiscoveryPorts {
        /// The ports.
        repeated ports: DiscoveryPort,
    }
}

message! {
    /// `DiscoveryInfo`: what name services such as Mesos-DNS publish.
    DiscoveryInfo {
        /// Who may see it.
        required visibility: Visibility,
        /// The service's name.
        optional name: String,
        /// E.g. `production`.
        optional environment: String,
        /// E.g. a rack.
        optional location: String,
        /// A version.
        optional version: String,
        /// Its ports.
        optional ports: DiscoveryPorts,
        /// Labels.
        optional labels: Labels,
    }
}
