//! `flugs health`: is it well? For `HEALTHCHECK`, for Mesos COMMAND checks, and for people.

use std::process::ExitCode as ProcessExit;
use std::time::Duration;

use super::supervision::options::{parse_status, parse_tcp, parse_url, status_from_environment};
use super::{Ending, number, output};
use flugs_base::ExitCode;
use flugs_supervise::{
    HealthCheck, StatusAddress, StatusError, ask_container, ask_status, check_now, is_container,
};

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
    /// FLUGS_STATUS says, else whoever runs this container's command]
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
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = number::some_seconds)]
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
    let path = if args.ready { "/readyz" } else { "/healthz" };
    if let Some(address) = &args.status {
        return Ok(ask_status(address, path, args.timeout).map_err(|error| error.to_string()));
    }
    let named = status_from_environment().map(|one| ask_status(&one, path, args.timeout));
    match named {
        // Of several launches in a container one has that address at most, and none may have it.
        Some(Err(StatusError::Unreachable { .. })) | None if is_container() => {
            Ok(of_container(&ask_container(path, args.timeout)))
        }
        Some(answer) => Ok(answer.map_err(|error| error.to_string())),
        None => Err(Ending {
            code: ExitCode::Usage,
            message: "whom to ask? Give --status, --http or --tcp, or set FLUGS_STATUS to the \
                      supervisor's status socket or port"
                .to_owned(),
        }),
    }
}

/// What a container's supervisors say together: all of them have to be well. Where there is none,
/// the engine knows as well as anybody whether the container's command runs.
fn of_container(answers: &[Result<String, StatusError>]) -> Result<String, String> {
    if answers.is_empty() {
        return Ok("well: nothing in this container has a health check".to_owned());
    }
    let problems: Vec<String> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err())
        .map(ToString::to_string)
        .collect();
    if problems.is_empty() {
        let answers: Vec<&str> = answers.iter().flatten().map(String::as_str).collect();
        return Ok(answers.join("\n"));
    }
    Err(problems.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_well_if_all_that_answer_are_and_if_nobody_does() {
        let well = || Ok("{}".to_owned());
        let no = || {
            Err(StatusError::No {
                answer: "down".to_owned(),
            })
        };
        assert_eq!(of_container(&[well(), well()]), Ok("{}\n{}".to_owned()));
        let problem = of_container(&[well(), no(), no()]).unwrap_err();
        assert_eq!(problem, "not well: down\nnot well: down");
        let nobody = of_container(&[]).unwrap();
        assert_eq!(nobody, "well: nothing in this container has a health check");
    }
}
