//! Giving up privileges, once and for good, before the program starts: the supervisor itself
//! becomes the user, so that nothing that runs afterwards is more than that user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::Path;

use nix::unistd::{Gid, Uid, getegid, geteuid, getgroups, setgroups, setresgid, setresuid};

use super::accounts::{Account, Accounts};
use super::error::SuperviseError;
use super::supervision::Privileges;
use super::sys;

/// Variables that come with a user.
pub(super) type UserVariables = Vec<(&'static str, String)>;

/// Does as `privileges` says and gives the variables that the program must have for it.
pub(super) fn give_up(privileges: &Privileges) -> Result<UserVariables, SuperviseError> {
    let account = match &privileges.user {
        Some(user) => Some(account(user)?),
        None => None,
    };
    if let Some(account) = &account {
        for directory in &privileges.own {
            each_file(directory, account, &hand_over)?;
        }
    }
    if privileges.drop_capabilities {
        sys::drop_bounding_set().map_err(failed_io("PR_CAPBSET_DROP"))?;
    }
    if let Some(account) = &account {
        change_user(account)?;
    }
    if privileges.drop_capabilities {
        sys::drop_capabilities().map_err(failed_io("capset"))?;
    }
    if privileges.no_new_privileges {
        nix::sys::prctl::set_no_new_privs().map_err(failed("PR_SET_NO_NEW_PRIVS"))?;
    }
    Ok(account.as_ref().map(variables).unwrap_or_default())
}

/// Makes this process the user `NAME`, `UID`, `NAME:GROUP` or `UID:GID` for good, and gives the
/// variables that come with that user. For programs that write files before they supervise.
pub fn become_user(user: &str) -> Result<Vec<(&'static str, String)>, SuperviseError> {
    give_up(&Privileges {
        user: Some(user.to_owned()),
        ..Privileges::default()
    })
}

/// Whether [`give_up`] could do as `privileges` says, and the user that it would become.
pub(super) fn check_privileges(privileges: &Privileges) -> Result<Option<Account>, SuperviseError> {
    let account = privileges.user.as_deref().map(account).transpose()?;
    if let Some(account) = &account {
        for directory in &privileges.own {
            each_file(directory, account, &may_hand_over)?;
        }
    }
    Ok(account)
}

fn account(user: &str) -> Result<Account, SuperviseError> {
    let refuse = |reason| SuperviseError::User {
        user: user.to_owned(),
        reason,
    };
    let account = Accounts::read(Path::new("/"))
        .resolve(user)
        .map_err(refuse)?;
    let own = geteuid();
    if !own.is_root() && own.as_raw() != account.uid {
        let own = own.as_raw();
        return Err(refuse(format!(
            "this process is user {own}, and only root can become another; start the container as root or as that user"
        )));
    }
    Ok(account)
}

/// Becomes the user: groups first, while that is still allowed. Nothing is kept to go back with.
fn change_user(account: &Account) -> Result<(), SuperviseError> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    if !geteuid().is_root() {
        return Ok(()); // It is that user already.
    }
    let groups: Vec<Gid> = account.groups.iter().copied().map(Gid::from_raw).collect();
    if getgroups().is_ok_and(|own| own != groups) {
        setgroups(&groups).map_err(failed("setgroups"))?;
    }
    setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    setresuid(uid, uid, uid).map_err(failed("setresuid"))?;
    if geteuid() != uid || getegid() != gid {
        return Err(failed("setresuid")(nix::errno::Errno::EPERM));
    }
    Ok(())
}

/// Does something with a directory and all that is in it, each with what is known of it. Symbolic
/// links are not followed.
fn each_file(
    path: &Path,
    account: &Account,
    act: &dyn Fn(&Path, &fs::Metadata, &Account) -> io::Result<()>,
) -> Result<(), SuperviseError> {
    let failed = |error: io::Error| SuperviseError::Ownership {
        path: path.to_owned(),
        user: account.uid.to_string(),
        error,
    };
    let found = fs::symlink_metadata(path).map_err(failed)?;
    act(path, &found, account).map_err(failed)?;
    if found.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            each_file(&entry.map_err(failed)?.path(), account, act)?;
        }
    }
    Ok(())
}

fn is_theirs(found: &fs::Metadata, account: &Account) -> bool {
    (found.uid(), found.gid()) == (account.uid, account.gid)
}

/// Makes the user the owner of a file; a symbolic link is owned itself.
fn hand_over(path: &Path, found: &fs::Metadata, account: &Account) -> io::Result<()> {
    if is_theirs(found, account) {
        return Ok(());
    }
    lchown(path, Some(account.uid), Some(account.gid))
}

/// Whether [`hand_over`] could: only root gives files away.
fn may_hand_over(_: &Path, found: &fs::Metadata, account: &Account) -> io::Result<()> {
    if geteuid().is_root() || is_theirs(found, account) {
        return Ok(());
    }
    Err(io::Error::from_raw_os_error(libc::EPERM))
}

fn variables(account: &Account) -> UserVariables {
    let mut variables = vec![("HOME", account.home.display().to_string())];
    if let Some(name) = &account.name {
        variables.push(("USER", name.clone()));
        variables.push(("LOGNAME", name.clone()));
    }
    variables
}

fn failed(step: &'static str) -> impl Fn(nix::errno::Errno) -> SuperviseError {
    move |errno| SuperviseError::Privileges {
        step,
        error: errno.into(),
    }
}

fn failed_io(step: &'static str) -> impl Fn(io::Error) -> SuperviseError {
    move |error| SuperviseError::Privileges { step, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_asked_is_nothing_done() {
        assert_eq!(give_up(&Privileges::default()).unwrap(), []);
    }

    #[test]
    fn an_unknown_user_is_an_error_that_names_it() {
        let privileges = Privileges {
            user: Some("no-such-user".to_owned()),
            ..Privileges::default()
        };
        let error = give_up(&privileges).unwrap_err();
        assert!(error.to_string().contains("no-such-user"), "{error}");
        let checked = check_privileges(&privileges).unwrap_err();
        assert_eq!(checked.to_string(), error.to_string());
        assert!(check_privileges(&Privileges::default()).is_ok());
    }

    #[test]
    fn a_user_with_an_entry_brings_home_user_and_logname() {
        let account = Account {
            uid: 1,
            gid: 1,
            groups: vec![1],
            name: Some("flink".to_owned()),
            home: "/opt/flink".into(),
        };
        let names: Vec<_> = variables(&account)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["HOME", "USER", "LOGNAME"]);
    }

    #[test]
    fn handing_over_owns_links_and_does_not_follow_them() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nonexistent", directory.path().join("link")).unwrap();
        fs::create_dir(directory.path().join("inner")).unwrap();
        fs::write(directory.path().join("inner/file"), "").unwrap();
        let account = Account {
            uid: geteuid().as_raw(),
            gid: getegid().as_raw(),
            groups: Vec::new(),
            name: None,
            home: "/".into(),
        };
        each_file(directory.path(), &account, &hand_over).unwrap();
        let error = each_file(&directory.path().join("missing"), &account, &hand_over).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
