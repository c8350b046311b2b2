//! The options about output and health.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::super::{Ending, number};
use flugs_base::ExitCode;
use flugs_supervise::{HealthCheck, HealthPolicy, LogPolicy, RotatingFiles, StatusAddress};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct LogArgs {
    /// Where the command's output goes: byte for byte to this process's own streams, never
    /// waiting for a reader that stopped reading (pass); the same streams without a copy
    /// (inherit); wrapped in one JSON object a line (json)
    #[arg(long, value_name = "MODE", default_value = "pass", value_parser = ["pass", "inherit", "json"])]
    logs: String,

    /// Write the output to rotated files in this directory instead; with "--logs json", wrapped
    #[arg(long, value_name = "DIRECTORY")]
    log_directory: Option<PathBuf>,

    /// Rotate a log file before it grows beyond this many MiB
    #[arg(long, value_name = "MIB", value_parser = number::log_size(), requires = "log_directory")]
    log_size: Option<u64>,

    /// Keep this many older log files of each stream
    #[arg(long, value_name = "COUNT", value_parser = number::generations(), requires = "log_directory")]
    log_keep: Option<u32>,

    /// Pass the output on as well
    #[arg(long, requires = "log_directory")]
    log_also_pass: bool,
}

impl LogArgs {
    pub(super) fn policy(&self) -> Result<LogPolicy, Ending> {
        let json = self.logs == "json";
        let Some(directory) = &self.log_directory else {
            return Ok(match self.logs.as_str() {
                "inherit" => LogPolicy::Inherit,
                "json" => LogPolicy::Json,
                _ => LogPolicy::Pass,
            });
        };
        if self.logs == "inherit" {
            return Err(Ending {
                code: ExitCode::Usage,
                message: "--logs inherit and --log-directory exclude each other: what is not \
                          copied cannot be kept"
                    .to_owned(),
            });
        }
        let default = RotatingFiles::in_directory(directory);
        Ok(LogPolicy::Files(RotatingFiles {
            max_bytes: self
                .log_size
                .map_or(default.max_bytes, |mib| mib.saturating_mul(1024 * 1024)),
            keep: self.log_keep.unwrap_or(default.keep),
            json,
            also_pass: self.log_also_pass,
            ..default
        }))
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Health")]
pub(super) struct HealthArgs {
    /// The command is well while this URL (http, numeric address or localhost) answers 200 to 399
    #[arg(long, value_name = "URL", value_parser = parse_url, group = "health_check")]
    health_http: Option<HealthCheck>,

    /// The command is well while this address accepts connections
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_tcp, group = "health_check")]
    health_tcp: Option<HealthCheck>,

    /// The command is well while it is not stopped
    #[arg(long, group = "health_check")]
    health_alive: bool,

    /// Seconds after a start in which failures do not count, until the first success
    #[arg(long, value_name = "SECONDS", value_parser = number::seconds, requires = "health_check")]
    health_start: Option<Duration>,

    /// Seconds between two checks
    #[arg(long, value_name = "SECONDS", value_parser = number::some_seconds, requires = "health_check")]
    health_interval: Option<Duration>,

    /// Seconds that one check may take
    #[arg(long, value_name = "SECONDS", value_parser = number::some_seconds, requires = "health_check")]
    health_timeout: Option<Duration>,

    /// So many failures in a row make the command unhealthy
    #[arg(long, value_name = "COUNT", value_parser = number::times(), requires = "health_check")]
    health_failures: Option<u32>,

    /// Seconds from SIGQUIT, which has a JVM write its threads, to the stop of an unhealthy
    /// command; 0: no SIGQUIT
    #[arg(long, value_name = "SECONDS", value_parser = number::seconds, requires = "health_check")]
    health_dump: Option<Duration>,

    /// Answer /healthz and /readyz on this Unix socket (a path) or loopback port (a number)
    /// [default: what FLUGS_STATUS says, which "flugs health" reads too]
    #[arg(long, value_name = "PATH|PORT", value_parser = parse_status)]
    status: Option<StatusAddress>,
}

