//! The command line of a task's launcher, for both containerizers.

use crate::provider::mesos::options::{ContainerizerOption, TaskOptions};
use flugs_mesos::wire::CommandInfo;

use super::{BINARY, Place, docker, mesos};

/// The command. With a bootstrap command it is a line for the shell, which then becomes flugs: in
/// a container of Docker's, flugs is the first process either way.
pub(super) fn command(tasks: &TaskOptions, place: &Place, words: Vec<String>) -> CommandInfo {
    let Some(bootstrap) = &tasks.bootstrap else {
        return match tasks.container.containerizer {
            ContainerizerOption::Docker => docker::command(words),
            ContainerizerOption::Mesos => mesos::command(place, words),
        };
    };
    // None of these needs quotes: the paths are checked to be plain, the rest is our own.
    let words = words.join(" ");
    let binary = place.binary.display();
    let value = match place.sandbox {
        Some(_) => format!("{bootstrap} && exec {binary} {words}"),
        // Paths are relative to the sandbox, wherever the bootstrap command went.
        None if tasks.binary.is_none() => {
            format!("{bootstrap} && cd \"$MESOS_SANDBOX\" && exec ./{BINARY} {words}")
        }
        None => format!("{bootstrap} && cd \"$MESOS_SANDBOX\" && exec {binary} {words}"),
    };
    CommandInfo {
        shell: Some(true),
        value: Some(value),
        ..CommandInfo::default()
    }
}
