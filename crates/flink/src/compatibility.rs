//! What is known to be hopeless before anything starts (`docs/compatibility.md`): a Flink, a Java, what
//! is on the class path, and what the configuration asks for.
//!
//! Pure: what lies where is handed in.

use std::path::{Path, PathBuf};

use super::version::FlinkVersion;
use flugs_base::{ExitCode, Failure};
use flugs_model::Role;

/// The one option that holds several paths (`HistoryServerOptions`).
const OF_SEVERAL: &str = "historyserver.archive.fs.dir";

/// The oldest Java on which ZooKeeper 3.4's client reads no address any more (ZOOKEEPER-3779).
const UNRESOLVED_ADDRESSES: u32 = 14;

/// The oldest Java without `Subject.getSubject` (JEP 486).
const NO_SUBJECT: u32 = 24;

/// How the names of jars begin that hold ZooKeeper's old client, and Hadoop's.
const OLD_ZOOKEEPER: &str = "flink-shaded-zookeeper-3.4.";
const HADOOP: [&str; 6] = [
    "hadoop-common-",
    "hadoop-client-api-",
    "hadoop-client-runtime-",
    "hadoop-hdfs-client-",
    "flink-shaded-hadoop-2-uber-",
    "flink-shaded-hadoop-3-uber-",
];

/// The first Hadoop that asks for no subject any more (HADOOP-19212).
const HADOOP_MENDED: (u32, u32) = (3, 5);

/// Which plugins read a scheme; none where Hadoop itself does.
const SCHEMES: [(&str, &[&str]); 19] = [
    ("s3", &["s3-fs-hadoop", "s3-fs-presto", "s3-fs-native"]),
    ("s3a", &["s3-fs-hadoop", "s3-fs-native"]),
    ("s3p", &["s3-fs-presto"]),
    ("gs", &["gs-fs-hadoop"]),
    ("abfs", &["azure-fs-hadoop"]),
    ("abfss", &["azure-fs-hadoop"]),
    ("wasb", &["azure-fs-hadoop"]),
    ("wasbs", &["azure-fs-hadoop"]),
    ("oss", &["oss-fs-hadoop"]),
    ("hdfs", &[]),
    ("webhdfs", &[]),
    ("swebhdfs", &[]),
    ("viewfs", &[]),
    ("s3n", &[]),
    ("cosn", &[]),
    ("obs", &[]),
    ("adl", &[]),
    ("ofs", &[]),
    ("o3fs", &[]),
];

/// Schemes that Flink leaves to Hadoop only if `fs.allowed-fallback-filesystems` names them
/// (`FileSystem.DIRECTLY_SUPPORTED_FILESYSTEM`).
const FALLBACK: &str = "fs.allowed-fallback-filesystems";

/// A launch as far as this is concerned.
#[derive(Clone, Copy)]
pub struct Combination<'a> {
    /// What is launched.
    pub role: Role,
    /// The Flink.
    pub flink: &'a FlinkVersion,
    /// The feature version of the Java.
    pub java: u32,
    /// Each configured key with its value.
    pub settings: &'a [(&'a str, &'a str)],
    /// Every jar on the class path.
    pub class_path: &'a [PathBuf],
    /// Every jar of a plugin.
    pub plugins: &'a [PathBuf],
    /// Where plugins belong.
    pub plugin_directory: &'a Path,
    /// Jars that are there and not used.
    pub optional: &'a [PathBuf],
    /// Whether a jar has an entry whose name ends so.
    pub holds: &'a dyn Fn(&Path, &str) -> bool,
}

