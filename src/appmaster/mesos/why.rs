//! Why nothing is launched, in plain words.
//!
//! Pure: the text is a function of the document, so that `flugs why` prints the same wherever the
//! document comes from.

mod demand;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::report::{
    ContactPhaseReport, ContactReport, FailuresReport, HeldBackReport, RecentFailure,
    RefusalReport, WaitingReport, WhyReport, ZooKeeperReport,
};
use flugs_base::listed;

/// How many agents, workers and failures are named one by one.
const MOST: usize = 10;

/// How many agents are named that have the same reason.
const FEW: usize = 3;

impl WhyReport {
    /// The text that people read.
    pub fn text(&self) -> String {
        if let Some(leader) = &self.leader {
            let mut text = format!("This application master stands by: {leader} leads.");
            for outage in self.zookeeper.iter().filter_map(ZooKeeperReport::outage) {
                let _ = write!(text, "\n{outage}");
            }
            return text;
        }
        let mut text = String::new();
        self.summarise(&mut text);
        if let Some(demand) = &self.demand {
            let _ = writeln!(text, "{}", demand.text());
        }
        if !self.waiting.is_empty() || self.mesos.phase != ContactPhaseReport::Subscribed {
            let _ = writeln!(text, "{}", contact(&self.mesos));
        }
        for zookeeper in &self.zookeeper {
            text.extend(zookeeper.outage().map(|outage| outage + "\n"));
        }
        if let Some(pause) = &self.paused {
            let _ = writeln!(
                text,
                "{} not started for another {}: {} within the last minute.",
                counted(pause.missing, "worker is", "workers are"),
                duration(pause.seconds),
                counted(pause.failed, "start has failed", "starts have failed"),
            );
        }
        for lost in self.lost.iter().take(MOST) {
            let _ = writeln!(
                text,
                "{} on {} has been lost for {}: Flink does not know it, and Mesos says {}. Another \
                 one is wanted in its place.",
                lost.task,
                lost.hostname,
                duration(lost.seconds),
                lost.task_state.as_deref().unwrap_or("nothing"),
            );
        }
        for maintenance in self.maintenance.iter().take(MOST) {
            let _ = writeln!(text, "{}.", maintenance.text());
        }
        for waiting in &self.waiting {
            waiting.describe(&self.mesos, &mut text);
        }
        let failures = self.failures.text(MOST);
        if !failures.is_empty() {
            let _ = write!(text, "\n{failures}");
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn summarise(&self, text: &mut String) {
        let waiting: usize = self.waiting.iter().map(|one| one.workers.len()).sum();
        let _ = if self.registered > self.wanted {
            write!(
                text,
                "{} registered, of which {} wanted",
                counted(self.registered, "worker is", "workers are"),
                be(self.wanted),
            )
        } else {
            write!(
                text,
                "{} of {} registered",
                self.registered,
                counted(self.wanted, "worker is", "workers are"),
            )
        };
        if self.starting > 0 {
            let _ = write!(text, ", {} on the way", be(self.starting));
        }
        if !self.lost.is_empty() {
            let _ = write!(text, ", {} lost", be(self.lost.len()));
        }
        if waiting > 0 {
            let verb = if waiting == 1 { "waits" } else { "wait" };
            let _ = write!(text, ", {waiting} {verb} for an offer");
        }
        let _ = writeln!(text, ".");
    }
}

impl ZooKeeperReport {
    /// That it is away, since when, and what goes on; nothing if it is there.
    pub fn outage(&self) -> Option<String> {
        let reason = self.reason.as_deref().filter(|_| !self.reachable)?;
        let meanwhile = self.meanwhile.as_deref().unwrap_or_default();
        Some(format!(
            "There has been no contact with ZooKeeper ({}) for {}: {reason}. Meanwhile {meanwhile}.",
            self.place,
            duration(self.seconds),
        ))
    }
}

impl WaitingReport {
    fn describe(&self, contact: &ContactReport, text: &mut String) {
        let _ = writeln!(
            text,
            "\nProfile {}, which wants {}:",
            self.profile, self.wants
        );
        for worker in self.workers.iter().take(MOST) {
            let _ = write!(
                text,
                "  {} has waited {}",
                worker.id,
                duration(worker.seconds)
            );
            match &worker.again {
                Some(again) => {
                    let _ = writeln!(text, "; before that, {again}");
                }
                None => text.push('\n'),
            }
        }
        let more = self.workers.len().saturating_sub(MOST);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
        if self.refusals.is_empty() {
            if contact.phase == ContactPhaseReport::Subscribed {
                let _ = writeln!(text, "  No offer was looked at for it yet.");
            }
            return;
        }
        let _ = writeln!(text, "  The last offers were not used:");
        for (reasons, agents) in grouped(&self.refusals) {
            let _ = writeln!(text, "    {}: {reasons}", listed(agents, FEW));
        }
        if let Some(held_back) = &self.held_back {
            let _ = writeln!(text, "  {}", held_back.text());
        }
    }
}

impl HeldBackReport {
    /// What it makes one suspect.
    fn text(&self) -> String {
        let Self {
            hostname,
            resource,
            before,
            now,
            role,
            ..
        } = self;
        format!(
            "Of {hostname} this framework could have {resource}: {before} before, and can have \
             {now} now, its own tasks included: a quota of the role {role} may limit what it is \
             offered (GET_QUOTA on the master says), or others hold the rest."
        )
    }
}

/// Agents that were refused for the same reasons stand together.
fn grouped(refusals: &[RefusalReport]) -> Vec<(String, Vec<&str>)> {
    let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for refusal in refusals {
        let agents = groups.entry(refusal.reasons.join("; ")).or_default();
        agents.push(&refusal.hostname);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    // What holds for most agents comes first.
    groups.sort_by_key(|(_, agents)| std::cmp::Reverse(agents.len()));
    groups
}

fn contact(contact: &ContactReport) -> String {
    let since = duration(contact.seconds);
    match contact.phase {
        ContactPhaseReport::Connecting => {
            format!("The Mesos master has not accepted the framework in {since} so far.")
        }
        ContactPhaseReport::Disconnected => {
            let reason = contact.reason.as_deref().unwrap_or("no reason is known");
            format!("There has been no contact with the Mesos master for {since}: {reason}.")
        }
        ContactPhaseReport::Subscribed => match contact.last_offer_seconds {
            Some(ago) => format!(
                "The Mesos master has made {} in {since}, the last {} ago.",
                counted(
                    usize::try_from(contact.offers).unwrap_or(usize::MAX),
                    "offer",
                    "offers"
                ),
                duration(ago),
            ),
            None => format!(
                "The Mesos master has made no offer in {since}: is there an agent with free resources for the framework's role, and does a quota or another framework hold them?"
            ),
        },
    }
}

impl FailuresReport {
    /// What people read of it; nothing if there is nothing to tell. At most so many ends that are
    /// not alike are named.
    pub fn text(&self, most: usize) -> String {
        let mut text = String::new();
        if !self.planned.is_empty() {
            let _ = writeln!(
                text,
                "Ended by those who run the agents, which is no failure; the last:"
            );
            list(&self.planned, "ended", most, &mut text);
        }
        if self.recent.is_empty() {
            return text;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        let allowed = self.allowed.map(|allowed| {
            format!(", of at most {allowed} that are allowed (mesos.maximum-failed-tasks)")
        });
        let _ = writeln!(
            text,
            "{} failed{}; the last:",
            counted(self.total, "worker has", "workers have"),
            allowed.unwrap_or_default(),
        );
        list(&self.recent, "failed", most, &mut text);
        text
    }
}

/// Ends that are alike stand together.
fn list(ends: &[RecentFailure], how: &str, most: usize, text: &mut String) {
    let mut alike: Vec<(_, Vec<&RecentFailure>)> = Vec::new();
    for end in ends {
        let likeness = end.likeness();
        match alike.iter_mut().find(|(known, _)| *known == likeness) {
            Some((_, ends)) => ends.push(end),
            None => alike.push((likeness, vec![end])),
        }
    }
    for (_, ends) in alike.iter().take(most) {
        let Some(last) = ends.first() else { continue };
        let ago = duration(last.seconds_ago);
        let places = ends
            .iter()
            .map(|end| format!("{} on {}", end.task, end.hostname));
        let _ = match ends.len() {
            1 => writeln!(
                text,
                "  {} on {}, {ago} ago: {}",
                last.task, last.hostname, last.text
            ),
            many => writeln!(
                text,
                "  {many} workers {how} likewise, the last {ago} ago: {}\n    {}",
                last.text,
                listed(places, MOST)
            ),
        };
    }
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn be(number: usize) -> String {
    counted(number, "is", "are")
}

/// A length of time as people say it; the two largest units.
pub(super) fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
#[path = "why/tests.rs"]
mod tests;
