//! The JVM's temporary directory, where libraries unpack native code and map it: RocksDB, Netty,
//! Snappy, Zstandard, LZ4, JNA. On a file system that is mounted `noexec`, as an engine's tmpfs is by
//! default, that fails in the middle of a job. So another directory is taken before the start, or
//! the remedy is said.

use std::path::{Path, PathBuf};

use flugs_flink_conf::{Warning, WarningKind};
use flugs_model::Role;

use super::directory_probe::{Unfit, takes_native_code};
use super::{LaunchRequest, SettledLaunch};

/// Flink's own temporary files; unless it is set, they go where the JVM's go.
const OF_FLINK: &str = "io.tmp.dirs";

/// The JVM's, unless it is set.
const OF_SYSTEM: &str = "/tmp";

const PROPERTY: &str = "java.io.tmpdir";

/// System properties by which a library is told a directory of its own to unpack native code into: JNA's,
/// Snappy's, Zstandard's and SQLite's.
const OF_LIBRARIES: [&str; 4] = [
    "jna.tmpdir",
    "org.xerial.snappy.tempdir",
    "ZstdTempFolder",
    "org.sqlite.tmpdir",
];

/// Netty's, as the ends of names: each of its copies (Flink's, ZooKeeper's, gRPC's) has its package
/// in front, `org.apache.flink.shaded.netty4.io.netty.native.workdir` for one.
const OF_NETTY: [&str; 2] = ["io.netty.native.workdir", "io.netty.tmpdir"];

/// Further places that Flink unpacks into, each before the others where it is set. Python's
/// archives, with the interpreters and libraries in them, are below the last one as well.
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
    let options = tool_options.chain(arguments.iter().map(String::as_str));
    let image = request.image.as_ref();
    let work = image.map_or(&settled.layout.root, |image| &image.directory);
    let asked = Asked {
        role: settled.role,
        own: &settled.layout.tmp,
        travels: request.manifest.is_some(),
        chosen: chosen(options, work),
    };
    decide(&asked, &lookup, &takes_native_code)
}

/// The directories that options of the JVM name, by property, where `work` is the JVM's working
/// directory. Of several for one property the last one counts, and the variables for options come
/// before the command line.
fn chosen<'a>(options: impl Iterator<Item = &'a str>, work: &Path) -> Vec<(&'a str, PathBuf)> {
    let mut chosen: Vec<(&str, PathBuf)> = Vec::new();
    for option in options {
        let property = option
            .strip_prefix("-D")
            .and_then(|one| one.split_once('='));
        let Some((name, value)) = property.filter(|(name, value)| names_a_place(name, value))
        else {
            continue;
        };
        chosen.retain(|(before, _)| *before != name);
        chosen.push((name, work.join(value)));
    }
    chosen
}

fn names_a_place(name: &str, value: &str) -> bool {
    let of_netty = |end: &str| {
        let package = name.strip_suffix(end);
        package.is_some_and(|package| package.is_empty() || package.ends_with('.'))
    };
    let is_known = name == PROPERTY || OF_LIBRARIES.contains(&name);
    !value.is_empty() && (is_known || OF_NETTY.into_iter().any(of_netty))
}

/// What the decision follows from, beside the configuration.
#[derive(Debug)]
struct Asked<'a> {
    role: Role,
    /// The sandbox's directory for temporary files.
    own: &'a Path,
    /// Whether the launch came with a manifest, so that the host may be shared: what libraries
    /// unpack goes, and ends, with the sandbox.
    travels: bool,
    /// What somebody chose, by property.
    chosen: Vec<(&'a str, PathBuf)>,
}

impl Asked<'_> {
    /// The JVM's directory, and whether it has to be told of it.
    fn directory(&self, is_good: &dyn Fn(&Path) -> bool) -> (PathBuf, bool) {
        let of_user = self.chosen.iter().find(|(name, _)| *name == PROPERTY);
        if let Some((_, chosen)) = of_user {
            return (chosen.clone(), false);
        }
        let (own, system) = (self.own.to_owned(), PathBuf::from(OF_SYSTEM));
        let mut order = if self.travels {
            [own, system]
        } else {
            [system, own]
        };
        // Where none is good, all stays as it would have been.
        order.sort_by_cached_key(|one| !is_good(one));
        let [first, _] = order;
        let is_told = self.travels || first.as_path() != Path::new(OF_SYSTEM);
        (first, is_told)
    }
}

