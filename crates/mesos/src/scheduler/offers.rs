//! Offers: used or given back at once; wanted only while somebody waits.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Queued;
use super::{Change, Describe, Goal, Launch, Phase, Report, Scheduler, Stopping, Task, TaskRecord};
use crate::matching::{Matching, Placement, Situation, Use, match_offers};
use crate::scheduler::Duration;
use crate::wire::{
    Accept, CallBody, Decline, Filters, Launch as LaunchOperation, Offer, OfferId, Operation,
    OperationType, TaskId, TaskInfo,
};

impl<D: Describe> Scheduler<D> {
    pub(super) fn offers(&mut self, offers: &[Offer]) {
        self.note_unavailability(offers);
        self.note_room(offers);
        // Who stays comes first, and who goes last before who goes soon.
        let mut offers = offers.to_vec();
        offers.sort_by_key(|offer| {
            let goes = offer
                .unavailability
                .as_ref()
                .map(|one| one.start.nanoseconds);
            std::cmp::Reverse(goes.unwrap_or(i64::MAX))
        });
        let offers = offers.as_slice();
        let leaving = self.leaving_soon();
        let matching = if self.stopping == Stopping::No {
            let avoided: BTreeSet<_> = self.avoided.keys().cloned().collect();
            let situation = Situation {
                profiles: &self.settings.profiles,
                placed: self.places.groups(),
                avoided: &avoided,
                leaving: &leaving,
            };
            match_offers(offers, &self.waiting.ready, situation)
        } else {
            let declines = offers.iter().map(|offer| offer.id.clone()).collect();
            Matching {
                declines,
                ..Matching::default()
            }
        };
        self.remember_refusals(&matching);
        self.decline(offers, matching.declines);
        let uses = matching.uses.iter();
        let placed = uses.flat_map(|used| used.placements.iter().map(|one| &one.worker));
        self.waiting.take_first(&placed.collect());
        for used in matching.uses {
            self.accept(used);
        }
    }

    /// Declines for long; what comes from an agent that is left alone for a moment, for as long.
    fn decline(&mut self, offers: &[Offer], declined: Vec<OfferId>) {
        if declined.is_empty() {
            return;
        }
        self.declined = true;
        let mut by_time: BTreeMap<Duration, Vec<OfferId>> = BTreeMap::new();
        let agents: BTreeMap<_, _> = offers.iter().map(|one| (&one.id, &one.agent_id)).collect();
        for offer in declined {
            let until = agents.get(&offer).and_then(|agent| self.avoided.get(agent));
            let rest = until.map(|until| until.saturating_sub(self.now));
            let time = rest.map_or(self.settings.refuse, |rest| rest.min(self.settings.refuse));
            by_time.entry(time).or_default().push(offer);
        }
        for (time, offer_ids) in by_time {
            let refuse_seconds = Some(time.as_secs_f64());
            self.send(CallBody::Decline(Decline {
                offer_ids,
                filters: Some(Filters { refuse_seconds }),
            }));
        }
    }

    fn remember_refusals(&mut self, matching: &Matching) {
        let waiting = &self.waiting.ready;
        self.refusals
            .retain(|profile, _| waiting.contains_key(profile));
        for (profile, refusals) in &matching.refusals {
            let known = self.refusals.entry(profile.clone()).or_default();
            known.extend(refusals.iter().map(|one| (one.agent.clone(), one.clone())));
        }
    }

    fn filters(&self) -> Filters {
        let refuse_seconds = Some(self.settings.refuse.as_secs_f64());
        Filters { refuse_seconds }
    }

    /// Uses an offer: the tasks are written down, and the ACCEPT waits for that.
    fn accept(&mut self, used: Use) {
        let mut infos = Vec::new();
        let mut tasks = Vec::new();
        for placement in &used.placements {
            let (task, info) = self.prepare(&used, placement);
            tasks.push(task);
            infos.push(info);
        }
        let launch = Operation {
            kind: OperationType::Launch,
            launch: Some(LaunchOperation { task_infos: infos }),
            launch_group: None,
        };
        let accept = Accept {
            offer_ids: vec![used.offer.clone()],
            operations: vec![launch],
            filters: Some(self.filters()),
        };
        // What is left of the offer is refused for as long as a declined one is.
        self.declined = true;
        let queued = Queued {
            ticket: self.ticket,
            call: self.call(CallBody::Accept(accept)),
            offer: Some(used.offer),
            tasks,
        };
        self.outbox.push(queued);
    }

    fn prepare(&mut self, used: &Use, placement: &Placement) -> (TaskId, TaskInfo) {
        self.serial += 1;
        let worker = placement.worker.clone();
        let task = TaskId::new(format!("{worker}-{}", self.serial));
        let info = self.describe.describe(Launch {
            task: &task,
            worker: &worker,
            profile: &placement.profile,
            hostname: &used.host.hostname,
            ports: &placement.ports,
        });
        let info = TaskInfo {
            task_id: task.clone(),
            agent_id: used.agent.clone(),
            resources: placement.resources.clone(),
            ..info
        };
        let record = TaskRecord {
            task: task.clone(),
            serial: self.serial,
            worker: worker.clone(),
            profile: placement.profile.clone(),
            agent: used.agent.clone(),
            host: self.hosts.share(&used.agent, &used.host),
            ports: placement.ports.clone(),
            goal: Goal::Run,
            state: None,
        };
        self.places.take(&self.settings.profiles, &record);
        self.store(Change::Task(Box::new(record.clone())));
        let entry = Task {
            record: Some(record),
            agent: Some(used.agent.clone()),
            goal: Goal::Run,
            phase: Phase::Queued,
            since: self.now,
            lost: false,
            down: None,
            kills: 0,
            wake: Duration::MAX,
        };
        self.tasks.insert(task.clone(), entry);
        if let Some(entry) = self.workers.get_mut(&worker) {
            entry.current = Some(task.clone());
            entry.serves = false;
            entry.absent = true;
        }
        self.report(Report::Launched {
            worker,
            task: task.clone(),
            agent: used.agent.clone(),
            hostname: used.host.hostname.clone(),
            ports: placement.ports.clone(),
        });
        (task, info)
    }

    pub(super) fn rescinded(&mut self, offer: &OfferId) {
        let tasks = self.outbox.rescind(offer);
        self.never_launched(tasks);
    }

    /// Suppresses offers when nobody waits, and revives them when somebody does; clears filters
    /// when somebody waits whom the declined offers were not measured against.
    pub(super) fn adjust_interest(&mut self) {
        let wanted = !self.waiting.is_empty() && self.stopping == Stopping::No;
        if !wanted {
            if !self.suppressed {
                self.suppressed = true;
                self.send_in_order(CallBody::Suppress(None));
            }
            return;
        }
        let interval = self.settings.revive_interval;
        let rested = self.revived.is_none_or(|last| last + interval <= self.now);
        let filtered = self.waiting.fresh && self.declined && rested;
        if self.suppressed || filtered {
            self.suppressed = false;
            self.declined = false;
            self.revived = Some(self.now);
            self.waiting.fresh = false;
            // An ACCEPT that came after it would set its filter against what is left of its offer.
            self.send_in_order(CallBody::Revive(None));
        } else if !self.declined {
            // No filter stands against them.
            self.waiting.fresh = false;
        }
    }
}
