//! Every exit code that flugs itself uses, in one table.
//!
//! A supervised program's own code passes through untouched, so these stay clear of 0, 1 and 2
//! as Flink uses them, of the shell's and Docker's 125 to 127, and of 128 + signal.

/// Why flugs ended, when it was not the supervised program that decided.
///
/// `docs/exit-codes.md` is this table in prose; a test holds the two together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// The command line is wrong: unknown option, missing argument.
    Usage = 2,
    /// The role is none of those flugs launches.
    UnknownRole = 64,
    /// A `-D` (or a `key=value` elsewhere) is malformed.
    MalformedProperty = 65,
    /// No Java runtime was found.
    JavaMissing = 66,
    /// The Java runtime is too old for this Flink.
    JavaTooOld = 67,
    /// There is no Flink home where one was named.
    FlinkHomeMissing = 68,
    /// The Flink home lacks something it needs.
    FlinkHomeIncomplete = 69,
    /// A fault in flugs itself.
    Internal = 70,
    /// A configured port is already in use.
    PortInUse = 71,
    /// A directory that must be written to cannot be.
    NotWritable = 72,
    /// Another cluster already runs in this directory.
    DirectoryInUse = 73,
    /// Reading or writing failed for another reason.
    InputOutput = 74,
    /// The configuration is wrong: unreadable, or impossible (memory that does not add up).
    Configuration = 75,
    /// The Flink version is not one that flugs knows how to run, or to assemble.
    FlinkVersion = 76,
    /// There is no cluster in this directory.
    NoCluster = 77,
    /// Persisted state is from a newer flugs, or damaged; it is left as it was.
    StateRefused = 78,
    /// The launch manifest is not readable.
    ManifestMalformed = 80,
    /// The launch manifest has a field this flugs does not know.
    ManifestUnknownField = 81,
    /// The launch manifest is from a newer major version.
    ManifestTooNew = 82,
    /// The launch manifest does not have the digest it was named with.
    ManifestDigest = 83,
    /// The artifact server could not be reached, after every retry.
    ArtifactUnreachable = 84,
    /// The artifact server refused: no such artifact, or a wrong token.
    ArtifactRefused = 85,
    /// An artifact's bytes do not have the digest the manifest demands.
    ArtifactDigest = 86,
    /// An archive was refused: it breaks a rule of the unpacker.
    ArchiveRefused = 87,
    /// No space is left on a device.
    NoSpace = 88,
    /// The program to supervise could not be started.
    ChildStart = 90,
    /// The restart policy gave up.
    RestartsExhausted = 91,
    /// The supervised program stopped answering its health check.
    Unhealthy = 92,
    /// The cluster did not become ready in time.
    NotReady = 93,
    /// The parent process vanished and the launch stopped itself.
    ParentGone = 94,
    /// Stopping was asked for while the launch was still being prepared.
    StoppedBeforeStart = 95,
    /// Privileges could not be dropped as asked.
    Privileges = 96,
    /// The container engine cannot be reached, or refused.
    Engine = 97,
    /// The container engine does not have the image.
    ImageMissing = 98,
    /// This Flink, this Java and what is on the class path are known not to work together.
    Incompatible = 99,
    /// Nothing reads the scheme of a configured path.
    FileSystemMissing = 100,
    /// ZooKeeper lacks the node that the quorum ends with.
    ChrootMissing = 101,
    /// An image definition is wrong.
    ImageDefinition = 105,
    /// An input of an image (base, binary, Flink, time) is missing or does not fit.
    ImageInput = 106,
    /// An image is damaged, incomplete, or not there.
    ImageRefused = 107,
    /// An image's JVM could not be trained.
    ImageTraining = 108,
    /// An image registry cannot be reached, after every retry.
    RegistryUnreachable = 109,
    /// An image registry refuses.
    RegistryRefused = 110,
    /// A bundle is damaged: cut off, altered, or never one.
    BundleDamaged = 111,
    /// A bundle's signature is missing or wrong, or a key cannot be used.
    BundleSignature = 112,
    /// A bundle is from a newer flugs.
    BundleTooNew = 113,
    /// A delta bundle lacks the one that it builds on.
    BundleIncomplete = 114,
    /// More workers have failed than the cluster allows.
    TooManyFailed = 115,
    /// Another scheduler has taken the Mesos framework over.
    FrameworkSuperseded = 116,
    /// The Mesos master refuses the framework.
    FrameworkRefused = 117,
    /// The Mesos master has removed the framework while workers were running: an operator has to
    /// say that they may be forgotten.
    FrameworkRemoved = 118,
    /// The servers that keep the state (ZooKeeper) cannot be reached.
    StateUnreachable = 119,
    /// The servers that keep the state (ZooKeeper) refuse.
    StateForbidden = 120,
    /// Stopping was hurried before the Mesos master confirmed the end of the framework.
    FrameworkLeft = 121,
}

impl ExitCode {
    /// Every code, ascending.
    pub const ALL: [Self; 54] = [
        Self::Usage,
        Self::UnknownRole,
        Self::MalformedProperty,
        Self::JavaMissing,
        Self::JavaTooOld,
        Self::FlinkHomeMissing,
        Self::FlinkHomeIncomplete,
        Self::Internal,
        Self::PortInUse,
        Self::NotWritable,
        Self::DirectoryInUse,
        Self::InputOutput,
        Self::Configuration,
        Self::FlinkVersion,
        Self::NoCluster,
        Self::StateRefused,
        Self::ManifestMalformed,
        Self::ManifestUnknownField,
        Self::ManifestTooNew,
        Self::ManifestDigest,
        Self::ArtifactUnreachable,
        Self::ArtifactRefused,
        Self::ArtifactDigest,
        Self::ArchiveRefused,
        Self::NoSpace,
        Self::ChildStart,
        Self::RestartsExhausted,
        Self::Unhealthy,
        Self::NotReady,
        Self::ParentGone,
        Self::StoppedBeforeStart,
        Self::Privileges,
        Self::Engine,
        Self::ImageMissing,
        Self::Incompatible,
        Self::FileSystemMissing,
        Self::ChrootMissing,
        Self::ImageDefinition,
        Self::ImageInput,
        Self::ImageRefused,
        Self::ImageTraining,
        Self::RegistryUnreachable,
        Self::RegistryRefused,
        Self::BundleDamaged,
        Self::BundleSignature,
        Self::BundleTooNew,
        Self::BundleIncomplete,
        Self::TooManyFailed,
        Self::FrameworkSuperseded,
        Self::FrameworkRefused,
        Self::FrameworkRemoved,
        Self::StateUnreachable,
        Self::StateForbidden,
        Self::FrameworkLeft,
    ];

    /// The number that the process exits with.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code for an I/O error, by what the kernel said.
    pub fn of_io(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::NoSpace,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::NotWritable,
            _ => Self::InputOutput,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ascending_unique_and_clear_of_the_shells_and_signals() {
        let codes: Vec<u8> = ExitCode::ALL.iter().map(|code| code.code()).collect();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]), "{codes:?}");
        assert!(
            codes
                .iter()
                .all(|&code| code == 2 || (64..125).contains(&code)),
            "{codes:?}"
        );
    }
}
