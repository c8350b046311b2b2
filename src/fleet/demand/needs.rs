//! How many slots a job needs, by what Flink's REST documents say of it.
//!
//! Flink tells nowhere how many slots are missing. Tasks of vertices that share slots fit into as
//! many slots as the widest of them has tasks; vertices that do not share add up.

use std::collections::BTreeMap;

use flugs_flink::rest::{JobDetails, JobState, JobSummary, JobVertex, ResourceRequirements};

/// What a job that has not ended needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobNeeds {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub state: JobState,
    /// How many slots it wants.
    pub slots: u32,
    /// With how many it can run: fewer than it wants only with the adaptive scheduler.
    pub least: u32,
    /// Whether that is all there is to say. If not, it may want more in a moment, and nothing is
    /// taken from it.
    pub known: bool,
    /// Some of it waits for slots, and Flink does not tell which vertices share them: it may want
    /// up to so many.
    pub unsure: Option<u32>,
}

impl JobNeeds {
    /// The needs of a job, by its details and, under the adaptive scheduler, by what is declared
    /// for it; either may not have been had. Nothing if it has ended.
    pub fn of(
        summary: &JobSummary,
        details: Option<&JobDetails>,
        declared: Option<&ResourceRequirements>,
    ) -> Option<Self> {
        // The details are the younger of the two.
        let state = details.map_or(summary.state, |details| details.state);
        if state.is_terminal() {
            return None;
        }
        let of_state = |slots: Slots| Self {
            id: summary.jid.clone(),
            name: summary.name.clone(),
            state,
            slots: slots.wanted,
            least: slots.least,
            known: slots.known,
            unsure: slots.unsure,
        };
        let slots = match (state, details, declared) {
            // What it has is about to be free.
            (JobState::Failing | JobState::Cancelling, _, _) => Slots::known(0, 0),
            (_, Some(details), Some(declared)) if !details.vertices.is_empty() => {
                Slots::declared(details, declared)
            }
            (JobState::Running, Some(details), _) => Slots::of_active(details),
            (_, Some(details), _) => Slots::of_all(details),
            (_, None, _) => Slots::default(),
        };
        Some(of_state(slots))
    }

    /// In reactive mode a job wants whatever is there. Nothing is taken from one that does not run
    /// at the moment.
    pub fn reactive(summary: &JobSummary) -> Option<Self> {
        let known = matches!(
            summary.state,
            JobState::Running | JobState::Failing | JobState::Cancelling
        );
        (!summary.state.is_terminal()).then(|| Self {
            id: summary.jid.clone(),
            name: summary.name.clone(),
            state: summary.state,
            slots: 0,
            least: 0,
            known,
            unsure: None,
        })
    }
}

/// The default is a job of which nothing is known.
#[derive(Debug, Clone, Copy, Default)]
struct Slots {
    wanted: u32,
    least: u32,
    known: bool,
    unsure: Option<u32>,
}

impl Slots {
    const fn known(wanted: u32, least: u32) -> Self {
        Self {
            wanted,
            least,
            known: true,
            unsure: None,
        }
    }

    /// The adaptive scheduler's own declaration, whatever runs at the moment.
    fn declared(details: &JobDetails, declared: &ResourceRequirements) -> Self {
        let bounds = |vertex: &JobVertex| declared.get(&vertex.id).map(|one| one.parallelism);
        let most = |vertex: &JobVertex| {
            bounds(vertex).map_or_else(|| parallelism(vertex), |bounds| bounds.upper_bound)
        };
        let least = |vertex: &JobVertex| {
            bounds(vertex).map_or_else(|| parallelism(vertex), |bounds| bounds.lower_bound)
        };
        Self::known(shared(details, most), shared(details, least))
    }

    /// A job that runs wants slots for the tasks that are scheduled, and not for those of later
    /// stages.
    fn of_active(details: &JobDetails) -> Self {
        let wanted = shared(details, |vertex| vertex.tasks.active());
        let finished =
            |vertex: &JobVertex| i64::from(vertex.tasks.finished) >= vertex.parallelism.max(1);
        // Between two stages nothing is scheduled for a moment.
        let done = details.vertices.iter().all(finished) && details.pending_operators <= 0;
        let waits = details.vertices.iter().any(|one| one.tasks.scheduled > 0);
        Self {
            wanted,
            least: wanted,
            known: wanted > 0 || (done && !details.vertices.is_empty()),
            unsure: unsure(details, |vertex| vertex.tasks.active()).filter(|_| waits),
        }
    }

    /// A streaming job that does not run will need slots for all of its tasks. Another one only
    /// for those of a stage, and it is not told of which.
    fn of_all(details: &JobDetails) -> Self {
        if details.job_type.as_deref() == Some("STREAMING") && !details.vertices.is_empty() {
            let wanted = shared(details, parallelism);
            return Self::known(wanted, wanted);
        }
        let wanted = shared(details, |vertex| vertex.tasks.active());
        // Flink 1.13 calls a job that waits for its first slots INITIALIZING.
        let waits = matches!(details.state, JobState::Created | JobState::Initializing);
        Self {
            wanted,
            least: wanted,
            known: false,
            // The adaptive scheduler of older releases tells no vertex before it has slots.
            unsure: if details.vertices.is_empty() {
                waits.then_some(u32::MAX)
            } else {
                unsure(details, parallelism).filter(|_| waits)
            },
        }
    }
}

fn parallelism(vertex: &JobVertex) -> u32 {
    u32::try_from(vertex.parallelism.max(0)).unwrap_or(u32::MAX)
}

/// The slots for so many tasks of each vertex. Vertices whose group is not told are taken for one
/// group, which is Flink's default.
fn shared(details: &JobDetails, tasks: impl Fn(&JobVertex) -> u32) -> u32 {
    let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
    for vertex in &details.vertices {
        let group = vertex.slot_sharing_group_id.as_deref().unwrap_or_default();
        let widest = groups.entry(group).or_default();
        *widest = tasks(vertex).max(*widest);
    }
    groups.into_values().fold(0, u32::saturating_add)
}

/// The most that vertices may want whose groups are not told: no two of them share.
fn unsure(details: &JobDetails, tasks: impl Fn(&JobVertex) -> u32) -> Option<u32> {
    let untold = |vertex: &&JobVertex| vertex.slot_sharing_group_id.is_none();
    let untold = details.vertices.iter().any(|vertex| untold(&vertex));
    let all = details.vertices.iter().map(tasks);
    untold.then(|| all.fold(0, u32::saturating_add))
}