impl HealthArgs {
    pub(super) fn policy(&self) -> Option<HealthPolicy> {
        let named = self.health_http.clone().or_else(|| self.health_tcp.clone());
        let check = named.or_else(|| self.health_alive.then_some(HealthCheck::Alive))?;
        let default = HealthPolicy::of(check);
        Some(HealthPolicy {
            start_period: self.health_start.unwrap_or(default.start_period),
            interval: self.health_interval.unwrap_or(default.interval),
            timeout: self.health_timeout.unwrap_or(default.timeout),
            failures: self.health_failures.unwrap_or(default.failures),
            dump: self.health_dump.unwrap_or(default.dump),
            ..default
        })
    }

    pub(super) fn status(&self) -> Option<StatusAddress> {
        self.status.clone().or_else(status_from_environment)
    }
}

/// The status address that `FLUGS_STATUS` names.
pub(in super::super) fn status_from_environment() -> Option<StatusAddress> {
    let text = std::env::var("FLUGS_STATUS").ok()?;
    parse_status(&text).ok()
}

/// A number is a port, everything else a path.
pub(in super::super) fn parse_status(text: &str) -> Result<StatusAddress, String> {
    match text.parse::<u16>() {
        Ok(0) | Err(_) if text.is_empty() || text.bytes().all(|b| b.is_ascii_digit()) => {
            Err("a socket's path or a port from 1 to 65535 is expected".to_owned())
        }
        Ok(port) => Ok(StatusAddress::Port(port)),
        Err(_) => Ok(StatusAddress::Socket(PathBuf::from(text))),
    }
}

/// `ADDRESS:PORT`, the address numeric or `localhost`.
pub(in super::super) fn parse_tcp(text: &str) -> Result<HealthCheck, String> {
    parse_address(text).map(|address| HealthCheck::Tcp { address })
}

/// `http://ADDRESS[:PORT]/PATH`.
pub(in super::super) fn parse_url(text: &str) -> Result<HealthCheck, String> {
    let rest = text
        .strip_prefix("http://")
        .ok_or("an address that begins with http:// is expected (for TLS, check TCP)")?;
    let (host, path) = match rest.split_once('/') {
        Some((host, path)) => (host, format!("/{path}")),
        None => (rest, "/".to_owned()),
    };
    if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("a path without blanks is expected".to_owned());
    }
    let address = parse_address(host).or_else(|error| {
        let with_port = format!("{host}:80");
        parse_address(&with_port).map_err(|_| error)
    })?;
    Ok(HealthCheck::Http { address, path })
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let expected = || {
        "a numeric address (or localhost) and a port are expected: the supervisor asks no name \
         server"
            .to_owned()
    };
    if let Some(port) = text.strip_prefix("localhost:") {
        let port = port.parse().map_err(|_| expected())?;
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_http_with_a_numeric_address_or_localhost() {
        for (text, address, path) in [
            (
                "http://127.0.0.1:8081/overview",
                "127.0.0.1:8081",
                "/overview",
            ),
            ("http://localhost:8081", "127.0.0.1:8081", "/"),
            ("http://[::1]:8081/a/b?c", "[::1]:8081", "/a/b?c"),
            ("http://10.0.0.1/", "10.0.0.1:80", "/"),
        ] {
            let expected = HealthCheck::Http {
                address: address.parse().unwrap(),
                path: path.to_owned(),
            };
            assert_eq!(parse_url(text), Ok(expected), "{text}");
        }
        for text in [
            "https://127.0.0.1/",
            "http://flink:8081/",
            "http://",
            "http://1.2.3.4/a b",
        ] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_status_address_is_a_port_or_a_path() {
        assert_eq!(parse_status("8099"), Ok(StatusAddress::Port(8099)));
        assert_eq!(
            parse_status("/run/x"),
            Ok(StatusAddress::Socket("/run/x".into()))
        );
        for text in ["", "0", "65536"] {
            assert!(parse_status(text).is_err(), "{text}");
        }
    }
}