/// Why a launch is hopeless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompatibilityError {
    /// ZooKeeper's client cannot connect on this Java.
    #[error(
        "Flink {flink} with ZooKeeper (high-availability) connects to nothing on Java {java}: the ZooKeeper client in {} works up to Java 13 (ZOOKEEPER-3779); run it on Java 8 or 11 (env.java.home, JAVA_HOME), or use Flink 1.15 or newer",
        jar.display()
    )]
    ZooKeeper {
        /// The Flink.
        flink: FlinkVersion,
        /// The Java's version.
        java: u32,
        /// The client.
        jar: PathBuf,
    },
    /// Hadoop's client cannot log in on this Java.
    #[error(
        "the Hadoop client {} fails on Java {java}, whether HDFS is used or not (\"getSubject is not supported\", HADOOP-19212): run Flink on Java 17 or 21 (env.java.home, JAVA_HOME), use Hadoop 3.5, or take it off the class path (lib, HADOOP_CLASSPATH)",
        jar.display()
    )]
    Hadoop {
        /// The Java's version.
        java: u32,
        /// The client.
        jar: PathBuf,
    },
    /// Nothing reads the scheme of a configured path.
    #[error("{key} is {value}, but nothing here reads {scheme}: paths: {remedy}")]
    FileSystem {
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// Its scheme.
        scheme: String,
        /// What to do.
        remedy: String,
    },
}

impl Failure for CompatibilityError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::ZooKeeper { .. } | Self::Hadoop { .. } => ExitCode::Incompatible,
            Self::FileSystem { .. } => ExitCode::FileSystemMissing,
        }
    }
}

