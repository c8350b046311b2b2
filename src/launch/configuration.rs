//! Lays the configuration of a launch: every layer in its order, each value with its origin.

use crate::conf::{self, Configuration, Layer, Origin, Warning, parse_flink_properties};
use crate::flink::FlinkHome;

use super::{LaunchError, LaunchRequest, SandboxLayout, defaults};

/// The configuration and what was noticed on the way.
pub(super) fn lay(
    request: &LaunchRequest,
    home: &FlinkHome,
    layout: &SandboxLayout,
) -> Result<(Configuration, Vec<Warning>), LaunchError> {
    let mut configuration = Configuration::new();
    for (key, value) in defaults::defaults(request.role, home.version(), layout) {
        configuration.set(
            key,
            value,
            Origin::from_source(Layer::FlugsDefault, "flugs"),
        );
    }
    let mut warnings = lay_directory(&mut configuration, request, home)?;
    warnings.extend(lay_environment(&mut configuration, request));
    lay_manifest(&mut configuration, request);
    for property in &request.properties {
        let origin = Origin::from_source(Layer::CommandLine, "-D");
        configuration.set(&property.key, &property.value, origin);
    }
    Ok((configuration, warnings))
}

/// The `conf` directory: `FLINK_CONF_DIR` if set, as in Flink's own scripts, else the home's.
fn lay_directory(
    configuration: &mut Configuration,
    request: &LaunchRequest,
    home: &FlinkHome,
) -> Result<Vec<Warning>, LaunchError> {
    let directory = conf_directory(request, home);
    let files = home.version().configuration_files();
    let (parsed, _, path) = conf::load_directory(&directory, files)?;
    configuration.extend(&parsed, Layer::ConfDirectory, &path.display().to_string());
    Ok(parsed.warnings)
}

/// The directory that the user's configuration is read from.
pub(super) fn conf_directory(request: &LaunchRequest, home: &FlinkHome) -> std::path::PathBuf {
    request
        .variable("FLINK_CONF_DIR")
        .map_or_else(|| home.conf(), Into::into)
}

fn lay_environment(configuration: &mut Configuration, request: &LaunchRequest) -> Vec<Warning> {
    let Some(text) = request.variable("FLINK_PROPERTIES") else {
        return Vec::new();
    };
    let variable = |name: &str| request.environment.get(name).cloned();
    let parsed = parse_flink_properties(text, &variable);
    configuration.extend(&parsed, Layer::FlinkProperties, "FLINK_PROPERTIES");
    parsed.warnings
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
