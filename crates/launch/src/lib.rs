//! The pipeline from a manifest to a command: fetch, lay the configuration, render, build.
//!
//! Owns the order of the steps, the sandbox's layout, and what each overlay adds to a launch
//! ([`overlay`]). Each step's rules belong to its room
//! ([`flugs_artifact`], [`flugs_flink_conf`], [`flugs_flink`]); the process that results belongs to
//! [`flugs_supervise`], into which a launch turns itself.
//!
//! ```
//! use flugs_launch::malformed_ports;
//! use flugs_model::Role;
//!
//! let lookup = |key: &str| (key == "rest.port").then_some("80a81");
//! assert_eq!(malformed_ports(Role::JobManager, &lookup).len(), 1);
//! ```

#![warn(unused_crate_dependencies)]

mod answers;
mod chroot;
mod compatibility;
mod configuration;
mod defaults;
mod delivery;
mod directory_probe;
mod error;
mod explanation;
mod health;
mod image;
mod layout;
mod memory;
pub mod overlay;
mod peer;
mod pipeline;
mod plugins;
mod ports;
mod prepare;
mod publication;
mod registration;
mod render;
mod request;
mod resolve;
mod stages;
mod temporary;

pub use answers::RuntimeAnswers;
pub use chroot::{AskChroot, Quorum};
pub use delivery::deliver_report;
pub use error::LaunchError;
pub use explanation::{Explanation, Located};
pub use image::ImageTerms;
pub use layout::{FLINK_DIRECTORY, SandboxLayout};
pub use memory::LimitTooSmall;
pub use pipeline::{Extent, LaunchEnd, LaunchOrder, run};
pub use plugins::PluginDirectory;
pub use ports::{
    BLOB_SERVER, PortError, PortOption, PortRange, REST, bind_address, check as check_ports,
    check_for_each as check_ports_for_each, free_port, job_manager_rpc,
    malformed as malformed_ports,
};
pub use prepare::{ManifestSource, fetch_manifest};
pub use publication::{Publication, publish};
pub use render::{make_directories, render, supervision};
pub use request::{HostFacts, LaunchRequest};
pub use resolve::{ResolvedLaunch, SettledLaunch, java_of, resolve, settle};
