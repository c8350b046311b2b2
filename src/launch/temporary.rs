//! The JVM's temporary directory, where libraries unpack native code and map it: RocksDB, Netty,
//! Snappy, Zstandard, LZ4, JNA. On a file system that is mounted `noexec`, as an engine's tmpfs is by
//! default, that fails in the middle of a job. So another directory is taken before the start, or
//! the remedy is said.

use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, access};

use crate::conf::{Warning, WarningKind};
use crate::spec::Role;

use super::{LaunchRequest, SettledLaunch};

/// Flink's own temporary files; unless it is set, they go where the JVM's go.
const OF_FLINK: &str = "io.tmp.dirs";

/// The JVM's, unless it is set.
const OF_SYSTEM: &str = "/tmp";

const PROPERTY: &str = "-Djava.io.tmpdir=";

/// Further places that Flink unpacks into, each before the others where it is set.
const FURTHER: [&str; 4] = [
    "process.taskmanager.working-dir",
    "process.working-dir",
    "state.backend.rocksdb.localdir",
    OF_FLINK,
];

/// What is to be done about temporary directories.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Temporary {
    /// The option to put in front of the JVM's others, which so may say otherwise.
    pub(super) option: Option<String>,
    pub(super) warnings: Vec<Warning>,
}

/// Decides where the JVM of a launch has its temporary files.
pub(super) fn temporary(
    request: &LaunchRequest,
    settled: &SettledLaunch,
    arguments: &[String],
) -> Temporary {
    let lookup = |key: &str| settled.configuration.get(key);
    let tool_options = ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"]
        .into_iter()
        .filter_map(|name| request.variable(name))
        .flat_map(str::split_whitespace);
    // Of several the last one counts, and those variables come before the command line.
    let options = tool_options.chain(arguments.iter().map(String::as_str));
    let chosen = options.filter_map(|one| one.strip_prefix(PROPERTY));
    let chosen: Vec<&str> = chosen.collect();
    decide(
        settled.role,
        &settled.layout.tmp,
        request.manifest.is_some(),
        chosen.last().copied(),
        &lookup,
        &can_be_mapped,
    )
}

/// `own` is the sandbox's; `travels` says that the launch came with a manifest, so that the host may
/// be shared: what libraries unpack goes, and ends, with the sandbox. `chosen` is a user's own.
fn decide<'a>(
    role: Role,
    own: &Path,
    travels: bool,
    chosen: Option<&str>,
    lookup: &dyn Fn(&str) -> Option<&'a str>,
    is_good: &dyn Fn(&Path) -> bool,
) -> Temporary {
    let mut decided = Temporary::default();
    let system = PathBuf::from(OF_SYSTEM);
    let directory = if let Some(chosen) = chosen {
        PathBuf::from(chosen)
    } else {
        let own = own.to_owned();
        let mut order = if travels {
            [own, system]
        } else {
            [system, own]
        };
        // Where none is good, all stays as it would have been.
        order.sort_by_key(|one| !is_good(one));
        let [first, _] = order;
        if travels || first.as_path() != Path::new(OF_SYSTEM) {
            decided.option = Some(format!("{PROPERTY}{}", first.display()));
        }
        first
    };
    // No other role runs what jobs bring.
    if role != Role::TaskManager {
        return decided;
    }
    let mut places = vec![("java.io.tmpdir", directory)];
    for key in FURTHER {
        let value = lookup(key).unwrap_or_default();
        // `ConfigurationUtils.splitPaths`.
        let paths = value.split([',', ':']).map(str::trim);
        places.extend(
            paths
                .filter(|path| path.starts_with('/'))
                .map(|path| (key, path.into())),
        );
    }
    let mut told: Vec<PathBuf> = Vec::new();
    for (key, directory) in places {
        if !is_good(&directory) && !told.contains(&directory) {
            decided.warnings.push(Warning {
                source: key.to_owned(),
                line: None,
                kind: WarningKind::NoNativeCode {
                    directory: directory.display().to_string(),
                },
            });
            told.push(directory);
        }
    }
    decided
}

/// Whether files can be made in a directory, and code in them mapped. One that is not there yet is
/// made by whoever uses it, in what is there.
fn can_be_mapped(directory: &Path) -> bool {
    let there = directory.ancestors().find(|one| one.exists());
    let there = there.unwrap_or(directory);
    let writable = access(there, AccessFlags::W_OK | AccessFlags::X_OK).is_ok();
    let executable = || {
        // A kernel that does not say is not held against it.
        statvfs(there).map_or(true, |found| !found.flags().contains(FsFlags::ST_NOEXEC))
    };
    writable && executable()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/sandbox/tmp";

    fn decided(
        role: Role,
        travels: bool,
        chosen: Option<&str>,
        good: &[&str],
        set: &[(&str, &'static str)],
    ) -> (Option<String>, Vec<String>) {
        let lookup = |key: &str| {
            let found = set.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        };
        let is_good = |path: &Path| good.iter().any(|one| Path::new(one) == path);
        let decided = decide(role, Path::new(OWN), travels, chosen, &lookup, &is_good);
        let warnings = decided.warnings.iter().map(ToString::to_string);
        (decided.option, warnings.collect())
    }

    #[test]
    fn the_systems_directory_is_left_for_the_sandbox_only_where_no_code_can_be_mapped_in_it() {
        let tm = Role::TaskManager;
        assert_eq!(
            decided(tm, false, None, &["/tmp", OWN], &[]),
            (None, vec![])
        );
        let own = Some(format!("-Djava.io.tmpdir={OWN}"));
        assert_eq!(decided(tm, false, None, &[OWN], &[]), (own.clone(), vec![]));
        assert_eq!(decided(tm, true, None, &["/tmp", OWN], &[]), (own, vec![]));
        let system = Some("-Djava.io.tmpdir=/tmp".to_owned());
        assert_eq!(decided(tm, true, None, &["/tmp"], &[]), (system, vec![]));
    }

    #[test]
    fn where_no_directory_will_do_a_worker_says_the_remedy_once_for_each() {
        let set = [("io.tmp.dirs", "/tmp,/data:/spare")];
        let (option, warnings) = decided(Role::TaskManager, false, None, &["/spare"], &set);
        assert_eq!(option, None);
        let keys: Vec<&str> = warnings
            .iter()
            .filter_map(|one| one.split(':').next())
            .collect();
        assert_eq!(keys, ["java.io.tmpdir", "io.tmp.dirs"]);
        insta::assert_snapshot!(warnings[1], @"io.tmp.dirs: native code cannot be mapped from /data (read-only, not writable, or mounted noexec), where RocksDB, Netty, Snappy, Zstandard and others unpack theirs: jobs that need it will fail. Mount it with exec (docker run --tmpfs /tmp:exec), or put FLUGS_RUN_DIR or the launch's directory on a file system that allows it");
        let (_, warnings) = decided(Role::JobManager, false, None, &[], &set);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_somebody_chose_stays_and_is_tested_too() {
        let (option, warnings) = decided(Role::TaskManager, true, Some("/mine"), &[OWN], &[]);
        assert_eq!(option, None);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("/mine"), "{warnings:?}");
    }

    #[test]
    fn a_directory_of_the_kernels_own_is_not_one_for_code() {
        let directory = tempfile::tempdir().unwrap();
        assert!(can_be_mapped(&directory.path().join("not/yet")));
        assert!(!can_be_mapped(Path::new("/proc/self")));
    }
}
