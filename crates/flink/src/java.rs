//! The Java runtime of a launch: where it is and which version it has.
//!
//! The version is read from the runtime's `release` file, behind whatever links lead to it. Where
//! there is none, whoever looks for a runtime may have it asked.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::version::FlinkVersion;
use flugs_base::{ExitCode, Failure};

/// A Java runtime on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JavaRuntime {
    /// The directory that `JAVA_HOME` names.
    pub home: PathBuf,
    /// The launcher, `bin/java` in it.
    pub executable: PathBuf,
    /// 8, 11, 17, 21, …
    pub feature_version: u32,
    /// The modules it has, if its `release` file lists them (Java 9 and later).
    pub modules: Option<Vec<String>>,
}

/// Has the launcher at this path say its properties (`-XshowSettings:properties -version`), or
/// remembers what it said. `None`: it does not answer.
pub type AskRuntime<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Why there is no usable Java runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JavaError {
    /// None was found.
    #[error(
        "no Java runtime was found: looked at {}; set JAVA_HOME, or env.java.home in Flink's \
         configuration, to the directory of a Java runtime",
        searched.join(", ")
    )]
    Missing {
        /// Everything that was looked at.
        searched: Vec<String>,
    },
    /// A place that was named explicitly holds none.
    #[error("{origin} is {home}, but there is no executable {home}/bin/java", home = home.display())]
    NotARuntime {
        /// Who named it: `env.java.home` or `JAVA_HOME`.
        origin: &'static str,
        /// The directory.
        home: PathBuf,
    },
    /// Its version cannot be told.
    #[error(
        "cannot tell the version of the Java runtime {}: it has no file `release` that names one, \
         and bin/java -XshowSettings:properties -version does not answer; use another runtime",
        home.display()
    )]
    Unreadable {
        /// The runtime's directory.
        home: PathBuf,
    },
    /// It is too old for this Flink.
    #[error(
        "the Java runtime {} is version {found}, but Flink {flink} needs at least {needed}",
        home.display()
    )]
    TooOld {
        /// The runtime's directory.
        home: PathBuf,
        /// The oldest version that works.
        needed: u32,
        /// The version it is.
        found: u32,
        /// The Flink that needs it.
        flink: FlinkVersion,
    },
}

impl Failure for JavaError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Missing { .. } | Self::NotARuntime { .. } | Self::Unreadable { .. } => {
                ExitCode::JavaMissing
            }
            Self::TooOld { .. } => ExitCode::JavaTooOld,
        }
    }
}

impl JavaRuntime {
    /// Finds the runtime as Flink's scripts do: `env.java.home`, then `JAVA_HOME`, then the
    /// `java` on `PATH`, whose links are followed to the runtime's own directory. A place that
    /// is named explicitly must hold one: nothing else is tried then.
    ///
    /// # Errors
    /// If there is none, or its version cannot be told.
    pub fn find(
        configured: Option<&str>,
        java_home: Option<&OsStr>,
        path: Option<&OsStr>,
        ask: AskRuntime<'_>,
    ) -> Result<Self, JavaError> {
        let configured = configured.map(OsStr::new);
        for (origin, home) in [("env.java.home", configured), ("JAVA_HOME", java_home)] {
            if let Some(home) = home.filter(|home| !home.is_empty()) {
                return Self::at(origin, Path::new(home), ask);
            }
        }
        let mut searched = vec!["env.java.home".to_owned(), "JAVA_HOME".to_owned()];
        for directory in std::env::split_paths(path.unwrap_or_default()) {
            let executable = directory.join("java");
            if is_executable(&executable) {
                return Self::of_executable(&executable, ask);
            }
            searched.push(executable.display().to_string());
        }
        Err(JavaError::Missing { searched })
    }

    /// Refuses a runtime that is too old for a Flink.
    ///
    /// # Errors
    /// [`JavaError::TooOld`].
    pub fn check(&self, flink: &FlinkVersion) -> Result<(), JavaError> {
        let needed = flink.oldest_java();
        if self.feature_version >= needed {
            return Ok(());
        }
        Err(JavaError::TooOld {
            home: self.home.clone(),
            needed,
            found: self.feature_version,
            flink: flink.clone(),
        })
    }

    /// Whether the runtime has a module; unknown counts as yes.
    pub fn has_module(&self, name: &str) -> bool {
        let modules = self.modules.as_ref();
        modules.is_none_or(|modules| modules.iter().any(|module| module == name))
    }

