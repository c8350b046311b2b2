//! Class-data archives (AppCDS): classes of Flink that a JVM maps instead of loading and
//! verifying them at every start.
//!
//! An archive is good for one JVM and one class path only. Its name says which: a digest of both.
//! So one that does not fit is never even opened, and one for another JVM can lie beside it.
//! `java` and the JDK's `-XX:ArchiveClassesAtExit` are explained in JEP 350.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::class_path::class_path_name;
use super::home::FlinkHome;
use super::java::JavaRuntime;
use flugs_base::Sha256Digest;
use flugs_model::{ARTIFACT_TIME, Role};

/// The oldest Java that can archive what an application has loaded (JEP 350).
pub const OLDEST_JAVA: u32 = 13;

/// Above this heap size objects are addressed in another way, which no archive made below it
/// knows (32 GiB, the reach of a compressed pointer).
const COMPRESSED_REACH: u64 = 32 << 30;

/// Options that choose an archive themselves, or make the JVM lay out objects in a way that an
/// archive made without them does not fit.
const CONFLICTING: [&str; 9] = [
    "-XX:SharedArchiveFile=",
    "-XX:ArchiveClassesAtExit=",
    "-XX:-UseCompressedOops",
    "-XX:-UseCompressedClassPointers",
    "-XX:+UseZGC",
    "-XX:ObjectAlignmentInBytes=",
    "-Xshare:",
    "-XX:-UseSharedSpaces",
    "--patch-module",
];

/// Options beside which an archive is known to work: sizes, access to packages, properties, and
/// what flugs and Flink set themselves. Any other may change what the JVM thinks of an archive.
const HARMLESS: [&str; 15] = [
    "-D",
    "-Xmx",
    "-Xms",
    "-Xmn",
    "-Xss",
    "-XX:MaxDirectMemorySize=",
    "-XX:MaxMetaspaceSize=",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+UseG1GC",
    "-XX:CompileThresholdScaling=",
    "-XX:ErrorFile=",
    "-XX:HeapDumpPath=",
    "-XX:+HeapDumpOnOutOfMemoryError",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+CrashOnOutOfMemoryError",
];

/// Options whose value may be a word of its own.
const ACCESS: [&str; 2] = ["--add-opens", "--add-exports"];

/// What must not be part of a question: it opens ports or files, runs code, or takes time.
const UNASKED: [&str; 22] = [
    "-D",
    "-Xms",
    "-javaagent:",
    "-agentlib:",
    "-agentpath:",
    "-Xrun",
    "-Xdebug",
    "-Xlog",
    "-Xloggc",
    "-verbose",
    "-XX:+AlwaysPreTouch",
    "-XX:StartFlightRecording",
    "-XX:FlightRecorderOptions",
    "-XX:ErrorFile=",
    "-XX:HeapDumpPath=",
    "-XX:OnError=",
    "-XX:OnOutOfMemoryError=",
    "-XX:LogFile=",
    "-XX:+LogVMOutput",
    "-XX:+PrintFlagsFinal",
    "-Xcheck",
    "-version",
];

/// Which archive a JVM uses, or why none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClassData {
    /// This one, which fits the JVM and the class path.
    Archive(PathBuf),
    /// None.
    Unused(Unused),
}

/// Why no archive is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unused {
    /// There is none for this JVM and class path.
    Missing {
        /// The file that was looked for.
        name: String,
        /// Where.
        searched: Vec<PathBuf>,
        /// Whether one for another JVM or class path is there.
        others: bool,
    },
    /// The JVM is too old for such archives.
    JavaTooOld,
    /// An option of the user's rules it out.
    Option(String),
    /// The heap is too large.
    Heap,
    /// The JVM was asked, and refuses it beside the options of its command.
    Refused(String),
    /// The JVM has no archive of its own classes, on which every other is built.
    NoBase(PathBuf),
    /// Nobody wants one.
    Off,
    /// The JVM or a jar cannot be read.
    Unreadable(PathBuf),
}

/// The file name of the archive for a role, a JVM and a class path.
///
/// A job's JobManager runs the same classes as a session's, so the two share one. `travelled` is
/// the directory that the JVM works in, if Flink's files were brought there.
///
/// # Errors
/// The file that cannot be read.
pub fn archive_name(
    role: Role,
    java: &JavaRuntime,
    home: &FlinkHome,
    travelled: Option<&Path>,
) -> Result<String, PathBuf> {
    let named = |jar: &Path| class_path_name(jar, travelled).to_owned();
    name_of(role, java, home, &named, None)
}

