//! The members of a cluster as they were last observed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flugs_base::{ExitCode, Sha256Digest};
use flugs_model::{MemberState, Role, WorkerId};

use super::MemberEnd;

/// One launched process, or one about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What it is.
    pub role: Role,
    /// How far it got.
    pub state: MemberState,
    /// Whether it ever served, also if it is not heard of at the moment.
    pub served: bool,
    /// Its place in the order in which members were added.
    pub added: u64,
    /// Since when it is in its state, on the planner's clock.
    pub since: Duration,
    /// Since when it is a member at all.
    pub born: Duration,
    /// The machine that it is on, where that can be lost by itself.
    pub place: Option<String>,
    /// It serves, and has nothing to do.
    pub idle: bool,
    /// Its provider cannot say whether it runs.
    pub unreachable: bool,
}

impl Member {
    /// Whether it is there, as far as anybody knows, and not on its way out.
    pub fn stays(&self) -> bool {
        !matches!(self.state, MemberState::Stopping | MemberState::Lost)
    }
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
    /// It ended by itself and said why, in a way that can be compared.
    Failed {
        /// Its exit code.
        code: u8,
        /// Stands for why it failed.
        likeness: Sha256Digest,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        reason: String,
    },
    /// It ended where only its provider could see it.
    Elsewhere {
        /// Whether its place was lost and not the member: an agent that went away, say.
        blameless: bool,
    },
    /// Somebody whose business it is ended it: an operator who empties a machine, say.
    Planned,
}

impl Ending {
    /// The exit code, if it ended by itself with one.
    const fn code(&self) -> Option<u8> {
        match self {
            Self::Exited { code } | Self::Failed { code, .. } => Some(*code),
            Self::Stopped | Self::NotStarted { .. } | Self::Elsewhere { .. } | Self::Planned => {
                None
            }
        }
    }

    const fn likeness(&self) -> Option<Sha256Digest> {
        match self {
            Self::Failed { likeness, .. } => Some(*likeness),
            _ => None,
        }
    }

    /// Whether trying again cannot help: the launcher said that its input is wrong.
    pub fn is_final(&self) -> bool {
        let Some(code) = self.code() else {
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
            ExitCode::Incompatible,
            ExitCode::FileSystemMissing,
            ExitCode::ChrootMissing,
            ExitCode::ManifestMalformed,
            ExitCode::ManifestUnknownField,
            ExitCode::ManifestTooNew,
            ExitCode::ManifestDigest,
        ];
        wrong_input.iter().any(|wrong| wrong.code() == code)
    }
}

/// How many ends of a role are remembered one by one.
const MOST_ENDS: usize = 4096;

/// Every member, and how those that are gone ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    members: BTreeMap<WorkerId, Member>,
    added: u64,
    ends: BTreeMap<Role, Vec<MemberEnd>>,
    failures: BTreeMap<Role, usize>,
    hopeless: Option<(WorkerId, u8)>,
    /// Machines that are to be left.
    leaving: BTreeSet<String>,
}

impl Fleet {
    /// Adds a member that was just written to the store.
    pub fn add(&mut self, id: WorkerId, role: Role, now: Duration) {
        self.added += 1;
        self.members.insert(
            id,
            Member {
                role,
                state: MemberState::Starting,
                served: false,
                added: self.added,
                since: now,
                born: now,
                place: None,
                idle: false,
                unreachable: false,
            },
        );
    }

