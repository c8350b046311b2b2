//! What keeps the clusters of one ZooKeeper apart: `high-availability.cluster-id`.
//!
//! Flink's default, `/default`, is every cluster's that names none: they lead one another's workers
//! and recover one another's jobs. So a cluster that names none has an id of its own, which its
//! directory keeps. Who wants several directories to be one cluster (application masters that
//! stand by for each other) names it.

use std::path::Path;
use std::{fs, io};

use flugs_base::destination;
use flugs_flink_conf::{
    Configuration, ConfigurationFiles, Layer, keeps_state_in_zookeeper, load_directory,
};
use flugs_model::Property;

use super::{AppMasterError, client_configuration};

/// The option.
pub(super) const CLUSTER_ID: &str = "high-availability.cluster-id";

/// The names that it has had, which older Flinks and files know.
const NAMES: [&str; 3] = [
    CLUSTER_ID,
    "high-availability.zookeeper.path.namespace",
    "recovery.zookeeper.path.namespace",
];

/// Flink's default.
const SHARED: &str = "/default";

/// What this program's ids begin with.
const PREFIX: &str = "flugs-";

/// The id that a cluster has of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnId {
    id: String,
    /// Whether it was made just now.
    pub(super) is_new: bool,
}

impl OwnId {
    /// The id of the cluster in this directory, if its JobManager is highly available and nobody
    /// has named one. It is on disk when this returns.
    ///
    /// A directory whose cluster has run under another id, Flink's own or one that is not named
    /// any more, would lose what it left there: that is an error.
    pub(super) fn of(
        directory: &Path,
        configuration: &Configuration,
    ) -> Result<Option<Self>, AppMasterError> {
        if !keeps_state_in_zookeeper(configuration) || named(configuration).is_some() {
            return Ok(None);
        }
        let path = directory.join("cluster-id");
        let failed = |source| AppMasterError::Write {
            path: path.clone(),
            source,
        };
        match fs::read_to_string(&path) {
            Ok(text) if is_own(text.trim()) => {
                let id = text.trim().to_owned();
                return Ok(Some(Self { id, is_new: false }));
            }
            // One that was cut off has never been used.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        if let Some(id) = earlier(directory) {
            let directory = directory.to_owned();
            return Err(AppMasterError::ClusterId { directory, id });
        }
        let id = generate().map_err(failed)?;
        destination::write(&path, format!("{id}\n").as_bytes(), 0o644).map_err(failed)?;
        Ok(Some(Self { id, is_new: true }))
    }

    /// The option with its value.
    pub(super) fn property(&self) -> Property {
        Property {
            key: CLUSTER_ID.to_owned(),
            value: self.id.clone(),
        }
    }

    /// What is said of it when it is new.
    pub(super) fn text(&self) -> String {
        format!(
            "{CLUSTER_ID} is not set: this directory's cluster is {}, and no other one has to do \
             with it. Whoever shall stand by for it, or go on with it elsewhere, has to be given \
             that id; what an earlier cluster has left under Flink's own is found with {SHARED}",
            self.id
        )
    }
}

/// The id under which Flink resumes the jobs that have not ended, if it keeps them.
pub(super) fn resumes_under(configuration: &Configuration) -> Option<String> {
    let id = || named(configuration).unwrap_or(SHARED).to_owned();
    keeps_state_in_zookeeper(configuration).then(id)
}

/// The id that somebody has named.
fn named(configuration: &Configuration) -> Option<&str> {
    let names = NAMES.iter().find_map(|name| configuration.get(name));
    names.filter(|id| !id.trim().is_empty())
}

/// The id that an earlier cluster of this directory has run under, as its clients were told.
fn earlier(directory: &Path) -> Option<String> {
    let clients = client_configuration::directory(directory);
    let (parsed, _, _) = load_directory(&clients, ConfigurationFiles::FlatThenNested).ok()?;
    let mut configuration = Configuration::new();
    configuration.extend(&parsed, Layer::ConfDirectory, "");
    resumes_under(&configuration)
}