/// The same for a worker whose sandbox the files of `home` travel to, into the directory
/// `below`. All that is fetched has one time ([`ARTIFACT_TIME`]).
///
/// # Errors
/// The file that cannot be read.
pub fn travelling_archive_name(
    java: &JavaRuntime,
    home: &FlinkHome,
    below: &Path,
) -> Result<String, PathBuf> {
    let root = home.root();
    let named = |jar: &Path| below.join(jar.strip_prefix(root).unwrap_or(jar));
    name_of(Role::TaskManager, java, home, &named, Some(ARTIFACT_TIME))
}

fn name_of(
    role: Role,
    java: &JavaRuntime,
    home: &FlinkHome,
    named: &dyn Fn(&Path) -> PathBuf,
    modified: Option<i64>,
) -> Result<String, PathBuf> {
    let mut text = String::new();
    for file in ["release", "lib/server/libjvm.so"] {
        let path = java.home.join(file);
        if file == "release" {
            // Without it, the JVM's library has to do.
            let feature = || format!("JAVA_VERSION={}\n", java.feature_version);
            text.push_str(&fs::read_to_string(&path).unwrap_or_else(|_| feature()));
        } else if let Ok(metadata) = fs::metadata(&path) {
            text.push_str(&metadata.len().to_string());
            text.push_str(" bytes\n");
        }
    }
    let jars = home.jars().iter().map(PathBuf::as_path);
    for jar in jars.chain([home.dist_jar()]) {
        // What the JVM itself compares: path, size, time.
        let metadata = fs::metadata(jar).map_err(|_| jar.to_owned())?;
        let line = format!(
            "{} {} {}\n",
            named(jar).display(),
            metadata.len(),
            modified.unwrap_or_else(|| metadata.mtime())
        );
        text.push_str(&line);
    }
    let mut digest = Sha256Digest::of(text.as_bytes()).to_string();
    digest.truncate(16);
    Ok(format!("{}-{digest}.jsa", prefix(role)))
}

const fn prefix(role: Role) -> &'static str {
    match role {
        Role::JobManager | Role::StandaloneJob => "jobmanager",
        Role::TaskManager => "taskmanager",
        Role::HistoryServer => "historyserver",
    }
}