    /// Notes how far a member got. A member that is stopping stays so, whatever is heard of it, and
    /// one that is lost until it serves again: then it has not failed.
    pub fn observe(&mut self, id: &WorkerId, state: MemberState, now: Duration) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let serves = state == MemberState::Registered;
        let stays = match member.state {
            MemberState::Stopping => true,
            MemberState::Lost => !serves && state != MemberState::Stopping,
            before => before == state,
        };
        if stays {
            return;
        }
        if serves
            && member.state == MemberState::Lost
            && let Some(failures) = self.failures.get_mut(&member.role)
        {
            *failures = failures.saturating_sub(1);
        }
        member.state = state;
        member.since = now;
        member.served |= serves;
        member.idle = false;
    }

    /// Notes the machine that a member was launched on.
    pub fn placed(&mut self, id: &WorkerId, place: &str) {
        if let Some(member) = self.members.get_mut(id) {
            member.place = Some(place.to_owned());
        }
    }

    /// Notes whether a machine is to be left: its members are moved off, one by one.
    pub fn leave(&mut self, place: &str, leaves: bool) {
        if leaves {
            self.leaving.insert(place.to_owned());
        } else {
            self.leaving.remove(place);
        }
    }

    /// Whether a member is on a machine that is to be left.
    pub fn is_leaving(&self, member: &Member) -> bool {
        let place = member.place.as_ref();
        member.stays() && place.is_some_and(|place| self.leaving.contains(place))
    }

    /// Notes whether a member that serves has nothing to do.
    pub fn idles(&mut self, id: &WorkerId, idle: bool) {
        if let Some(member) = self.members.get_mut(id) {
            member.idle = idle;
        }
    }

    /// Notes whether its provider can say of a member whether it runs. One that is lost and found
    /// to run has some time from then on to serve.
    pub fn reached(&mut self, id: &WorkerId, reached: bool, now: Duration) {
        if let Some(member) = self.members.get_mut(id)
            && member.unreachable == reached
        {
            member.unreachable = !reached;
            if member.state == MemberState::Lost {
                member.since = now;
            }
        }
    }

    /// Takes over a member that was lost before: that is no new failure.
    pub fn adopt_lost(&mut self, id: &WorkerId, now: Duration) {
        if let Some(member) = self.members.get_mut(id) {
            member.state = MemberState::Lost;
            member.since = now;
            member.unreachable = true;
        }
    }

    /// A member is lost: it counts as failed, through no fault of its own, unless it comes back.
    pub fn lost(&mut self, id: &WorkerId, now: Duration) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        if matches!(member.state, MemberState::Stopping | MemberState::Lost) {
            return;
        }
        let (role, served, born) = (member.role, member.served, member.born);
        self.observe(id, MemberState::Lost, now);
        self.remember(
            role,
            MemberEnd {
                at: now,
                finished: false,
                served,
                blameless: true,
                lived: now.saturating_sub(born),
                likeness: None,
            },
        );
    }

    /// Gives up a member that did not register in time: it is to stop, and counts as failed.
    pub fn overdue(&mut self, id: &WorkerId, now: Duration) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        let (role, served, born) = (member.role, member.served, member.born);
        let counted = member.state == MemberState::Lost;
        self.observe(id, MemberState::Stopping, now);
        if counted {
            return;
        }
        self.remember(
            role,
            MemberEnd {
                at: now,
                finished: false,
                served,
                blameless: false,
                lived: now.saturating_sub(born),
                likeness: None,
            },
        );
    }

    /// Takes a member out, and remembers its end unless it was asked for, or planned, or remembered
    /// when the member was lost. A code that stands for
    /// wrong input counts as that only from a launch that never served: later it is the job's own.
    /// A JobManager that served and exits with 0 has finished: its cluster was shut down through
    /// it, or its one job is done. A TaskManager has no work of its own to finish.
    pub fn ended(&mut self, id: &WorkerId, ending: &Ending, now: Duration) {
        let Some(member) = self.members.remove(id) else {
            return;
        };
        let asked_for = matches!(ending, Ending::Stopped | Ending::Planned);
        if asked_for || matches!(member.state, MemberState::Stopping | MemberState::Lost) {
            return;
        }
        if let (false, true, Some(code)) = (member.served, ending.is_final(), ending.code()) {
            self.hopeless = Some((id.clone(), code));
        }
        // A worker that has served is often ended by a job, which is no reason to end the cluster.
        let is_its_own = member.role != Role::TaskManager || !member.served;
        let done = member.served && ending.code() == Some(0);
        let finished = done && member.role != Role::TaskManager;
        self.remember(
            member.role,
            MemberEnd {
                at: now,
                finished,
                served: member.served,
                blameless: *ending == Ending::Elsewhere { blameless: true },
                lived: now.saturating_sub(member.born),
                likeness: ending.likeness().filter(|_| is_its_own),
            },
        );
    }

    fn remember(&mut self, role: Role, end: MemberEnd) {
        if !end.finished {
            *self.failures.entry(role).or_default() += 1;
        }
        let ends = self.ends.entry(role).or_default();
        ends.push(end);
        // No policy looks back further; a cluster may live for years.
        let surplus = ends.len().saturating_sub(MOST_ENDS);
        ends.drain(..surplus);
    }

    /// The members in the order of their ids.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = (&WorkerId, &Member)> {
        self.members.iter()
    }

    /// One member.
    pub fn member(&self, id: &WorkerId) -> Option<&Member> {
        self.members.get(id)
    }

    /// How members of a role ended that were not asked to, oldest first.
    pub fn ends(&self, role: Role) -> &[MemberEnd] {
        self.ends.get(&role).map_or(&[], Vec::as_slice)
    }

    /// How many members of a role have ended without being asked to and without having finished,
    /// ever.
    pub fn failures(&self, role: Role) -> usize {
        self.failures.get(&role).copied().unwrap_or(0)
    }

    /// A member that ended in a way that trying again cannot mend, and its exit code.
    pub fn hopeless(&self) -> Option<(&WorkerId, u8)> {
        self.hopeless.as_ref().map(|(id, code)| (id, *code))
    }

    /// How many members of a role are there and not on their way out.
    pub fn count(&self, role: Role) -> usize {
        let stays = |member: &&Member| member.role == role && member.stays();
        self.members.values().filter(stays).count()
    }
}
