//! Flink configuration: parse both dialects, layer with the origin of each value, render.
//!
//! Owns everything between a configuration source (a `conf` directory, the official image's
//! variables, properties of a manifest) and the file that Flink reads. Values are text here; what
//! type an option has is known to `check` alone. Never knows where a worker runs or how it is
//! started, and never logs a value: a value may be a secret.
//!
//! ```
//! use flugs_flink_conf::{parse_nested, parse_flat};
//!
//! let nested = parse_nested("rest:\n  port: 8081\n", "config.yaml")?;
//! let flat = parse_flat("rest.port: 8081\n", "flink-conf.yaml");
//! assert_eq!(nested.settings[0].key, flat.settings[0].key);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(unused_crate_dependencies)]

mod beside_file;
mod check;
mod configuration;
mod container;
mod defaults;
mod deprecated;
mod dialect;
mod directory;
mod edit;
mod environment;
mod error;
mod flat;
mod high_availability;
mod logging;
mod mesos;
mod nested;
mod nested_in_flat;
mod older_names;
pub mod options;
mod parsed;
mod properties;
mod render;
mod sensitive;
mod substitution;
mod write;

pub use beside_file::{beside_file, check_beside_file, for_file, is_for_flugs_alone};
pub use check::{Finding, Problem, check};
pub use configuration::{Configuration, Layer, Origin, Setting};
pub use container::fit_container;
pub use defaults::{add_flugs_defaults, add_official_image_defaults};
pub use deprecated::map_deprecated;
pub use dialect::{ConfigurationFiles, Dialect, configuration_file, load_directory, load_file};
pub use directory::{ConfSource, Taking, missing_log_settings, prepare_directory};
pub use edit::{Edit, edited, unedited};
pub use environment::{ImageRequest, apply_environment, container_environment};
pub use error::{ConfError, Refusal, Unrepresentable};
pub use flat::parse_flat;
pub use high_availability::{
    high_availability_mode, is_highly_available, keeps_state_in_zookeeper,
};
pub use logging::ConsoleLayout;
pub use mesos::{
    LEADER_SESSION, LEADER_SESSION_MILLISECONDS, TLS_ALGORITHMS, add_mesos_defaults,
    mesos_addresses, mesos_defaults,
};
pub use nested::parse_nested;
pub use parsed::{DropReason, Parsed, ParsedSetting, Warning, WarningKind};
pub use properties::parse_flink_properties;
pub use render::{misfit, render, unrepresentable};
pub use sensitive::{REDACTED, is_sensitive, redacted};
pub use write::{Existing, write, write_file};
