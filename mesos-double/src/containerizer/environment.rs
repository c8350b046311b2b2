//! What a task finds in its environment, and whom it runs as.

use crate::call::{objects, text};
use crate::executor::Launch;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::unistd::{Gid, Uid, geteuid};
use serde_json::{Map, Value};
use std::io;
use std::path::Path;

/// The host's default, which the agent sets for every executor.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a command task under the Mesos containerizer, later ones win.
///
/// `sandbox`: the directory as the task sees it.
pub(crate) fn of_process(launch: &Launch, sandbox: &Path) -> Vec<(String, String)> {
    let directory = launch.sandbox().display().to_string();
    let mut variables = vec![
        ("LIBPROCESS_IP", launch.address.clone()),
        ("LIBPROCESS_PORT", "0".to_owned()),
        ("MESOS_AGENT_ENDPOINT", launch.agent_endpoint.clone()),
        ("MESOS_ALLOCATION_ROLE", launch.role.clone()),
        ("MESOS_CHECKPOINT", checkpoint(launch).to_owned()),
        ("MESOS_DIRECTORY", directory),
        ("MESOS_EXECUTOR_ID", launch.task_id.clone()),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs".to_owned()),
        ("MESOS_FRAMEWORK_ID", launch.framework_id.clone()),
        ("MESOS_HTTP_COMMAND_EXECUTOR", "0".to_owned()),
        ("MESOS_SANDBOX", sandbox.display().to_string()),
        ("MESOS_SLAVE_ID", launch.agent_id.clone()),
        ("MESOS_SLAVE_PID", launch.agent_pid.clone()),
        ("PATH", PATH.to_owned()),
    ];
    if checkpoint(launch) == "1" {
        variables.push(("MESOS_RECOVERY_TIMEOUT", "15mins".to_owned()));
        variables.push(("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs".to_owned()));
    }
    variables
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(of_command(launch, Secrets::Resolved))
        .collect()
}

/// What becomes of variables of type SECRET.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    /// Their value is set.
    Resolved,
    /// They are empty: the Docker containerizer knows no secrets.
    Empty,
}

/// The variables that the framework asked for.
pub(crate) fn of_command(launch: &Launch, secrets: Secrets) -> Vec<(String, String)> {
    let Some(environment) = launch
        .part("command")
        .and_then(|command| command.get("environment"))
        .and_then(Value::as_object)
    else {
        return Vec::new();
    };
    objects(environment, "variables")
        .map(|variable| {
            let name = text(variable, "name").unwrap_or_default().to_owned();
            let value = match text(variable, "type") {
                Some("SECRET") if secrets == Secrets::Empty => String::new(),
                Some("SECRET") => secret(variable).unwrap_or_default(),
                _ => text(variable, "value").unwrap_or_default().to_owned(),
            };
            (name, value)
        })
        .collect()
}

fn secret(variable: &Map<String, Value>) -> Option<String> {
    let data = variable
        .get("secret")?
        .get("value")?
        .get("data")?
        .as_str()?;
    String::from_utf8(STANDARD.decode(data).ok()?).ok()
}

fn checkpoint(launch: &Launch) -> &'static str {
    let checkpoint = launch
        .framework_info
        .get("checkpoint")
        .and_then(Value::as_bool);
    if checkpoint == Some(true) { "1" } else { "0" }
}

/// A user of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: Uid,
    pub(crate) gid: Gid,
}

/// Reads `/etc/passwd` by hand: in a static binary, the C library's own way ends in a crash.
fn account(name: &str) -> io::Result<Option<User>> {
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let find = |line: &str| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(User {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
        })
    };
    Ok(passwd.lines().find_map(find))
}

/// Whom the task runs as; `None` if that is who runs the double, or if it cannot be changed.
pub(crate) fn user_of(launch: &Launch) -> io::Result<Option<User>> {
    let name = launch
        .part("command")
        .and_then(|command| text(command, "user"))
        .or_else(|| text(&launch.framework_info, "user"))
        .unwrap_or("root");
    let user = account(name)?.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("Failed to get user information for '{name}': no such user"),
        )
    })?;
    if user.uid == geteuid() || !geteuid().is_root() {
        return Ok(None);
    }
    Ok(Some(user))
}
