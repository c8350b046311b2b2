//! The members of a cluster as they were last observed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::spec::{ExitCode, MemberState, Role, WorkerId};

/// One launched process, or one about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub role: Role,
    /// How far it got.
    pub state: MemberState,
    /// Its place in the order in which members were added.
    pub added: u64,
}

/// How a member ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop, and did.
    Stopped,
    /// It ended by itself.
    Exited {
        /// Its exit code (128 + signal for a death by signal).
        code: u8,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
}

impl Ending {
    /// Whether trying again cannot help: the launcher said that its input is wrong.
    pub fn is_final(&self) -> bool {
        let Self::Exited { code } = self else {
            return false;
        };
        let wrong_input = [
            ExitCode::Usage,
            ExitCode::MalformedProperty,
            ExitCode::JavaMissing,
            ExitCode::JavaTooOld,
            ExitCode::FlinkHomeMissing,
            ExitCode::FlinkHomeIncomplete,
            ExitCode::Configuration,
            ExitCode::FlinkVersion,
            ExitCode::ManifestMalformed,
            ExitCode::ManifestUnknownField,
            ExitCode::ManifestTooNew,
            ExitCode::ManifestDigest,
        ];
        wrong_input.iter().any(|wrong| wrong.code() == *code)
    }
}

/// Every member, and the failures that are still remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    members: BTreeMap<WorkerId, Member>,
    added: u64,
    failures: BTreeMap<Role, Vec<Duration>>,
    hopeless: Option<(WorkerId, u8)>,
}

impl Fleet {
    /// Adds a member that was just written to the store.
    pub fn add(&mut self, id: WorkerId, role: Role) {
        self.added += 1;
        self.members.insert(
            id,
            Member {
                role,
                state: MemberState::Starting,
                added: self.added,
            },
        );
    }

    /// Notes how far a member got. A member that is stopping stays so, whatever is heard of it.
    pub fn observe(&mut self, id: &WorkerId, state: MemberState) {
        if let Some(member) = self.members.get_mut(id)
            && member.state != MemberState::Stopping
        {
            member.state = state;
        }
    }

    /// Takes a member out, and remembers the failure if it was one. A code that stands for wrong
    /// input counts as that only from a launch that never served: later it is the job's own.
    pub fn ended(&mut self, id: &WorkerId, ending: &Ending, now: Duration) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        if member.state == MemberState::Stopping || *ending == Ending::Stopped {
            return;
        }
        let served = member.state == MemberState::Registered;
        if let (false, true, Ending::Exited { code }) = (served, ending.is_final(), ending) {
            self.hopeless = Some((id.clone(), *code));
        }
        self.failures.entry(member.role).or_default().push(now);
    }

    /// The members in the order of their ids.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (&WorkerId, &Member)> {
        self.members.iter()
    }

    /// One member.
    pub fn member(&self, id: &WorkerId) -> Option<&Member> {
        self.members.get(id)
    }

    /// When members of a role failed, oldest first.
    pub fn failures(&self, role: Role) -> &[Duration] {
        self.failures.get(&role).map_or(&[], Vec::as_slice)
    }

    /// A member that ended in a way that trying again cannot mend, and its exit code.
    pub fn hopeless(&self) -> Option<(&WorkerId, u8)> {
        self.hopeless.as_ref().map(|(id, code)| (id, *code))
    }

    /// How many members of a role are there and not on their way out.
    pub fn count(&self, role: Role) -> usize {
        let stays = |member: &&Member| member.role == role && member.state != MemberState::Stopping;
        self.members.values().filter(stays).count()
    }
}
