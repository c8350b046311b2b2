//! What a cluster tells whoever watches it.

use flugs_model::WorkerId;

use super::distribution::Progress;

/// Something worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterEvent {
    /// Files are being added to the artifact store.
    Publishing(Progress),
    /// Something that people should know.
    Notice(String),
    /// A member's process was started.
    Started {
        /// The member.
        id: WorkerId,
        /// Its process id.
        pid: i32,
    },
    /// A member could not be started.
    NotStarted {
        /// Which one, and why.
        reason: String,
    },
    /// A member serves.
    Registered {
        /// The member.
        id: WorkerId,
    },
    /// A member ended without having been told to.
    Lost {
        /// The member.
        id: WorkerId,
        /// Its exit code.
        code: u8,
        /// Why, if it said so.
        reason: Option<String>,
    },
    /// All that is wanted serves.
    Ready,
    /// The JobManager ended because its work is done; so does the cluster.
    Finished,
    /// The members are being stopped.
    Stopping,
    /// The members that are left are being killed.
    Hurrying,
}
