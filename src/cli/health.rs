//! `flugs health`: is it well? For `HEALTHCHECK`, for Mesos COMMAND checks, and for people.

use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use super::supervision::options::{parse_status, parse_tcp, parse_url, status_from_environment};
use super::supervision::parse_seconds;
use super::{Ending, output};
use crate::entrypoint::status_candidates;
use crate::spec::ExitCode;
use crate::supervise::{HealthCheck, StatusAddress, ask_status, check_now};

const EXAMPLES: &str = "\
Examples:
  In an image whose entry point is flugs:
    HEALTHCHECK CMD [\"flugs\", \"health\", \"--ready\"]

  A Mesos COMMAND check of a TaskManager's port, without a supervisor's help:
    flugs health --tcp 127.0.0.1:6122

Exit codes: 0 well, 1 not well, 2 wrong usage: what Docker expects of a HEALTHCHECK.";

/// Ask whether a supervised program is well (or any address answers)
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The supervisor's status socket (a path) or loopback port (a number) [default: what
    /// FLUGS_STATUS says, else the one of this container's entry point]
    #[arg(long, value_name = "PATH|PORT", value_parser = parse_status, group = "whom")]
    status: Option<StatusAddress>,

    /// Ask this URL instead (http, numeric address or localhost); 200 to 399 is well
    #[arg(long, value_name = "URL", value_parser = parse_url, group = "whom")]
    http: Option<HealthCheck>,

    /// Connect to this address instead
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = parse_tcp, group = "whom")]
    tcp: Option<HealthCheck>,

    /// Ask whether it is ready to serve, and not only whether it is well
    #[arg(long, conflicts_with_all = ["http", "tcp"])]
    ready: bool,

    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    timeout: Duration,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match ask(args)? {
        Ok(answer) => {
            if !answer.is_empty() {
                output::line(&answer);
            }
            Ok(ProcessExit::SUCCESS)
        }
        Err(problem) => {
            output::error(&problem);
            Ok(ProcessExit::FAILURE)
        }
    }
}

/// The answer, or what is not well.
fn ask(args: &Args) -> Result<Result<String, String>, Ending> {
    if let Some(check) = args.http.as_ref().or(args.tcp.as_ref()) {
        let checked = check_now(check, args.timeout);
        return Ok(checked
            .map(|()| String::new())
            .map_err(|error| error.to_string()));
    }
    let named = args.status.clone().or_else(status_from_environment);
    let Some(address) = named.or_else(status_of_image) else {
        return Err(Ending {
            code: ExitCode::Usage,
            message: "whom to ask? Give --status, --http or --tcp, or set FLUGS_STATUS to the \
                      supervisor's status socket or port"
                .to_owned(),
        });
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    Ok(ask_status(&address, path, args.timeout).map_err(|error| error.to_string()))
}

/// The status socket of a container whose entry point is flugs, if this is one.
fn status_of_image() -> Option<StatusAddress> {
    let candidates = status_candidates(&super::environment());
    let found = candidates.into_iter().find(|socket| socket.exists());
    found.map(StatusAddress::Socket)
}
