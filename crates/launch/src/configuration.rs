//! Lays the configuration of a launch: every layer in its order, each value with its origin.

use std::fs;
use std::path::{Path, PathBuf};

use flugs_flink::FlinkHome;
use flugs_flink_conf::options::OptionTable;
use flugs_flink_conf::{
    self as conf, ConfError, Configuration, Dialect, ImageRequest, Layer, Origin, Parsed, Warning,
    WarningKind, add_flugs_defaults, add_official_image_defaults, apply_environment,
    map_deprecated,
};

use super::{LaunchError, LaunchRequest, SandboxLayout, defaults, image};

/// The configuration, and what was asked for or noticed on the way.
pub(super) struct Laid {
    pub(super) configuration: Configuration,
    pub(super) image_request: ImageRequest,
    pub(super) warnings: Vec<Warning>,
}

/// Lays every layer but what is derived later.
pub(super) fn lay(
    request: &LaunchRequest,
    home: &FlinkHome,
    layout: &SandboxLayout,
) -> Result<Laid, LaunchError> {
    let mut configuration = Configuration::new();
    add_flugs_defaults(&mut configuration);
    let image = request.image.as_ref();
    if image.is_some() {
        add_official_image_defaults(&mut configuration);
    }
    for (key, value) in defaults::of_sandbox(request.role, layout) {
        if image.is_some_and(|image| image.has_temporary_directory) {
            break;
        }
        let origin = Origin::from_source(Layer::FlugsDefault, "flugs");
        configuration.set(key, value, origin);
    }
    let mut warnings = lay_directory(&mut configuration, request, home)?;
    if let Some(image) = image {
        image.lay_address(&mut configuration);
    }
    let variables = |name: &str| request.variable(name).map(str::to_owned);
    let mut image_request = apply_environment(&mut configuration, &variables);
    warnings.append(&mut image_request.warnings);
    lay_manifest(&mut configuration, request);
    for property in &request.properties {
        let origin = Origin::from_source(Layer::CommandLine, "-D");
        configuration.set(&property.key, &property.value, origin);
    }
    let table = OptionTable::for_line(home.version().major(), home.version().minor());
    warnings.extend(map_deprecated(&mut configuration, table));
    take_out(&mut configuration, request);
    Ok(Laid {
        configuration,
        image_request,
        warnings,
    })
}

/// The `conf` directory: `FLINK_CONF_DIR` if set, as in Flink's own scripts, else the home's.
fn lay_directory(
    configuration: &mut Configuration,
    request: &LaunchRequest,
    home: &FlinkHome,
) -> Result<Vec<Warning>, LaunchError> {
    let directory = conf_directory(request, home);
    let files = home.version().configuration_files();
    let (parsed, path) = match conf::load_directory(&directory, files) {
        Ok((parsed, _, path)) => (parsed, path),
        Err(error) if request.image.is_some() && is_absent(&error, &directory) => {
            shipped(directory, files.rendered())
        }
        Err(error) => return Err(error.into()),
    };
    configuration.extend(&parsed, Layer::ConfDirectory, &path.display().to_string());
    Ok(parsed.warnings)
}

/// Whether there is nothing at all where a configuration file would be. (A directory in its place
/// is what Docker makes of a mount whose source is not there.)
pub(super) fn is_absent(error: &ConfError, directory: &Path) -> bool {
    let is_there =
        |dialect: Dialect| fs::symlink_metadata(directory.join(dialect.file_name())).is_ok();
    matches!(error, ConfError::Missing { .. })
        && directory.is_dir()
        && !is_there(Dialect::Flat)
        && !is_there(Dialect::Nested)
}

/// What a container starts from if somebody mounted a `conf` directory without a configuration
/// file, for the log settings in it.
fn shipped(directory: PathBuf, dialect: Dialect) -> (Parsed, PathBuf) {
    let mut parsed = conf::parse_flat(image::SHIPPED, "");
    parsed.warnings.push(Warning {
        source: directory.display().to_string(),
        line: None,
        kind: WarningKind::NoConfiguration {
            expected: dialect.file_name(),
        },
    });
    (parsed, directory)
}

/// The directory that the user's configuration is read from.
pub(super) fn conf_directory(request: &LaunchRequest, home: &FlinkHome) -> PathBuf {
    request
        .variable("FLINK_CONF_DIR")
        .map_or_else(|| home.conf(), Into::into)
}

fn lay_manifest(configuration: &mut Configuration, request: &LaunchRequest) {
    let Some(manifest) = &request.manifest else {
        return;
    };
    let layers = [
        (Layer::FlugsDefault, &manifest.default_properties),
        (Layer::Manifest, &manifest.properties),
        (Layer::Forced, &manifest.forced_properties),
    ];
    for (layer, properties) in layers {
        for (key, value) in properties {
            configuration.set(key, value, Origin::from_source(layer, "launch manifest"));
        }
    }
}

/// Takes out what the manifest forces to be empty: some options have no value that means what
/// leaving them out does.
fn take_out(configuration: &mut Configuration, request: &LaunchRequest) {
    let manifest = request.manifest.iter();
    let forced = manifest.flat_map(|manifest| &manifest.forced_properties);
    for (key, _) in forced.filter(|(_, value)| value.is_empty()) {
        configuration.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostFacts;
    use flugs_flink_conf::ConsoleLayout;
    use flugs_model::{LaunchManifest, Role, WorkerId};

    #[test]
    fn what_a_manifest_forces_to_be_empty_is_set_by_nobody() {
        let json = br#"{"version":"1.0","role":"taskmanager","workerId":"taskmanager-1",
            "properties":{"taskmanager.host":"own","rest.port":"1"},
            "forcedProperties":{"taskmanager.host":"","taskmanager.bind-host":"0.0.0.0"}}"#;
        let request = LaunchRequest {
            role: Role::TaskManager,
            worker_id: WorkerId::of(Role::TaskManager, None),
            flink_home: "/opt/flink".into(),
            sandbox: "/sandbox".into(),
            manifest: Some(LaunchManifest::parse(json, "test").unwrap()),
            properties: Vec::new(),
            arguments: Vec::new(),
            log_layout: ConsoleLayout::AsConfigured,
            environment: [].into(),
            host: HostFacts::default(),
            image: None,
        };
        let mut configuration = Configuration::new();
        let shipped = Origin::of(Layer::ConfDirectory);
        configuration.set("taskmanager.host", "localhost", shipped);
        lay_manifest(&mut configuration, &request);
        take_out(&mut configuration, &request);
        assert!(!configuration.contains("taskmanager.host"));
        assert_eq!(configuration.get("taskmanager.bind-host"), Some("0.0.0.0"));
        assert_eq!(configuration.get("rest.port"), Some("1"));
    }
}
