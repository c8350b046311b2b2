//! The planner: from desired and observed to actions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flugs_model::{MemberState, Role, WorkerId};
use flugs_supervise::RestartPolicy;

use super::{Fleet, Member, Retry, StartPolicy, Verdict, judge, judge_starts};

/// How many members of each role there should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Members by role; a role that is absent is not wanted.
    pub members: BTreeMap<Role, usize>,
    /// Which members that ended are replaced, how soon, and how often.
    pub restart: RestartPolicy,
    /// For TaskManagers in place of `restart`, where they are started on machines that come and
    /// go: a lost one is no reason to wait, and no number of failures in a while ends the cluster.
    pub starts: Option<StartPolicy>,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start one more member of this role.
    Launch(Role),
    /// Stop this member.
    Stop(WorkerId),
    /// Call this member lost ([`Fleet::lost`]): it is not stopped, and another one is wanted.
    Lose(WorkerId),
    /// Stop this member, which did not register in time; it counts as failed
    /// ([`Fleet::overdue`]).
    GiveUpOn(WorkerId),
}

/// Why the cluster cannot be kept up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GiveUp {
    /// A role's members failed more often than the policy allows.
    Exhausted {
        /// The role.
        role: Role,
        /// How many failures were counted within the window.
        failures: usize,
    },
    /// More TaskManagers have failed than the cluster allows at all.
    TooManyFailed {
        /// How many.
        failed: usize,
        /// How many are allowed.
        allowed: usize,
    },
    /// Two members of a role in a row failed in the same way at their start; another would, too.
    Hopeless {
        /// The role.
        role: Role,
    },
    /// A member's launcher refused its input; another try would end the same way.
    Refused {
        /// The member.
        id: WorkerId,
        /// Its launcher's exit code.
        code: u8,
    },
}

/// What to do now, and when to look again if nothing happens before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// When a waiting replacement becomes due.
    pub next: Option<Duration>,
    /// Set when nothing further should be tried.
    pub give_up: Option<GiveUp>,
    /// A JobManager ended because its work is done: the cluster's is, too.
    pub finished: bool,
    /// TaskManagers are missing and none is started before [`Plan::next`]: so many failed to start
    /// within the last minute.
    pub paused: Option<usize>,
}

/// Decides. Pure: the same arguments give the same plan, and a plan that was carried out and
/// observed leads to an empty one.
pub fn plan(desired: &Desired, fleet: &Fleet, now: Duration) -> Plan {
    if let Some((id, code)) = fleet.hopeless() {
        let give_up = Some(GiveUp::Refused {
            id: id.clone(),
            code,
        });
        return Plan {
            give_up,
            ..Plan::default()
        };
    }
    let mut plan = Plan::default();
    for role in Role::ALL {
        let wanted = desired.members.get(&role).copied().unwrap_or(0);
        let present = fleet.count(role);
        if role == Role::TaskManager
            && present >= wanted
            && move_off(&mut plan, desired, fleet, now)
        {
            continue;
        }
        if present < wanted {
            add(&mut plan, desired, fleet, role, wanted - present, now);
        } else {
            let elsewhere = desired.starts.is_some() && role == Role::TaskManager;
            remove(&mut plan, fleet, role, present - wanted, elsewhere);
        }
    }
    if let Some(starts) = &desired.starts {
        judge_the_missing(&mut plan, starts, fleet, now);
    }
    plan
}

fn look_again(plan: &mut Plan, at: Duration) {
    plan.next = Some(plan.next.map_or(at, |next| next.min(at)));
}

fn add(plan: &mut Plan, desired: &Desired, fleet: &Fleet, role: Role, few: usize, now: Duration) {
    if let (Some(starts), Role::TaskManager) = (&desired.starts, role) {
        return add_elsewhere(plan, starts, fleet, few, now);
    }
    match judge(&desired.restart, fleet.ends(role), now) {
        Retry::Exhausted { failures } => {
            plan.give_up
                .get_or_insert(GiveUp::Exhausted { role, failures });
        }
        Retry::Hopeless => {
            plan.give_up.get_or_insert(GiveUp::Hopeless { role });
        }
        Retry::Finished => plan.finished = true,
        Retry::At(due) if due <= now => {
            plan.actions
                .extend(std::iter::repeat_n(Action::Launch(role), few));
        }
        Retry::At(due) => look_again(plan, due),
    }
}

fn add_elsewhere(plan: &mut Plan, starts: &StartPolicy, fleet: &Fleet, few: usize, now: Duration) {
    let failed = fleet.failures(Role::TaskManager);
    if let Some(allowed) = starts.maximum_failed.filter(|allowed| failed > *allowed) {
        plan.give_up
            .get_or_insert(GiveUp::TooManyFailed { failed, allowed });
        return;
    }
    match judge_starts(starts, fleet.ends(Role::TaskManager), now) {
        Verdict::Start { most } => {
            let many = most.map_or(few, |most| few.min(most));
            plan.actions
                .extend(std::iter::repeat_n(Action::Launch(Role::TaskManager), many));
        }
        Verdict::Pause { until, failed } => {
            plan.paused = Some(failed);
            look_again(plan, until);
        }
    }
}

