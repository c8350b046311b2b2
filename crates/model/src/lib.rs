//! The nouns that cross rooms: roles, artifacts, properties, workers, the launch manifest.
//!
//! Owns their serialised forms and their validation. Never does I/O: every function here is a
//! function of its arguments.
//!
//! ```
//! use flugs_model::{Role, WorkerId};
//!
//! let role: Role = "taskmanager".parse()?;
//! assert_eq!(role, Role::TaskManager);
//! let worker: WorkerId = "taskmanager-1".parse()?;
//! assert_eq!(worker.as_str(), "taskmanager-1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(unused_crate_dependencies)]

mod artifact;
mod manifest;
mod property;
mod role;
mod worker;

pub use artifact::{ARTIFACT_TIME, Artifact, ArtifactError, ArtifactKind, artifact_time};
pub use manifest::{LaunchManifest, ManifestError, ManifestVersion};
pub use property::{Property, PropertyError};
pub use role::{Role, RoleError};
pub use worker::{MemberState, ProcessIdentity, Resources, WorkerId, WorkerIdError, WorkerSpec};
