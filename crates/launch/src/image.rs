//! What a launch does differently as the main process of an image: it is to behave as the
//! official image does, for whoever runs it.

use std::path::PathBuf;

use flugs_flink_conf::{Configuration, Layer, Origin, Setting};

/// The option that says where the JobManager is.
pub(super) const ADDRESS: &str = "jobmanager.rpc.address";

/// What the file that Flink ships says it is, which in a container is true of nobody.
const SHIPPED_ADDRESS: &str = "localhost";

/// What stands in for a configuration file where a container's `conf` directory has none: of what
/// Flink ships, the values that are not its defaults. Reads the same in both dialects.
pub(super) const SHIPPED: &str = "\
# There was no configuration file here: what Flink ships.
jobmanager.memory.process.size: 1600m
taskmanager.memory.process.size: 1728m
taskmanager.numberOfTaskSlots: 1
";

/// Who says what the address is, where nobody else does.
pub(super) const HOST_NAME: &str = "this container's name";

/// The process sizes in the file that Flink ships.
const SHIPPED_SIZES: [(&str, &str); 2] = [
    ("jobmanager.memory.process.size", "1600m"),
    ("taskmanager.memory.process.size", "1728m"),
];

/// The image's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageTerms {
    /// The name under which others find this container.
    pub host_name: String,
    /// The process's working directory: the container's own, which users' relative paths mean.
    pub directory: PathBuf,
    /// Where Flink logs unless told otherwise, if it can be written to.
    pub log: Option<PathBuf>,
    /// Where commands find the configuration if the `conf` directory cannot be written to.
    pub clients: PathBuf,
    /// How many launches of this role there are already in the container: for the names of logs.
    pub index: u32,
    /// Whether the system's temporary directory can be written to; Flink's temporary files go
    /// there then, as they do in the official image.
    pub has_temporary_directory: bool,
}

impl ImageTerms {
    /// Whether a setting is a process size that Flink's own `conf` ships: nobody's wish, which the
    /// limit that somebody gave the container goes before.
    pub(super) fn is_shipped(key: &str, setting: &Setting) -> bool {
        let shipped = SHIPPED_SIZES
            .iter()
            .any(|(size_key, size)| *size_key == key && *size == setting.value);
        shipped && setting.origin.layer == Layer::ConfDirectory
    }

    /// The address of the JobManager where nobody gave one: this container's name, as in the
    /// official image. An address in the `conf` directory is somebody's, unless it is the shipped
    /// one. (Where that directory can be written to, it has been set there before.)
    pub(super) fn lay_address(&self, configuration: &mut Configuration) {
        if !is_address(configuration.get(ADDRESS)) {
            let origin = Origin::from_source(Layer::ConfDirectory, HOST_NAME);
            configuration.set(ADDRESS, &self.host_name, origin);
        }
    }
}

/// Whether a configured address is somebody's, and not the shipped one.
pub(super) fn is_address(address: Option<&str>) -> bool {
    address.is_some_and(|address| address != SHIPPED_ADDRESS)
}

/// The process size that a key has in the configuration that Flink ships.
pub(super) fn shipped_size(key: &str) -> Option<&'static str> {
    let found = SHIPPED_SIZES.iter().find(|(one, _)| *one == key);
    found.map(|(_, size)| *size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> ImageTerms {
        ImageTerms {
            host_name: "4f0e".to_owned(),
            directory: "/opt/flink".into(),
            log: None,
            clients: "/run/flugs/clients".into(),
            index: 0,
            has_temporary_directory: true,
        }
    }

    #[test]
    fn a_shipped_process_size_gives_way_to_the_containers_limit_and_a_chosen_one_does_not() {
        let key = "taskmanager.memory.process.size";
        let is_shipped = |value: &str, layer| {
            let mut configuration = Configuration::new();
            configuration.set(key, value, Origin::of(layer));
            ImageTerms::is_shipped(key, configuration.setting(key).unwrap())
        };
        assert!(is_shipped("1728m", Layer::ConfDirectory));
        assert!(!is_shipped("2g", Layer::ConfDirectory));
        assert!(!is_shipped("1728m", Layer::FlinkProperties));
    }

    fn laid(before: Option<&str>) -> String {
        let mut configuration = Configuration::new();
        if let Some(value) = before {
            configuration.set(ADDRESS, value, Origin::of(Layer::ConfDirectory));
        }
        let terms = terms();
        terms.lay_address(&mut configuration);
        configuration.get(ADDRESS).unwrap().to_owned()
    }

    #[test]
    fn the_containers_name_stands_in_for_no_address_and_for_the_shipped_one_only() {
        assert_eq!(laid(None), "4f0e");
        assert_eq!(laid(Some("localhost")), "4f0e");
        assert_eq!(laid(Some("jobmanager.example")), "jobmanager.example");
    }
}
