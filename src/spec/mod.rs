//! The nouns that cross rooms: roles, digests, artifacts, the launch manifest, exit codes, numbers for
//! a monitoring system.
//!
//! Owns their serialised forms and their validation. Never does I/O: every function here is a
//! function of its arguments.

mod artifact;
mod digest;
mod exit_code;
pub mod exposition;
mod failure;
mod listing;
mod manifest;
mod nearest;
mod property;
mod role;
mod wildcard;
mod worker;

pub use artifact::{
    ARTIFACT_TIME, Artifact, ArtifactError, ArtifactKind, RelativePath, artifact_time,
};
pub use digest::{DigestError, Sha256Digest};
pub use exit_code::ExitCode;
pub use failure::Failure;
pub use listing::listed;
pub use manifest::{LaunchManifest, ManifestError, ManifestVersion};
pub use nearest::{did_you_mean, nearest};
pub use property::{Property, PropertyError};
pub use role::{Role, RoleError};
pub use wildcard::is_wildcard;
pub use worker::{MemberState, ProcessIdentity, Resources, WorkerId, WorkerIdError, WorkerSpec};
