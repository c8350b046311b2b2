//! What a launch does differently as the main process of an image: it is to behave as the
//! official image does, for whoever runs it.

use std::path::PathBuf;

use crate::conf::{self, Configuration, Layer, Origin, Setting};
use crate::flink::FlinkHome;

use super::{LaunchError, LaunchRequest, SandboxLayout, configuration, plugins};

/// The option that says where the JobManager is.
const ADDRESS: &str = "jobmanager.rpc.address";

/// What the file that Flink ships says it is, which in a container is true of nobody.
const SHIPPED_ADDRESS: &str = "localhost";

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
    /// one; the official image replaces every one.
    pub(super) fn lay_address(&self, configuration: &mut Configuration) {
        match configuration.get(ADDRESS) {
            Some(SHIPPED_ADDRESS) | None => {
                let origin = Origin::from_source(Layer::ConfDirectory, "this container's name");
                configuration.set(ADDRESS, &self.host_name, origin);
            }
            Some(_) => {}
        }
    }
}

/// Puts together what a command that is no launch needs to see the image's variables: a
/// configuration directory in the sandbox, and a plugins directory if plugins are asked for.
/// Gives the variables that lead to them.
pub fn configuration_for_commands(
    request: &LaunchRequest,
) -> Result<Vec<(&'static str, String)>, LaunchError> {
    let home = FlinkHome::open(&request.flink_home)?;
    let layout = SandboxLayout::of(&request.sandbox);
    let laid = configuration::lay(request, &home, &layout)?;
    let source = configuration::conf_directory(request, &home);
    let dialect = home.version().configuration_files().rendered();
    conf::prepare_directory(
        Some(&source),
        &layout.conf,
        &laid.configuration,
        dialect,
        request.log_layout,
    )?;
    let mut variables = vec![("FLINK_CONF_DIR", layout.conf.display().to_string())];
    if let Some(plugins) = plugins::plan(&home, &layout.root, &laid.image_request.plugins)? {
        plugins.make()?;
        variables.push(("FLINK_PLUGINS_DIR", plugins.path.display().to_string()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> ImageTerms {
        ImageTerms {
            host_name: "4f0e".to_owned(),
            directory: "/opt/flink".into(),
            log: None,
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
