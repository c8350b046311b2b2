//! A file that travels from the artifact server to a launch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use flugs_base::{RelativePath, Sha256Digest};

/// One file of a launch: where it can be had, what it must be, where it goes.
///
/// The digest decides: any URL that yields those bytes is as good as any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Artifact {
    /// What messages call it, e.g. `lib/flink-dist-2.3.0.jar`.
    pub name: String,
    /// Where it can be had, tried in order. Relative references are resolved against the
    /// manifest's own URL (RFC 3986 §5), so that a manifest need not know its server's address.
    pub urls: Vec<String>,
    /// The digest its bytes must have.
    pub sha256: Sha256Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where it goes, below the launch's sandbox.
    pub dest: RelativePath,
    /// Whether it is placed as it is or unpacked at `dest`.
    #[serde(default)]
    pub kind: ArtifactKind,
    /// Permission bits of the placed file (the low nine; others are refused). Unless given, the
    /// file can only be read: it is then the cached file itself, by a hard link, and no copy.
    #[serde(default = "default_mode")]
    pub mode: u32,
    /// Whether the bytes may stay in the host's shared cache. Secrets say `false`.
    #[serde(default = "default_cache")]
    pub cache: bool,
}

/// How an artifact is placed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// As it is.
    #[default]
    File,
    /// Unpacked: `dest` names the directory.
    Archive,
}

/// The modification time of every file that is fetched, in seconds since 1970: the beginning of
/// 1980, the earliest that a zip archive can say. Equal files are then equal on every host and at
/// every time, also for what looks at their times, as the JVM does for its class-data archives.
pub const ARTIFACT_TIME: i64 = 315_532_800;

/// [`ARTIFACT_TIME`] as the file system takes it.
pub fn artifact_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(ARTIFACT_TIME.unsigned_abs())
}

const fn default_mode() -> u32 {
    0o444
}

const fn default_cache() -> bool {
    true
}

/// What is wrong with an artifact as written, before anything is fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    /// No URL is given.
    #[error("artifact \"{name}\" has no URL: at least one is needed")]
    NoUrl {
        /// The artifact's name.
        name: String,
    },
    /// The mode has bits beyond `rwxrwxrwx`.
    #[error("artifact \"{name}\" asks for mode {mode:#o}: only permission bits (0o777) may be set")]
    Mode {
        /// The artifact's name.
        name: String,
        /// The mode as written.
        mode: u32,
    },
    /// Two artifacts go to one place, or one goes below another's file.
    #[error("artifacts \"{first}\" and \"{second}\" claim the same place {dest}")]
    Collision {
        /// The artifact that came first.
        first: String,
        /// The one that clashes with it.
        second: String,
        /// The place both claim.
        dest: RelativePath,
    },
}

impl Artifact {
    /// Checks what the types cannot say.
    pub fn validate(&self) -> Result<(), ArtifactError> {
        if self.urls.is_empty() {
            return Err(ArtifactError::NoUrl {
                name: self.name.clone(),
            });
        }
        if self.mode & !0o777 != 0 {
            return Err(ArtifactError::Mode {
                name: self.name.clone(),
                mode: self.mode,
            });
        }
        Ok(())
    }
}