/// Finds TaskManagers that are missed for too long. Only time in which the JobManager served
/// counts: nobody can register with one that is away.
fn judge_the_missing(plan: &mut Plan, starts: &StartPolicy, fleet: &Fleet, now: Duration) {
    let serves = |(_, member): &(&WorkerId, &Member)| {
        member.role.is_job_manager() && member.state == MemberState::Registered
    };
    let Some((_, job_manager)) = fleet.members().find(serves) else {
        return;
    };
    let served_since = job_manager.since;
    let the_rest_is_well = is_the_rest_well(fleet, served_since);
    for (id, member) in fleet.members() {
        if member.role != Role::TaskManager {
            continue;
        }
        let since = member.since.max(served_since);
        let (due, action) = match member.state {
            MemberState::Starting | MemberState::Running => {
                if the_rest_is_well && is_missed(member, served_since) {
                    let timeout = starts.loss_timeout.min(starts.return_timeout);
                    (since + timeout, Action::Lose(id.clone()))
                } else if member.served {
                    (since + starts.return_timeout, Action::GiveUpOn(id.clone()))
                } else {
                    let timeout = starts.registration_timeout;
                    (since + timeout, Action::GiveUpOn(id.clone()))
                }
            }
            // Its process runs, says its provider, and does not serve.
            MemberState::Lost if !member.unreachable => {
                (since + starts.return_timeout, Action::Stop(id.clone()))
            }
            _ => continue,
        };
        if due <= now {
            plan.actions.push(action);
        } else {
            look_again(plan, due);
        }
    }
}

/// Whether the JobManager had the member and gave it up, in the time that it has served: not one
/// that has yet to find a JobManager which was started again.
fn is_missed(member: &Member, served_since: Duration) -> bool {
    member.state == MemberState::Running && member.served && member.since > served_since
}

/// Whether so few machines are missed that it is they which are lost, and not the JobManager's own
/// connection: at most half of those that workers have served on, and one in any case. So a network
/// that breaks in two never doubles the fleet.
fn is_the_rest_well(fleet: &Fleet, served_since: Duration) -> bool {
    let (mut all, mut missed) = (BTreeSet::new(), BTreeSet::new());
    for (id, member) in fleet.members() {
        let counts = member.role == Role::TaskManager && member.served;
        if !counts || member.state == MemberState::Stopping {
            continue;
        }
        // Where the machine is not known, each is one of its own.
        let place = member.place.as_deref().unwrap_or(id.as_str());
        all.insert(place);
        if member.state == MemberState::Lost || is_missed(member, served_since) {
            missed.insert(place);
        }
    }
    missed.len() <= (all.len() / 2).max(1)
}

/// Moves workers off the machines that are to be left, one by one: another one is started and has
/// registered before one of them is stopped, so that never fewer serve than are wanted. Whether
/// there is anything to be moved.
fn move_off(plan: &mut Plan, desired: &Desired, fleet: &Fleet, now: Duration) -> bool {
    let Some(starts) = &desired.starts else {
        return false;
    };
    let workers =
        |(_, member): &(&WorkerId, &Member)| member.role == Role::TaskManager && member.stays();
    let (leaving, staying): (Vec<_>, Vec<_>) = fleet
        .members()
        .filter(workers)
        .partition(|(_, member)| fleet.is_leaving(member));
    if leaving.is_empty() {
        return false;
    }
    let serves = |(_, member): &(&WorkerId, &Member)| member.state == MemberState::Registered;
    let settled = staying.iter().all(serves);
    let wanted = desired
        .members
        .get(&Role::TaskManager)
        .copied()
        .unwrap_or(0);
    if settled && staying.len() < wanted {
        let there = staying
            .iter()
            .chain(&leaving)
            .filter(|one| serves(one))
            .count();
        if there <= wanted {
            add_elsewhere(plan, starts, fleet, 1, now);
            return true;
        }
    }
    let enough = staying
        .iter()
        .chain(&leaving)
        .filter(|one| serves(one))
        .count()
        > wanted;
    let mut candidates: Vec<_> = leaving
        .into_iter()
        .filter(|one| serves(one) && (enough || staying.len() >= wanted && settled))
        .collect();
    candidates.sort_by_key(|(_, member)| (!member.idle, std::cmp::Reverse(member.added)));
    let first = candidates.first();
    plan.actions
        .extend(first.map(|(id, _)| Action::Stop((*id).clone())));
    true
}

/// Stops those that do not serve yet before those that do, of these the idle ones before those
/// that work, and the youngest of each first. `elsewhere`: one that is known to run is left to
/// register, for nobody knows yet who of them works.
fn remove(plan: &mut Plan, fleet: &Fleet, role: Role, surplus: usize, elsewhere: bool) {
    let may_go = |member: &Member| match member.state {
        MemberState::Running => !elsewhere,
        _ => member.stays(),
    };
    let mut candidates: Vec<_> = fleet
        .members()
        .filter(|(_, member)| member.role == role && may_go(member))
        .collect();
    candidates.sort_by_key(|(_, member)| {
        (
            member.state == MemberState::Registered,
            !member.idle,
            std::cmp::Reverse(member.added),
        )
    });
    plan.actions.extend(
        candidates
            .into_iter()
            .take(surplus)
            .map(|(id, _)| Action::Stop(id.clone())),
    );
}

#[cfg(test)]
mod tests;