impl Combination<'_> {
    /// Refuses what is known to be hopeless.
    ///
    /// # Errors
    /// The first [`CompatibilityError`] found.
    pub fn check(&self) -> Result<(), CompatibilityError> {
        self.check_zookeeper()?;
        self.check_hadoop()?;
        let paths = self.settings.iter().filter(|(key, _)| self.reads(key));
        for (key, value) in paths {
            if *key == OF_SEVERAL {
                let mut each = value.split(',');
                each.try_for_each(|one| self.check_scheme(key, one))?;
            } else {
                self.check_scheme(key, value)?;
            }
        }
        Ok(())
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(key, _)| *key == wanted);
        found.map(|(_, value)| *value)
    }

    fn check_zookeeper(&self) -> Result<(), CompatibilityError> {
        let of_high_availability = ["high-availability.type", "high-availability"];
        let mut chosen = of_high_availability
            .iter()
            .filter_map(|key| self.value(key));
        let wanted = chosen.any(|value| value.trim().eq_ignore_ascii_case("zookeeper"));
        let old = |jar: &&PathBuf| name(jar).starts_with(OLD_ZOOKEEPER);
        match self.class_path.iter().find(old) {
            Some(jar) if wanted && self.java >= UNRESOLVED_ADDRESSES => {
                Err(CompatibilityError::ZooKeeper {
                    flink: self.flink.clone(),
                    java: self.java,
                    jar: jar.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    fn check_hadoop(&self) -> Result<(), CompatibilityError> {
        if self.java < NO_SUBJECT {
            return Ok(());
        }
        let old = |jar: &&PathBuf| hadoop_version(name(jar)).is_some_and(|one| one < HADOOP_MENDED);
        let Some(jar) = self.class_path.iter().find(old) else {
            return Ok(());
        };
        // Hadoop's own name for what took the place of `getSubject`, wherever it was taken over.
        let mended = |jar: &PathBuf| {
            let of_hadoop = name(jar).contains("hadoop-");
            of_hadoop && (self.holds)(jar, "/SubjectUtil.class")
        };
        if self.class_path.iter().any(mended) {
            return Ok(());
        }
        Err(CompatibilityError::Hadoop {
            java: self.java,
            jar: jar.clone(),
        })
    }

    /// Whether an option holds a path that this role reads or writes.
    fn reads(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        let is_path = key.ends_with("dir") || key.ends_with("path") || key == "fs.default-scheme";
        let foreign = [
            "mesos.",
            "flugs.",
            "yarn.",
            "kubernetes.",
            "env.",
            "python.",
            "security.",
            "containerized.",
        ];
        let of_history = key.starts_with("historyserver.");
        let of_role = match self.role {
            Role::HistoryServer => of_history || key == "fs.default-scheme",
            Role::TaskManager => !of_history && !key.starts_with("jobmanager."),
            Role::JobManager | Role::StandaloneJob => !of_history,
        };
        is_path && of_role && !foreign.iter().any(|start| key.starts_with(start))
    }

    fn check_scheme(&self, key: &str, value: &str) -> Result<(), CompatibilityError> {
        let value = value.trim();
        let Some((scheme, rest)) = value.split_once(":/") else {
            return Ok(());
        };
        let scheme = scheme.to_ascii_lowercase();
        let known = SCHEMES.iter().find(|(known, _)| *known == scheme);
        // What is no address at all may have a colon for a reason of its own.
        if known.is_none() && (!rest.starts_with('/') || !is_foreign(&scheme)) {
            return Ok(());
        }
        let plugins = known.map_or(&[] as &[&str], |(_, plugins)| plugins);
        if self.is_read(&scheme, plugins) {
            return Ok(());
        }
        let remedy = if known.is_some() {
            self.remedy(plugins)
        } else {
            let place = self.plugin_directory.display();
            format!(
                "put the plugin that does into a directory of its own below {place}, or a Hadoop client that does on the class path with HADOOP_CLASSPATH"
            )
        };
        Err(CompatibilityError::FileSystem {
            key: key.to_owned(),
            value: value.to_owned(),
            remedy,
            scheme,
        })
    }

    fn is_read(&self, scheme: &str, plugins: &[&str]) -> bool {
        let everywhere = || self.plugins.iter().chain(self.class_path);
        let provides = |jar: &PathBuf| plugins.iter().any(|plugin| is_plugin(jar, plugin));
        if everywhere().any(provides) {
            return true;
        }
        let has_hadoop = self
            .class_path
            .iter()
            .any(|jar| HADOOP.iter().any(|start| name(jar).starts_with(start)));
        let falls_back = || {
            let allowed = self.value(FALLBACK).unwrap_or_default();
            allowed.split(';').any(|one| one.trim() == scheme)
        };
        if has_hadoop && (plugins.is_empty() || scheme == "gs" || falls_back()) {
            return true;
        }
        // A file system of somebody's own may read any scheme.
        let known = |jar: &PathBuf| {
            SCHEMES
                .iter()
                .any(|(_, plugins)| plugins.iter().any(|plugin| is_plugin(jar, plugin)))
                || name(jar).starts_with("flink-dist")
        };
        let service = "META-INF/services/org.apache.flink.core.fs.FileSystemFactory";
        if everywhere().any(|jar| !known(jar) && (self.holds)(jar, service)) {
            return true;
        }
        // Hadoop in a jar of somebody's own making.
        let hadoop = "org/apache/hadoop/fs/FileSystem.class";
        let mut class_path = self.class_path.iter();
        plugins.is_empty() && class_path.any(|jar| !known(jar) && (self.holds)(jar, hadoop))
    }

    fn remedy(&self, plugins: &[&str]) -> String {
        let Some(plugin) = plugins.first() else {
            return "put Hadoop's client on the class path with HADOOP_CLASSPATH (`hadoop classpath`)"
                .to_owned();
        };
        let place = self.plugin_directory.join(plugin);
        match self.optional.iter().find(|jar| is_plugin(jar, plugin)) {
            Some(jar) => format!(
                "copy {} to {}/, or set ENABLE_BUILT_IN_PLUGINS={}",
                jar.display(),
                place.display(),
                name(jar)
            ),
            None => format!(
                "put flink-{plugin}-{}.jar (org.apache.flink, from a Maven repository) into {}/",
                self.flink,
                place.display()
            ),
        }
    }
}

fn name(jar: &Path) -> &str {
    jar.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Whether a text is a scheme (RFC 3986) that Flink does not read by itself.
fn is_foreign(scheme: &str) -> bool {
    let is_first = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    is_first && scheme.chars().all(is_one) && scheme != "file"
}

fn is_plugin(jar: &Path, plugin: &str) -> bool {
    let rest = name(jar).strip_prefix("flink-");
    rest.is_some_and(|rest| rest.starts_with(plugin))
}

/// The Hadoop in a jar, by its name: 3.4 of `hadoop-common-3.4.1.jar`.
fn hadoop_version(name: &str) -> Option<(u32, u32)> {
    let version = HADOOP.iter().find_map(|start| name.strip_prefix(start))?;
    let mut numbers = version.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        role: Role,
        flink: FlinkVersion,
        java: u32,
        settings: Vec<(&'static str, &'static str)>,
        class_path: Vec<PathBuf>,
        plugins: Vec<PathBuf>,
        optional: Vec<PathBuf>,
        /// Jars that hold whatever is looked for.
        holding: &'static str,
    }

    impl Scene {
        fn check(&self) -> Result<(), CompatibilityError> {
            let holds =
                |jar: &Path, _: &str| !self.holding.is_empty() && name(jar).contains(self.holding);
            let combination = Combination {
                role: self.role,
                flink: &self.flink,
                java: self.java,
                settings: &self.settings,
                class_path: &self.class_path,
                plugins: &self.plugins,
                plugin_directory: Path::new("/flink/plugins"),
                optional: &self.optional,
                holds: &holds,
            };
            combination.check()
        }

        fn refusal(&self) -> String {
            self.check().unwrap_err().to_string()
        }
    }

    fn scene(settings: &[(&'static str, &'static str)]) -> Scene {
        Scene {
            role: Role::JobManager,
            flink: FlinkVersion::new(2, 3, 0),
            java: 17,
            settings: settings.to_vec(),
            class_path: vec!["/flink/lib/flink-dist-2.3.0.jar".into()],
            plugins: Vec::new(),
            optional: Vec::new(),
            holding: "",
        }
    }

    #[test]
    fn zookeeper_3779_the_old_client_is_refused_from_java_14_on_and_only_where_it_is_used() {
        let mut scene = scene(&[("high-availability", "ZooKeeper")]);
        scene.flink = FlinkVersion::new(1, 13, 6);
        scene
            .class_path
            .push("/f/lib/flink-shaded-zookeeper-3.4.14.jar".into());
        insta::assert_snapshot!(scene.refusal(), @"Flink 1.13.6 with ZooKeeper (high-availability) connects to nothing on Java 17: the ZooKeeper client in /f/lib/flink-shaded-zookeeper-3.4.14.jar works up to Java 13 (ZOOKEEPER-3779); run it on Java 8 or 11 (env.java.home, JAVA_HOME), or use Flink 1.15 or newer");
        assert_eq!(
            scene.check().unwrap_err().exit_code(),
            ExitCode::Incompatible
        );
        scene.java = 13;
        assert_eq!(scene.check(), Ok(()));
        scene.java = 14;
        assert!(scene.check().is_err());
        scene.settings.clear();
        assert_eq!(scene.check(), Ok(()));
    }

    #[test]
    fn hadoop_19212_its_client_is_refused_from_java_24_on_unless_it_is_mended() {
        let mut scene = scene(&[]);
        scene.java = 25;
        scene.class_path.push("/h/hadoop-common-3.4.1.jar".into());
        insta::assert_snapshot!(scene.refusal(), @r#"the Hadoop client /h/hadoop-common-3.4.1.jar fails on Java 25, whether HDFS is used or not ("getSubject is not supported", HADOOP-19212): run Flink on Java 17 or 21 (env.java.home, JAVA_HOME), use Hadoop 3.5, or take it off the class path (lib, HADOOP_CLASSPATH)"#);
        for (java, jar, refused) in [
            (24, "hadoop-client-api-3.3.2.jar", true),
            (24, "flink-shaded-hadoop-2-uber-2.8.3-10.0.jar", true),
            (23, "hadoop-common-3.4.1.jar", false),
            (25, "hadoop-common-3.5.0.jar", false),
        ] {
            scene.java = java;
            scene.class_path = vec![Path::new("/h").join(jar)];
            assert_eq!(scene.check().is_err(), refused, "{jar} on {java}");
        }
        scene.class_path = ["hadoop-common-3.4.2.jar", "hadoop-auth-3.4.2.jar"]
            .map(PathBuf::from)
            .into();
        scene.holding = "hadoop-auth";
        assert_eq!(scene.check(), Ok(()));
    }

    #[test]
    fn a_scheme_without_a_class_is_refused_with_the_remedy_at_hand() {
        let mut scene = scene(&[("execution.checkpointing.dir", "s3://bucket/x")]);
        insta::assert_snapshot!(scene.refusal(), @"execution.checkpointing.dir is s3://bucket/x, but nothing here reads s3: paths: put flink-s3-fs-hadoop-2.3.0.jar (org.apache.flink, from a Maven repository) into /flink/plugins/s3-fs-hadoop/");
        scene.optional = vec!["/flink/opt/flink-s3-fs-hadoop-2.3.0.jar".into()];
        insta::assert_snapshot!(scene.refusal(), @"execution.checkpointing.dir is s3://bucket/x, but nothing here reads s3: paths: copy /flink/opt/flink-s3-fs-hadoop-2.3.0.jar to /flink/plugins/s3-fs-hadoop/, or set ENABLE_BUILT_IN_PLUGINS=flink-s3-fs-hadoop-2.3.0.jar");
        scene.plugins = vec!["/p/s3/flink-s3-fs-presto-2.3.0.jar".into()];
        assert_eq!(scene.check(), Ok(()));
        scene.settings = vec![("state.savepoints.dir", "s3a://bucket/x")];
        assert!(scene.check().is_err(), "presto's reads no s3a");
        scene.settings = vec![("high-availability.storageDir", "hdfs:///ha")];
        assert!(scene.refusal().contains("HADOOP_CLASSPATH"));
        assert_eq!(
            scene.check().unwrap_err().exit_code(),
            ExitCode::FileSystemMissing
        );
        scene.class_path.push("/h/hadoop-common-2.7.3.jar".into());
        assert_eq!(scene.check(), Ok(()));
    }

    #[test]
    fn every_directory_of_a_history_server_is_looked_at() {
        let set = [("historyserver.archive.fs.dir", "file:///a, hdfs:///b")];
        let mut scene = scene(&set);
        assert_eq!(scene.check(), Ok(()));
        scene.role = Role::HistoryServer;
        assert!(scene.refusal().contains("HADOOP_CLASSPATH"));
    }

    #[test]
    fn flink_leaves_its_own_schemes_to_hadoop_only_where_that_is_allowed() {
        let mut scene = scene(&[("state.checkpoints.dir", "abfs://c@a/x")]);
        scene.class_path.push("/h/hadoop-common-3.3.6.jar".into());
        assert!(scene.check().is_err());
        scene.settings.push((FALLBACK, "s3;abfs"));
        assert_eq!(scene.check(), Ok(()));
    }

    #[test]
    fn files_strange_schemes_foreign_options_and_file_systems_of_ones_own_pass() {
        for (key, value) in [
            ("state.checkpoints.dir", "file:///x"),
            ("state.checkpoints.dir", "/x"),
            ("state.checkpoints.dir", "C:/x"),
            ("state.checkpoints.dir", "$HOME://x"),
            ("mesos.resourcemanager.artifacts.path", "s3://x"),
            ("fs.s3a.endpoint", "s3://x"),
            ("historyserver.archive.fs.dir", "s3://x"),
        ] {
            assert_eq!(scene(&[(key, value)]).check(), Ok(()), "{key}: {value}");
        }
        let mut scene = scene(&[("state.checkpoints.dir", "mine://x")]);
        insta::assert_snapshot!(scene.refusal(), @"state.checkpoints.dir is mine://x, but nothing here reads mine: paths: put the plugin that does into a directory of its own below /flink/plugins, or a Hadoop client that does on the class path with HADOOP_CLASSPATH");
        scene.class_path.push("/h/all-of-hadoop.jar".into());
        scene.holding = "all-of-hadoop";
        assert_eq!(scene.check(), Ok(()));
        scene.class_path.pop();
        scene.plugins = vec!["/p/own/own-fs.jar".into()];
        scene.holding = "own-fs";
        assert_eq!(scene.check(), Ok(()));
    }
}
