//! State in a directory of this machine: the embedded default.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::{ClusterState, STATE_VERSION, StoreError};

/// Keeps a cluster's state in `cluster.json` of its directory.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
}

/// The right to run a cluster in a directory. The kernel takes it back when the holder ends,
/// however it ends, so no crash leaves a directory locked.
#[derive(Debug)]
pub struct DirectoryLock {
    _lock: Flock<File>,
    path: PathBuf,
}

impl DirectoryLock {
    /// Makes the directory if need be and takes its lock, or says who holds it.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        let not_writable = |source| StoreError::NotWritable {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(not_writable)?;
        let path = directory.join("lock");
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let file = options.open(&path).map_err(not_writable)?;
            let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((mut file, _)) => {
                    let mut holder = String::new();
                    let _ = file.read_to_string(&mut holder);
                    let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
                    return Err(StoreError::InUse {
                        path: directory.to_owned(),
                        holder,
                    });
                }
            };
            // A holder removes the file as it leaves: what was locked may be a file that is no
            // longer there, which keeps nobody else out.
            if !is_still_at(&lock, &path) {
                continue;
            }
            let pid = std::process::id();
            lock.set_len(0)
                .and_then(|()| writeln!(lock, "{pid}"))
                .map_err(not_writable)?;
            return Ok(Self { _lock: lock, path });
        }
    }

    /// Whether somebody holds the lock of this directory.
    pub fn is_held(directory: &Path) -> bool {
        let Ok(file) = File::open(directory.join("lock")) else {
            return false;
        };
        Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
    }
}

impl Drop for DirectoryLock {
    /// Leaves no file behind; the lock itself ends with the open file.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether `path` still names the open file.
fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

impl FileStore {
    /// The store of the cluster in `directory`.
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("cluster.json"),
        }
    }

    /// The state, or `None` if there never was a cluster here.
    pub fn load(&self) -> Result<Option<ClusterState>, StoreError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.failed("read", source)),
        };
        let damaged = |error: serde_json::Error| StoreError::Damaged {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let document: serde_json::Value = serde_json::from_slice(&text).map_err(damaged)?;
        match document.get("version").and_then(serde_json::Value::as_u64) {
            Some(found) if found != u64::from(STATE_VERSION) => Err(StoreError::Version {
                path: self.path.clone(),
                found,
                expected: STATE_VERSION,
            }),
            _ => serde_json::from_value(document).map(Some).map_err(damaged),
        }
    }

    /// Replaces the state: readers see the old one or the new one, never a part.
    pub fn save(&self, state: &ClusterState) -> Result<(), StoreError> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            serde_json::to_writer_pretty(&mut file, state)?;
            file.write_all(b"\n")?;
            file.as_file().sync_data()?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| self.failed("write", source))
    }

    fn failed(&self, action: &'static str, source: std::io::Error) -> StoreError {
        StoreError::InputOutput {
            action,
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{ClusterPhase, MemberRecord};
    use flugs_base::Failure as _;
    use flugs_model::{MemberState, ProcessIdentity, Role};

    fn state() -> ClusterState {
        let process = ProcessIdentity {
            pid: 7,
            start_ticks: 99,
        };
        ClusterState {
            version: STATE_VERSION,
            phase: ClusterPhase::Starting,
            master: process,
            flink_version: "2.3.0".into(),
            flink_home: "/opt/flink".into(),
            web_url: "http://localhost:8081".into(),
            task_managers: 2,
            last_number: 1,
            members: vec![MemberRecord {
                id: "taskmanager-1".parse().unwrap(),
                role: Role::TaskManager,
                state: MemberState::Starting,
                process: Some(process),
                sandbox: "/tmp/x".into(),
                slots: None,
            }],
            containers: None,
            application_master: None,
            tasks_recorded_in: None,
            framework_removed: None,
            resumes_under: None,
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_nothing_else_is_left_behind() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        assert_eq!(store.load().unwrap(), None);
        store.save(&state()).unwrap();
        assert_eq!(store.load().unwrap(), Some(state()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn unknown_versions_and_damage_are_refused_and_left_as_they_were() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileStore::new(directory.path());
        let path = directory.path().join("cluster.json");
        for (text, version) in [
            ("{\"version\":2,\"new\":1}", true),
            ("{\"version\":1", false),
        ] {
            fs::write(&path, text).unwrap();
            let error = store.load().unwrap_err();
            assert_eq!(
                matches!(error, StoreError::Version { found: 2, .. }),
                version,
                "{error}"
            );
            assert_eq!(error.exit_code(), flugs_base::ExitCode::StateRefused);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn a_second_lock_is_refused_and_names_the_holder_until_the_first_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        assert!(DirectoryLock::is_held(directory.path()));
        let error = DirectoryLock::take(directory.path()).unwrap_err();
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        assert!(!DirectoryLock::is_held(directory.path()));
        drop(DirectoryLock::take(directory.path()).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
