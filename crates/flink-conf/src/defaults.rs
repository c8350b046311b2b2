//! What is set unless anybody sets it: by flugs for every launch, and by the official image.

use super::configuration::{Configuration, Layer, Origin};

/// Settings that are better than Flink's defaults, at the lowest layer.
///
/// A TaskManager that looks for its ResourceManager before the JobManager listens waits
/// `cluster.registration.error-delay` before it looks again. Flink's ten seconds make a cluster
/// that starts all at once slow; half a second does no harm. The value has no unit because the
/// option is a bare number of milliseconds up to 1.13.
const FLUGS: [(&str, &str); 1] = [("cluster.registration.error-delay", "500")];

/// What the official image sets in every container. It also sets `query.server.port`, a key that
/// no Flink has ever read (the option is `queryable-state.server.ports`); that one is left out.
const OFFICIAL_IMAGE: [(&str, &str); 1] = [("blob.server.port", "6124")];

/// Adds the settings that flugs gives every launch.
pub fn add_flugs_defaults(configuration: &mut Configuration) {
    add(configuration, &FLUGS, Layer::FlugsDefault, "flugs");
}

/// Adds the settings of the official image. Only for containers: on a shared host, a fixed port
/// is one that the next cluster cannot have.
pub fn add_official_image_defaults(configuration: &mut Configuration) {
    add(
        configuration,
        &OFFICIAL_IMAGE,
        Layer::ImageDefault,
        "official image",
    );
}

fn add(configuration: &mut Configuration, defaults: &[(&str, &str)], layer: Layer, source: &str) {
    for (key, value) in defaults {
        configuration.set(*key, *value, Origin::from_source(layer, source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ten_second_registration_penalty_is_removed_unless_the_user_set_it() {
        let key = "cluster.registration.error-delay";
        let mut configuration = Configuration::new();
        add_flugs_defaults(&mut configuration);
        assert_eq!(configuration.get(key), Some("500"));
        configuration.set(key, "7 s", Origin::of(Layer::ConfDirectory));
        add_flugs_defaults(&mut configuration);
        assert_eq!(configuration.get(key), Some("7 s"));
    }

    #[test]
    fn query_server_port_is_not_set_in_vain() {
        let mut configuration = Configuration::new();
        add_official_image_defaults(&mut configuration);
        assert!(!configuration.contains("query.server.port"));
        assert_eq!(configuration.get("blob.server.port"), Some("6124"));
    }
}