fn is_own(text: &str) -> bool {
    let digits = text.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn generate() -> io::Result<String> {
    let random = getrandom::u64().map_err(io::Error::other)?;
    Ok(format!("{PREFIX}{random:016x}"))
}

/// What the resource ids of a cluster's workers end in, where others could take them for their
/// own: two that are told to be one cluster have a `taskmanager-1` each.
pub(super) fn resource_suffix(directory: &Path, configuration: &Configuration) -> Option<String> {
    keeps_state_in_zookeeper(configuration).then(|| {
        let digest = flugs_base::Sha256Digest::of(directory.as_os_str().as_encoded_bytes());
        let digits: String = digest.to_string().chars().take(8).collect();
        format!("-{digits}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_flink_conf::Origin;

    #[test]
    fn the_mode_is_read_under_each_of_its_names() {
        for (key, value, expected) in [
            ("high-availability.type", "zookeeper", true),
            ("high-availability", "ZooKeeper", true),
            ("recovery.mode", "zookeeper", true),
            ("high-availability.type", "NONE", false),
            ("high-availability.type", "kubernetes", false),
        ] {
            let configuration = configuration(&[(key, value)]);
            assert_eq!(
                keeps_state_in_zookeeper(&configuration),
                expected,
                "{key}: {value}"
            );
        }
    }

    fn configuration(settings: &[(&str, &str)]) -> Configuration {
        let mut configuration = Configuration::new();
        for (key, value) in settings {
            configuration.set(*key, *value, Origin::of(Layer::CommandLine));
        }
        configuration
    }

    fn available(more: &[(&str, &str)]) -> Configuration {
        let mut all = vec![("high-availability.type", "zookeeper")];
        all.extend(more);
        configuration(&all)
    }

    #[test]
    fn a_directory_keeps_its_id_and_another_one_has_another() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let of = |directory: &Path| OwnId::of(directory, &available(&[])).unwrap().unwrap();
        let first = of(one.path());
        assert!(first.is_new && is_own(&first.id), "{first:?}");
        assert!(first.text().contains(&first.id));
        let again = of(one.path());
        assert_eq!((again.id, again.is_new), (first.id.clone(), false));
        assert_ne!(of(other.path()).id, first.id);
        assert_eq!(first.property().key, CLUSTER_ID);
        fs::write(one.path().join("cluster-id"), "flugs-0123").unwrap();
        assert!(of(one.path()).is_new, "one that was cut off is nobody's");
    }

    #[test]
    fn whoever_names_one_has_that_under_each_of_its_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in NAMES {
            let named = available(&[(name, "/orders")]);
            assert_eq!(OwnId::of(directory.path(), &named).unwrap(), None);
        }
        let alone = configuration(&[("high-availability.type", "NONE")]);
        assert_eq!(OwnId::of(directory.path(), &alone).unwrap(), None);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_cluster_that_has_run_under_flinks_id_is_not_lost_without_a_word() {
        for (file, text, id) in [
            (
                "flink-conf.yaml",
                "high-availability: zookeeper\n",
                "/default",
            ),
            (
                "config.yaml",
                "high-availability:\n  type: zookeeper\n  cluster-id: /orders\n",
                "/orders",
            ),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let clients = client_configuration::directory(directory.path());
            fs::create_dir(&clients).unwrap();
            fs::write(clients.join(file), text).unwrap();
            let error = OwnId::of(directory.path(), &available(&[])).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("{CLUSTER_ID}={id}")), "{text}");
            assert!(!directory.path().join("cluster-id").exists());
        }
    }

    #[test]
    fn workers_of_two_directories_have_different_ids_where_they_could_meet() {
        let suffix = |path: &str| resource_suffix(Path::new(path), &available(&[]));
        assert_ne!(suffix("/a"), suffix("/b"));
        assert_eq!(suffix("/a"), suffix("/a"));
        assert_eq!(resource_suffix(Path::new("/a"), &configuration(&[])), None);
    }
}
