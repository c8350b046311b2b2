//! The process that goes into the image's root and becomes the image's own flugs there.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, setgroups, sethostname, setresgid, setresuid};

use super::order::Order;
use super::{ARCHIVES, TrainingError, loopback, mounts, oversee};

/// Enters the root of this directory and runs `flugs artifact train` of the image. Returns only
/// with an error.
///
/// # Errors
/// [`TrainingError`]: the step that failed.
pub fn enter(directory: &Path) -> Result<Infallible, TrainingError> {
    let order = Order::read(directory)?;
    end_with_the_overseer()?;
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
    .map_err(|errno| TrainingError::Namespace {
        what: "mounts, network, names and shared memory",
        source: errno.into(),
    })?;
    loopback::set_up().map_err(|source| TrainingError::Loopback { source })?;
    if !order.mapped {
        let archives = directory.join(ARCHIVES);
        chown(&archives, Some(order.user), Some(order.group))
            .map_err(root("let the image's user write the archives"))?;
    }
    mounts::enter(directory)?;
    name_localhost().map_err(root("name this machine in /etc/hosts"))?;
    become_user(&order).map_err(|source| TrainingError::User {
        user: order.user,
        group: order.group,
        source,
    })?;
    // Another user's process has forgotten it.
    end_with_the_overseer()?;
    let source = Command::new(&order.program)
        .args(["artifact", "train", "--flink-home", &order.flink_home])
        .args(["--output", mounts::OUTPUT])
        .env_clear()
        .envs(order.environment)
        .exec();
    Err(TrainingError::Start {
        program: format!("{} of the image", order.program),
        source,
    })
}

fn end_with_the_overseer() -> Result<(), TrainingError> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| TrainingError::Wait {
        source: errno.into(),
    })
}

/// What engines do as well: there is nobody to ask for names.
fn name_localhost() -> io::Result<()> {
    sethostname("localhost")?;
    fs::create_dir_all("/etc")?;
    match fs::remove_file("/etc/hosts") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
}

/// The image's user, without any privilege.
fn become_user(order: &Order) -> io::Result<()> {
    if order.mapped {
        // Root of one namespace of users becomes anybody of another below it.
        oversee::become_in_a_user_namespace(order.user, order.group)?;
    } else {
        let (user, group) = (Uid::from_raw(order.user), Gid::from_raw(order.group));
        setgroups(&[group])?;
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
    }
    Ok(set_no_new_privs()?)
}

fn root(what: &str) -> impl Fn(io::Error) -> TrainingError {
    move |source| TrainingError::Root {
        what: what.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_calls_it_without_an_order_is_told_whose_command_it_is() {
        let nowhere = tempfile::tempdir().unwrap();
        let error = enter(nowhere.path()).unwrap_err();
        assert!(error.to_string().contains("flugs image build"), "{error}");
    }
}
