//! Flink versions, and what changed from one to the next.
//!
//! Every difference between releases that flugs must know has one method here, named after the
//! behaviour, so that no other module compares version numbers.

use std::fmt;
use std::str::FromStr;

use flugs_base::{ExitCode, Failure};
use flugs_flink_conf::ConfigurationFiles;

/// A released version of Flink, such as `1.20.5` or `2.3.0`.
///
/// Ordered by its numbers; a suffix (`-rc1`, `-SNAPSHOT`) only breaks ties.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlinkVersion {
    major: u32,
    minor: u32,
    patch: u32,
    suffix: String,
}

/// Text that is not the version of a Flink that flugs can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlinkVersionError {
    /// The text is not a version.
    #[error("\"{found}\" is not a Flink version: expected something like 1.20.5 or 2.3.0")]
    Malformed {
        /// What was given.
        found: String,
    },
    /// The version is older than the oldest whose memory model and scripts flugs reproduces.
    #[error("Flink {found} is not supported: the oldest that flugs runs is {oldest}")]
    TooOld {
        /// The version that was given.
        found: FlinkVersion,
        /// The oldest supported one.
        oldest: FlinkVersion,
    },
}

impl Failure for FlinkVersionError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::FlinkVersion
    }
}

impl FlinkVersion {
    /// The oldest release line that flugs runs.
    pub const OLDEST: Self = Self::new(1, 13, 0);

    /// The newest release whose behaviour the tests hold flugs to. Newer ones are run as if they
    /// were this one.
    pub const NEWEST_TESTED: Self = Self::new(2, 3, 0);

    /// The version with these numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
            suffix: String::new(),
        }
    }

    /// The first number.
    pub const fn major(&self) -> u32 {
        self.major
    }

    /// The second number.
    pub const fn minor(&self) -> u32 {
        self.minor
    }

    /// Refuses versions older than [`Self::OLDEST`].
    pub fn supported(self) -> Result<Self, FlinkVersionError> {
        if self < Self::OLDEST {
            return Err(FlinkVersionError::TooOld {
                found: self,
                oldest: Self::OLDEST,
            });
        }
        Ok(self)
    }

    /// Whether this is `major.minor` or anything after it.
    const fn at_least(&self, major: u32, minor: u32) -> bool {
        self.major > major || (self.major == major && self.minor >= minor)
    }

    /// The oldest Java feature version that this Flink runs on: 8 for 1.x, 11 for 2.x.
    pub const fn oldest_java(&self) -> u32 {
        if self.at_least(2, 0) { 11 } else { 8 }
    }

    /// Whether this release's official image runs as whoever the container runs as, root among
    /// them: it has no `gosu` any more (FLINK-37881, in the images after 2.3's).
    pub const fn image_keeps_its_user(&self) -> bool {
        self.at_least(2, 4)
    }

    /// Whether `taskmanager.memory.network.max` has no default bound (FLIP-266, 1.17); it was
    /// 1 GiB before.
    pub const fn has_unbounded_network_memory(&self) -> bool {
        self.at_least(1, 17)
    }

    /// Whether the options from before the memory model of 1.10 still count:
    /// `taskmanager.heap.size`, `taskmanager.network.numberOfBuffers`, `FLINK_TM_HEAP` and their
    /// like. Flink 2.0 removed them.
    pub const fn reads_legacy_memory_options(&self) -> bool {
        !self.at_least(2, 0)
    }

    /// Whether the derived `external-resources` value comes in double quotes (1.19 and later,
    /// where a bare `;` would be read as YAML).
    pub const fn quotes_external_resources(&self) -> bool {
        self.at_least(1, 19)
    }

    /// Whether numbers of processors are cut to eight decimals (seen in 1.20, not in 1.13).
    pub const fn cuts_processors_to_eight_decimals(&self) -> bool {
        self.at_least(1, 14)
    }

    /// Whether the shipped Java options export `java.base/sun.net.util` (1.x only).
    pub const fn exports_network_internals(&self) -> bool {
        !self.at_least(2, 0)
    }

    /// Whether Flink's scripts pass `-XX:+IgnoreUnrecognizedVMOptions` (FLINK-25002, 1.18).
    pub const fn ignores_unrecognized_vm_options(&self) -> bool {
        self.at_least(1, 18)
    }

    /// Whether a session's JobManager is told its execution mode, host and web port by options of
    /// their own; from 2.0 on they are settings like any other.
    pub const fn has_execution_mode(&self) -> bool {
        !self.at_least(2, 0)
    }

    /// Whether the script of a session's JobManager puts derived settings behind everything else
    /// and takes no settings of the user's (1.13).
    pub const fn puts_derived_settings_last(&self) -> bool {
        !self.at_least(1, 14)
    }

    /// Which configuration files this line reads: `config.yaml` came with 1.19 (FLIP-366), and
    /// `flink-conf.yaml` went with 2.0.
    pub const fn configuration_files(&self) -> ConfigurationFiles {
        if self.at_least(2, 0) {
            ConfigurationFiles::Nested
        } else if self.at_least(1, 19) {
            ConfigurationFiles::FlatThenNested
        } else {
            ConfigurationFiles::Flat
        }
    }
}

impl fmt::Display for FlinkVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            major,
            minor,
            patch,
            suffix,
        } = self;
        formatter.pad(&format!("{major}.{minor}.{patch}{suffix}"))
    }
}

impl FromStr for FlinkVersion {
    type Err = FlinkVersionError;

    fn from_str(text: &str) -> Result<Self, FlinkVersionError> {
        let malformed = || FlinkVersionError::Malformed {
            found: text.to_owned(),
        };
        let numbers_end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (numbers, suffix) = text.split_at(numbers_end);
        if !suffix.is_empty() && !suffix.starts_with('-') {
            return Err(malformed());
        }
        let mut parts = numbers.split('.').map(str::parse::<u32>);
        let mut next = || parts.next().transpose().map_err(|_| malformed());
        let (major, minor, patch) = (next()?, next()?, next()?);
        if next()?.is_some() {
            return Err(malformed());
        }
        let (Some(major), Some(minor)) = (major, minor) else {
            return Err(malformed());
        };
        Ok(Self {
            suffix: suffix.to_owned(),
            ..Self::new(major, minor, patch.unwrap_or(0))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FlinkVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_read_back_and_order_by_their_numbers() {
        for text in ["1.13.6", "1.20.5", "2.3.0", "2.0.0-rc1"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("1.20"), FlinkVersion::new(1, 20, 0));
        assert!(parse("1.9.3") < parse("1.13.6"));
        assert!(parse("1.20.5") < parse("2.0.0"));
    }

    #[test]
    fn malformed_versions_are_refused_with_the_text() {
        for text in [
            "", "1", "1.", ".1", "1.2.3.4", "v1.20", "1.x", "1.20 ", "1.20beta",
        ] {
            let error = text.parse::<FlinkVersion>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn releases_before_the_oldest_line_are_refused() {
        assert!(parse("1.12.7").supported().is_err());
        assert!(parse("1.13.0").supported().is_ok());
        assert!(parse("3.0.0").supported().is_ok());
    }

    #[test]
    fn flink_2_needs_java_11() {
        assert_eq!(parse("1.20.5").oldest_java(), 8);
        assert_eq!(parse("2.0.0").oldest_java(), 11);
    }
}