    fn at(origin: &'static str, home: &Path, ask: AskRuntime<'_>) -> Result<Self, JavaError> {
        let executable = home.join("bin/java");
        if !is_executable(&executable) {
            return Err(JavaError::NotARuntime {
                origin,
                home: home.to_owned(),
            });
        }
        if let Some(described) = Self::described(home, &executable) {
            return Ok(described);
        }
        // `/usr`, say, whose `bin/java` is a link to a link to the runtime's own.
        Self::of_executable(&executable, ask)
    }

    /// The runtime behind a launcher, which is usually a link to it.
    fn of_executable(executable: &Path, ask: AskRuntime<'_>) -> Result<Self, JavaError> {
        let resolved = executable
            .canonicalize()
            .unwrap_or_else(|_| executable.to_owned());
        let home = |launcher: &Path| launcher.parent().and_then(Path::parent).map(Path::to_owned);
        if let Some(described) = home(&resolved).and_then(|home| Self::described(&home, &resolved))
        {
            return Ok(described);
        }
        let asked = ask(&resolved).and_then(|answer| Self::of_answer(&resolved, &answer));
        asked.ok_or_else(|| JavaError::Unreadable {
            home: home(executable).unwrap_or_else(|| executable.to_owned()),
        })
    }

    /// The runtime as its files describe it.
    fn described(home: &Path, executable: &Path) -> Option<Self> {
        // The runtime inside a Java 8 kit is its `jre`; the file lies one level up.
        let parent = home.parent().filter(|_| home.ends_with("jre"));
        let release = [Some(home), parent]
            .into_iter()
            .flatten()
            .find_map(|directory| std::fs::read_to_string(directory.join("release")).ok());
        let described = release.as_deref().and_then(version_and_modules);
        let java_8 = || is_java_8_layout(home).then_some((8, None));
        let (feature_version, modules) = described.or_else(java_8)?;
        Some(Self {
            home: home.to_owned(),
            executable: executable.to_owned(),
            feature_version,
            modules,
        })
    }

    /// The runtime as it describes itself. Its launcher stays the one that was named: it may be a
    /// script that has reasons to be there.
    fn of_answer(executable: &Path, answer: &str) -> Option<Self> {
        let property = |name: &str| {
            answer.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim())
            })
        };
        let home = Path::new(property("java.home")?);
        let version = property("java.specification.version").or_else(|| property("java.version"));
        Self::described(home, executable).or_else(|| {
            Some(Self {
                home: home.to_owned(),
                executable: executable.to_owned(),
                feature_version: feature_version(version?)?,
                modules: None,
            })
        })
    }
}

/// Java 8 is the last to keep its classes in `rt.jar`, and the oldest that any Flink here runs on.
fn is_java_8_layout(home: &Path) -> bool {
    ["lib/rt.jar", "jre/lib/rt.jar"]
        .iter()
        .any(|file| home.join(file).is_file())
}

/// The feature version and the modules that a `release` file names.
fn version_and_modules(release: &str) -> Option<(u32, Option<Vec<String>>)> {
    let value = |key: &str| {
        release.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches('"'))
        })
    };
    let feature_version = feature_version(value("JAVA_VERSION")?)?;
    let modules = value("MODULES").map(|list| {
        let names = list.split_ascii_whitespace();
        names.map(str::to_owned).collect()
    });
    Some((feature_version, modules))
}

