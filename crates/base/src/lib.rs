//! What every room of flugs uses, and what knows no room.
//!
//! Owns exit codes and what a failure says ([`ExitCode`], [`Failure`]), digests, relative paths,
//! files that appear whole ([`files`], [`destination`]), the text format of metrics
//! ([`exposition`]), and words for people. Never knows any domain: nothing of Flink, Mesos or
//! images is here.
//!
//! ```
//! use flugs_base::{RelativePath, Sha256Digest};
//!
//! let digest = Sha256Digest::of(b"abc");
//! assert!(digest.to_string().starts_with("ba7816bf"));
//! assert!("lib/flink-dist.jar".parse::<RelativePath>().is_ok());
//! assert!("../etc/passwd".parse::<RelativePath>().is_err());
//! ```

#![warn(unused_crate_dependencies)]

pub mod destination;
mod digest;
mod exit_code;
pub mod exposition;
mod failure;
pub mod files;
mod listing;
mod nearest;
mod relative_path;
mod wildcard;

pub use digest::{DigestError, Sha256Digest};
pub use exit_code::ExitCode;
pub use failure::Failure;
pub use listing::listed;
pub use nearest::{did_you_mean, nearest};
pub use relative_path::{PathError, RelativePath};
pub use wildcard::is_wildcard;
