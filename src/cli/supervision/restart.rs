//! The options of a restart policy, shared by the commands that start things again.

use std::time::Duration;

use flugs_supervise::{RestartPolicy, RestartWhen};

use super::super::number;

/// `--restart`: when, and how often at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Restart {
    when: RestartWhen,
    ceiling: Option<u32>,
}

/// How long to wait between restarts, and what counts together.
#[derive(Debug, Clone, clap::Args)]
pub(in super::super) struct BackoffArgs {
    /// Seconds before the first restart; doubled for each further one
    #[arg(long = "restart-backoff", value_name = "SECONDS", value_parser = number::seconds)]
    backoff: Option<Duration>,

    /// The longest wait before a restart, in seconds
    #[arg(long = "restart-backoff-max", value_name = "SECONDS", value_parser = number::seconds)]
    backoff_max: Option<Duration>,

    /// After running this many seconds, the next wait is the first again
    #[arg(long = "restart-stable", value_name = "SECONDS", value_parser = number::seconds)]
    stable: Option<Duration>,

    /// The window in which restarts are counted, in seconds
    #[arg(long = "restart-window", value_name = "SECONDS", value_parser = number::seconds)]
    window: Option<Duration>,
}

impl BackoffArgs {
    /// The policy that the options ask for, over `default` where they say nothing.
    pub(in super::super) fn policy(
        &self,
        restart: Restart,
        default: RestartPolicy,
    ) -> RestartPolicy {
        RestartPolicy {
            when: restart.when,
            ceiling: restart.ceiling.unwrap_or(default.ceiling),
            backoff: self.backoff.unwrap_or(default.backoff),
            backoff_max: self.backoff_max.unwrap_or(default.backoff_max),
            stable: self.stable.unwrap_or(default.stable),
            window: self.window.unwrap_or(default.window),
            ..default
        }
    }
}

/// Reads `never`, `on-failure`, `always`, with `:N` for at most N restarts in the window.
pub(in super::super) fn parse_restart(text: &str) -> Result<Restart, String> {
    let (word, ceiling) = match text.split_once(':') {
        Some((word, number)) => {
            let ceiling = number.parse();
            let expected = |_| "a number of restarts is expected after the colon".to_owned();
            (word, Some(ceiling.map_err(expected)?))
        }
        None => (text, None),
    };
    let when = match word {
        "never" | "no" => RestartWhen::Never,
        "on-failure" => RestartWhen::OnFailure,
        "always" => RestartWhen::Always,
        _ => return Err("never, on-failure or always is expected".to_owned()),
    };
    Ok(Restart { when, ceiling })
}