/// The feature version of a version text: 8 of `1.8.0_392`, 17 of `17.0.15`, 25 of `25-ea`.
fn feature_version(text: &str) -> Option<u32> {
    let text = text.strip_prefix("1.").unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(release: Option<&str>) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        std::fs::create_dir(home.join("bin")).unwrap();
        std::fs::create_dir(home.join("lib")).unwrap();
        let java = home.join("bin/java");
        std::fs::write(&java, "").unwrap();
        std::fs::set_permissions(&java, std::fs::Permissions::from_mode(0o755)).unwrap();
        if let Some(release) = release {
            std::fs::write(home.join("release"), release).unwrap();
        }
        directory
    }

    fn found(directory: &tempfile::TempDir) -> Result<JavaRuntime, JavaError> {
        JavaRuntime::find(None, Some(directory.path().as_os_str()), None, &|_| None)
    }

    #[test]
    fn the_version_and_the_modules_come_from_the_release_file() {
        let directory = runtime(Some(
            "IMPLEMENTOR=\"X\"\nJAVA_VERSION=\"17.0.15\"\nMODULES=\"java.base java.rmi\"\n",
        ));
        let java = found(&directory).unwrap();
        assert_eq!(java.feature_version, 17);
        assert!(java.has_module("java.rmi"));
        assert!(!java.has_module("jdk.compiler"));
        for (text, version) in [("1.8.0_392", 8), ("25-ea", 25), ("11", 11)] {
            assert_eq!(feature_version(text), Some(version));
        }
    }

    #[test]
    fn java_8_without_a_release_file_is_told_by_its_layout() {
        let directory = runtime(None);
        assert!(matches!(
            found(&directory),
            Err(JavaError::Unreadable { .. })
        ));
        std::fs::write(directory.path().join("lib/rt.jar"), "").unwrap();
        assert_eq!(found(&directory).unwrap().feature_version, 8);
    }

    #[test]
    fn env_java_home_wins_over_java_home_and_must_hold_a_runtime() {
        let (old, new) = (
            runtime(Some("JAVA_VERSION=\"11\"")),
            runtime(Some("JAVA_VERSION=\"21\"")),
        );
        let java = JavaRuntime::find(
            new.path().to_str(),
            Some(old.path().as_os_str()),
            None,
            &|_| None,
        );
        assert_eq!(java.unwrap().feature_version, 21);
        let error = JavaRuntime::find(
            Some("/nonexistent"),
            Some(old.path().as_os_str()),
            None,
            &|_| None,
        );
        assert!(error.unwrap_err().to_string().contains("env.java.home"));
    }

    #[test]
    fn a_link_on_the_path_leads_to_the_runtime() {
        let kit = runtime(Some("JAVA_VERSION=\"17\""));
        let bin = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(kit.path().join("bin/java"), bin.path().join("java")).unwrap();
        let path = std::env::join_paths([Path::new("/nonexistent"), bin.path()]).unwrap();
        let java = JavaRuntime::find(Some(""), None, Some(&path), &|_| None).unwrap();
        assert_eq!(java.home, kit.path().canonicalize().unwrap());
        let nowhere = Some(OsStr::new("/nonexistent"));
        let error = JavaRuntime::find(None, None, nowhere, &|_| None).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/java"), "{error}");
    }

    #[test]
    fn a_home_whose_launcher_is_a_chain_of_links_is_the_runtime_at_their_end() {
        let kit = runtime(Some("JAVA_VERSION=\"21\""));
        let place = tempfile::tempdir().unwrap();
        let (usr, alternatives) = (place.path().join("usr"), place.path().join("java"));
        std::fs::create_dir_all(usr.join("bin")).unwrap();
        std::os::unix::fs::symlink(kit.path().join("bin/java"), &alternatives).unwrap();
        std::os::unix::fs::symlink(&alternatives, usr.join("bin/java")).unwrap();
        let java = JavaRuntime::find(None, Some(usr.as_os_str()), None, &|_| None).unwrap();
        assert_eq!(java.home, kit.path().canonicalize().unwrap());
        assert_eq!(java.feature_version, 21);
    }

    #[test]
    fn a_runtime_that_no_file_describes_is_asked_and_its_launcher_is_kept() {
        let stripped = runtime(None);
        let home = Some(stripped.path().as_os_str());
        let answer = "Property settings:\n    java.home = /opt/real\n    java.specification.version = 17\n    java.version = 17.0.15\n";
        let java = JavaRuntime::find(None, home, None, &|asked| {
            assert!(asked.ends_with("bin/java"));
            Some(answer.to_owned())
        });
        let java = java.unwrap();
        assert_eq!((java.feature_version, java.modules), (17, None));
        assert_eq!(java.home, Path::new("/opt/real"));
        assert!(
            java.executable
                .starts_with(stripped.path().canonicalize().unwrap())
        );
        let old = answer.replace("version = 17", "version = 1.8");
        let java = JavaRuntime::find(None, home, None, &|_| Some(old.clone())).unwrap();
        assert_eq!(java.feature_version, 8);
        let nonsense = JavaRuntime::find(None, home, None, &|_| Some("bash: no".to_owned()));
        assert!(
            nonsense
                .unwrap_err()
                .to_string()
                .contains("does not answer")
        );
    }

    #[test]
    fn flink_2_refuses_java_8() {
        let directory = runtime(Some("JAVA_VERSION=\"1.8.0_392\""));
        let java = found(&directory).unwrap();
        assert_eq!(java.check(&FlinkVersion::new(1, 20, 5)), Ok(()));
        let error = java.check(&FlinkVersion::new(2, 3, 0)).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::JavaTooOld);
    }
}