fn decide<'a>(
    asked: &Asked<'_>,
    lookup: &dyn Fn(&str) -> Option<&'a str>,
    test: &dyn Fn(&Path) -> Result<(), Unfit>,
) -> Temporary {
    let mut decided = Temporary::default();
    let (directory, is_told) = asked.directory(&|directory| test(directory).is_ok());
    if is_told {
        decided.option = Some(format!("-D{PROPERTY}={}", directory.display()));
    }
    // No other role runs what jobs bring.
    if asked.role != Role::TaskManager {
        return decided;
    }
    let mut places = vec![(PROPERTY, directory)];
    let of_libraries = asked.chosen.iter().filter(|(name, _)| *name != PROPERTY);
    places.extend(of_libraries.cloned());
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
        if told.contains(&directory) {
            continue;
        }
        let Err(unfit) = test(&directory) else {
            continue;
        };
        decided.warnings.push(Warning {
            source: key.to_owned(),
            line: None,
            kind: WarningKind::NoNativeCode {
                directory: directory.display().to_string(),
                reason: unfit.to_string(),
            },
        });
        told.push(directory);
    }
    decided
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/sandbox/tmp";

    fn decided(
        role: Role,
        travels: bool,
        options: &str,
        good: &[&str],
        set: &[(&str, &'static str)],
    ) -> (Option<String>, Vec<String>) {
        let lookup = |key: &str| {
            let found = set.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        };
        let test = |path: &Path| {
            let is_good = good.iter().any(|one| Path::new(one) == path);
            let error = || std::io::Error::from_raw_os_error(libc::EPERM);
            is_good.then_some(()).ok_or_else(|| Unfit::NoCode(error()))
        };
        let asked = Asked {
            role,
            own: Path::new(OWN),
            travels,
            chosen: chosen(options.split_whitespace(), Path::new("/work")),
        };
        let decided = decide(&asked, &lookup, &test);
        let warnings = decided.warnings.iter().map(ToString::to_string);
        (decided.option, warnings.collect())
    }

    #[test]
    fn the_systems_directory_is_left_for_the_sandbox_only_where_no_code_can_be_mapped_in_it() {
        let tm = Role::TaskManager;
        assert_eq!(decided(tm, false, "", &["/tmp", OWN], &[]), (None, vec![]));
        let own = Some(format!("-Djava.io.tmpdir={OWN}"));
        assert_eq!(decided(tm, false, "", &[OWN], &[]), (own.clone(), vec![]));
        assert_eq!(decided(tm, true, "", &["/tmp", OWN], &[]), (own, vec![]));
        let system = Some("-Djava.io.tmpdir=/tmp".to_owned());
        assert_eq!(decided(tm, true, "", &["/tmp"], &[]), (system, vec![]));
    }

    fn keys(warnings: &[String]) -> Vec<&str> {
        let keys = warnings.iter().filter_map(|one| one.split(':').next());
        keys.collect()
    }

    #[test]
    fn where_no_directory_will_do_a_worker_says_the_remedy_once_for_each() {
        let set = [("io.tmp.dirs", "/tmp,/data:/spare")];
        let (option, warnings) = decided(Role::TaskManager, false, "", &["/spare"], &set);
        assert_eq!(option, None);
        assert_eq!(keys(&warnings), ["java.io.tmpdir", "io.tmp.dirs"]);
        insta::assert_snapshot!(warnings[1], @"io.tmp.dirs: native code cannot be mapped from /data (a file in it cannot be mapped as code: Operation not permitted (os error 1), as where it is mounted noexec), where RocksDB, Netty, Snappy, Zstandard, Python's archives and others unpack theirs: jobs that need it will fail. Mount it with exec (docker run --tmpfs /tmp:exec), or make room in it; or name another directory, which for java.io.tmpdir FLUGS_RUN_DIR or the launch's directory does as well");
        let (_, warnings) = decided(Role::JobManager, false, "", &[], &set);
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_somebody_chose_stays_and_is_tested_too() {
        let options = "-Djava.io.tmpdir=/first -Djava.io.tmpdir=mine";
        let (option, warnings) = decided(Role::TaskManager, true, options, &[OWN, "/first"], &[]);
        assert_eq!(option, None);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains(" /work/mine "), "{warnings:?}");
    }

    #[test]
    fn a_directory_that_an_option_gives_to_one_library_is_tested_under_that_options_name() {
        let names = [
            "jna.tmpdir",
            "org.xerial.snappy.tempdir",
            "ZstdTempFolder",
            "org.sqlite.tmpdir",
            "io.netty.native.workdir",
            "org.apache.flink.shaded.netty4.io.netty.native.workdir",
            "org.apache.beam.vendor.grpc.v1p60p1.io.netty.tmpdir",
        ];
        for name in names {
            let bad = format!("-D{name}=/bad -Dother.tmpdir=/bad");
            let (option, warnings) = decided(Role::TaskManager, false, &bad, &["/tmp"], &[]);
            assert_eq!(option, None);
            assert_eq!(keys(&warnings), [name]);
            let good = format!("-D{name}=/bad -D{name}=/good");
            let (_, warnings) = decided(Role::TaskManager, false, &good, &["/tmp", "/good"], &[]);
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        // What follows the JVM's directory by default moves with it, so nothing is said.
        let unnamed = "-Dmyio.netty.tmpdir=/bad -Djna.tmpdir=";
        let (option, warnings) = decided(Role::TaskManager, false, unnamed, &[OWN], &[]);
        assert!(option.is_some() && warnings.is_empty(), "{warnings:?}");
    }
}
