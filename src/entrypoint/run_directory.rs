//! The one directory that a container's launch writes to, whoever it runs as and however much of
//! its root is read-only.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::EntrypointError;

/// Where images keep it; made so that every user may write there.
const OF_IMAGE: &str = "/run/flugs";

/// The directory that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    /// It exists, and can be written to.
    pub path: PathBuf,
}

/// What is tried, in this order.
fn candidates(variables: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let set = |name: &str| {
        let value = variables.get(name).filter(|value| !value.is_empty());
        value.map(PathBuf::from)
    };
    if let Some(named) = set("FLUGS_RUN_DIR") {
        return vec![named];
    }
    let temporary = set("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"));
    // The last for whoever comes second to a directory that the first one made as its own.
    let own = format!("flugs-{}", nix::unistd::geteuid());
    vec![
        PathBuf::from(OF_IMAGE),
        temporary.join("flugs"),
        temporary.join(own),
    ]
}

impl RunDirectory {
    /// The first directory that can be written to, made if need be.
    pub fn choose(variables: &BTreeMap<String, String>) -> Result<Self, EntrypointError> {
        let tried = candidates(variables);
        match tried.iter().find(|one| is_usable(one)) {
            Some(path) => Ok(Self { path: path.clone() }),
            None => Err(EntrypointError::NoRunDirectory { tried }),
        }
    }

    /// A directory below for one process of this name alone: a container can have several entry
    /// points at once, below each other or by `docker exec`.
    pub fn claim(&self, name: &str) -> Result<Claim, EntrypointError> {
        let mut tried = Vec::new();
        for index in 0..MOST_CLAIMS {
            let path = match index {
                0 => self.path.join(name),
                _ => self.path.join(format!("{name}-{}", index + 1)),
            };
            let lock = is_usable(&path).then(|| lock(&path.join("lock")));
            match lock.flatten() {
                Some(lock) => return Ok(Claim { path, index, lock }),
                None => tried.push(path),
            }
        }
        Err(EntrypointError::NoRunDirectory { tried })
    }
}

/// More processes of one role are in no container.
const MOST_CLAIMS: u32 = 64;

/// A directory that is one process's own until the lock is closed.
#[derive(Debug)]
pub struct Claim {
    /// The directory; it can be written to.
    pub path: PathBuf,
    /// How many of the same name were there before.
    pub index: u32,
    /// The lock. The kernel drops it with its holder, so an entry point that was killed leaves
    /// nothing behind that counts.
    pub lock: OwnedFd,
}

/// Locks a file, unless somebody has done so.
fn lock(path: &Path) -> Option<OwnedFd> {
    let writable = File::options().create(true).append(true).open(path);
    // Another user's file can be locked as well.
    let file = writable.or_else(|_| File::open(path)).ok()?;
    file.try_lock().is_ok().then(|| file.into())
}

/// Whether files can be made there. Asks by making one: a mode says nothing about a read-only
/// mount.
pub fn is_usable(directory: &Path) -> bool {
    fs::create_dir_all(directory).is_ok() && tempfile::tempfile_in(directory).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &Path)]) -> BTreeMap<String, String> {
        let pair = |(name, path): &(&str, &Path)| ((*name).to_owned(), path.display().to_string());
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_named_directory_is_made_and_nothing_else_is_tried() {
        let home = tempfile::tempdir().unwrap();
        let named = home.path().join("a/b");
        let chosen = RunDirectory::choose(&variables(&[("FLUGS_RUN_DIR", &named)])).unwrap();
        assert_eq!(chosen.path, named);
        assert_eq!(fs::read_dir(&named).unwrap().count(), 0);
        let refused = variables(&[("FLUGS_RUN_DIR", Path::new("/proc/flugs"))]);
        let error = RunDirectory::choose(&refused).unwrap_err();
        insta::assert_snapshot!(error, @"no directory can be written to (/proc/flugs): mount a tmpfs on one of them, or name another with FLUGS_RUN_DIR");
    }

    #[test]
    fn each_of_several_entry_points_has_a_directory_of_its_own_until_it_ends() {
        let home = tempfile::tempdir().unwrap();
        let place = RunDirectory {
            path: home.path().to_owned(),
        };
        let first = place.claim("taskmanager").unwrap();
        let second = place.claim("taskmanager").unwrap();
        let other = place.claim("jobmanager").unwrap();
        assert_eq!(first.path, home.path().join("taskmanager"));
        assert_eq!(second.path, home.path().join("taskmanager-2"));
        assert_eq!((second.index, other.index), (1, 0));
        drop(first);
        assert_eq!(place.claim("taskmanager").unwrap().index, 0);
    }
}