/// Where archives are looked for: `FLUGS_CLASS_DATA`, else the home's own directory, then the
/// user's cache. `None` if it is `off`.
pub fn class_data_directories(
    home: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<Vec<PathBuf>> {
    match variable("FLUGS_CLASS_DATA").as_deref() {
        Some("off") => return None,
        Some(named) => return Some(vec![named.into()]),
        None => {}
    }
    let cache = variable("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&variable("HOME")?).join(".cache")));
    let cache = cache.filter(|path| path.is_absolute());
    let cached = cache.map(|cache| cache.join("flugs/class-data"));
    Some(
        [home.join("class-data")]
            .into_iter()
            .chain(cached)
            .collect(),
    )
}

/// Chooses the archive for a JVM that is to be started with `options`.
pub fn choose_class_data(
    role: Role,
    java: &JavaRuntime,
    home: &FlinkHome,
    travelled: Option<&Path>,
    options: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
) -> ClassData {
    let Some(searched) = class_data_directories(home.root(), variable) else {
        return ClassData::Unused(Unused::Off);
    };
    if java.feature_version < OLDEST_JAVA {
        return ClassData::Unused(Unused::JavaTooOld);
    }
    // What follows the class path is Flink's, not the JVM's.
    let of_jvm: Vec<&String> = options
        .iter()
        .take_while(|one| *one != "-classpath")
        .collect();
    let conflicting = |option: &&&String| CONFLICTING.iter().any(|one| option.starts_with(one));
    if let Some(option) = of_jvm.iter().find(conflicting) {
        return ClassData::Unused(Unused::Option((*option).clone()));
    }
    let heap = of_jvm
        .iter()
        .filter_map(|one| one.strip_prefix("-Xmx")?.parse::<u64>().ok());
    if heap.max().is_some_and(|bytes| bytes >= COMPRESSED_REACH) {
        return ClassData::Unused(Unused::Heap);
    }
    let name = match archive_name(role, java, home, travelled) {
        Ok(name) => name,
        Err(path) => return ClassData::Unused(Unused::Unreadable(path)),
    };
    match find_archive(&searched, &name) {
        Some(_) if base_archive(java).is_some_and(|base| !base.is_file()) => {
            ClassData::Unused(Unused::NoBase(java.executable.clone()))
        }
        Some(path) => ClassData::Archive(path),
        None => ClassData::Unused(Unused::Missing {
            others: searched.iter().any(|directory| has_other(directory, role)),
            name,
            searched,
        }),
    }
}

/// The archive of a JVM's own classes, whether it is there or not. A runtime that `jlink` made has
/// none; one whose JVM lies elsewhere is not known.
pub fn base_archive(java: &JavaRuntime) -> Option<PathBuf> {
    let server = java.home.join("lib/server");
    server
        .join("libjvm.so")
        .is_file()
        .then(|| server.join("classes.jsa"))
}

/// The options of a command with which its JVM is to be asked whether it takes an archive, its
/// class path included; `None` if they leave no doubt.
pub fn in_doubt(arguments: &[String]) -> Option<Vec<String>> {
    let starts = |option: &str, known: &[&str]| known.iter().any(|one| option.starts_with(one));
    let end = arguments.iter().position(|one| one == "-classpath")?;
    let of_jvm = arguments.get(..end)?;
    let mut doubtful = false;
    let mut before = "";
    for option in of_jvm {
        let is_value = ACCESS.contains(&before);
        doubtful |= !is_value && !starts(option, &HARMLESS) && !starts(option, &ACCESS);
        before = option;
    }
    let asked = of_jvm.iter().filter(|option| !starts(option, &UNASKED));
    let class_path = arguments.get(end..end + 2)?;
    doubtful.then(|| asked.chain(class_path).cloned().collect())
}

/// The archive of this name in the first directory where it can be read.
pub fn find_archive(searched: &[PathBuf], name: &str) -> Option<PathBuf> {
    let mut paths = searched.iter().map(|directory| directory.join(name));
    paths.find(|path| fs::File::open(path).is_ok())
}

fn has_other(directory: &Path, role: Role) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let starts = |name: &str| name.starts_with(prefix(role));
    entries
        .into_iter()
        .any(|entry| entry.file_name().to_str().is_some_and(starts))
}

impl ClassData {
    /// The options that make a JVM use it; none if there is nothing to use. With `auto` a JVM
    /// that does find fault with the archive goes on without it.
    pub fn options(&self) -> Vec<String> {
        match self {
            Self::Archive(path) => vec![
                format!("-XX:SharedArchiveFile={}", path.display()),
                "-Xshare:auto".to_owned(),
            ],
            Self::Unused(_) => Vec::new(),
        }
    }
}

impl fmt::Display for ClassData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(path) => {
                write!(
                    formatter,
                    "{} (fits this JVM and class path)",
                    path.display()
                )
            }
            Self::Unused(reason) => write!(formatter, "none: {reason}"),
        }
    }
}

impl fmt::Display for Unused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing {
                name,
                searched,
                others,
            } => {
                let searched: Vec<String> = searched
                    .iter()
                    .map(|one| one.display().to_string())
                    .collect();
                let searched = searched.join(" or ");
                if *others {
                    write!(
                        formatter,
                        "the archives in {searched} are for another JVM or class path; make {name} \
                         with `flugs artifact train`"
                    )
                } else {
                    write!(
                        formatter,
                        "no {name} in {searched}; make it with `flugs artifact train`"
                    )
                }
            }
            Self::JavaTooOld => write!(formatter, "this Java is older than {OLDEST_JAVA}"),
            Self::Option(option) => write!(formatter, "{option} rules it out"),
            Self::Heap => formatter.write_str("the heap is 32 GiB or more"),
            Self::Refused(words) => {
                write!(
                    formatter,
                    "the JVM refuses it beside these options: {words}"
                )
            }
            Self::NoBase(java) => write!(
                formatter,
                "this Java has no archive of its own classes; `{} -Xshare:dump` makes it",
                java.display()
            ),
            Self::Off => formatter.write_str("FLUGS_CLASS_DATA is off"),
            Self::Unreadable(path) => write!(formatter, "cannot read {}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
