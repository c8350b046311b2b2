//! How tasks are run: the Mesos containerizer as processes, the Docker containerizer through the
//! local engine, and what both have in common.

pub(crate) mod docker;
mod docker_arguments;
pub(crate) mod environment;
pub(crate) mod fetcher;
pub(crate) mod health;
mod memory;
pub(crate) mod process;
mod provisioner;
pub(crate) mod sandbox;
mod signals;
mod tree;

use crate::cluster::Report;
use crate::executor::{Channel, Launch};
use sandbox::Sandbox;
use std::future::{Future, pending};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// A sandbox, or a report that there is none.
fn sandbox_of(launch: &Launch, channel: &Channel) -> Option<Sandbox> {
    match Sandbox::make(launch) {
        Ok(sandbox) => Some(sandbox),
        Err(error) => {
            let path = launch.sandbox();
            let reason = format!("Failed to create sandbox '{}': {error}", path.display());
            channel.report(Report::launch_failed(&reason));
            None
        }
    }
}

/// Waits for what a task needs before it can start: images, files. That it cannot be had, or not in
/// time, is reported; and there is no need for it any more when a Destroy comes.
async fn prepared<T>(
    launch: &Launch,
    channel: &mut Channel,
    prepare: impl Future<Output = Result<T, String>>,
) -> Option<T> {
    let limit = launch.options.executor_registration_timeout;
    let failed = tokio::select! {
        prepared = prepare => match prepared {
            Ok(prepared) => return Some(prepared),
            Err(reason) => Report::launch_failed(&reason),
        },
        // Only a Destroy comes before STARTING.
        _ = channel.command() => return None,
        () = sleep(limit) => registration_timeout(limit),
    };
    channel.report(failed);
    None
}

/// The executor did not come up in time: fetching took too long.
fn registration_timeout(limit: Duration) -> Report {
    let limit = limit.as_secs();
    let limit = if limit.is_multiple_of(60) {
        format!("{}mins", limit / 60)
    } else {
        format!("{limit}secs")
    };
    Report {
        reason: Some("REASON_EXECUTOR_REGISTRATION_TIMEOUT"),
        ..Report::launch_failed("")
    }
    .saying(format!("Executor did not register within {limit}"))
}

/// The next of these verdicts; for ever silent where there are none.
async fn next_verdict(
    verdicts: Option<&mut mpsc::UnboundedReceiver<health::Verdict>>,
) -> Option<health::Verdict> {
    match verdicts {
        Some(verdicts) => verdicts.recv().await,
        None => pending().await,
    }
}
