//! Maintenance, as it is told: which agents go, when, and who is there still.

use super::report::MaintenanceReport;
use super::run::MesosCluster;
use super::why::duration;
use crate::provider::mesos::scheduling::{Link, Publish};
use flugs_mesos::scheduler::Describe;
use flugs_mesos::wire::AgentId;

impl<D: Describe, L: Link, P: Publish> MesosCluster<D, L, P> {
    pub(super) fn maintenance_reports(&self) -> Vec<MaintenanceReport> {
        let reports = self.workers.leaving().map(|(agent, leaving, left)| {
            let wanted = self.workers.workers().values();
            let wanted = wanted.filter_map(|worker| worker.task.as_ref());
            let stopping = self.workers.stopping().values();
            let there = wanted.chain(stopping).filter(|task| task.agent == *agent);
            MaintenanceReport {
                agent: agent.value.clone(),
                hostname: leaving.hostname.clone(),
                begins_in_seconds: left.as_secs(),
                lasts_seconds: leaving.duration.map(|duration| duration.as_secs()),
                leaving: leaving.is_told(),
                tasks: there.map(|task| task.task.value.clone()).collect(),
            }
        });
        let concerns = |one: &MaintenanceReport| one.leaving || !one.tasks.is_empty();
        reports.filter(concerns).collect()
    }

    /// A line for the log.
    pub(super) fn maintenance_notice(&self, agent: &AgentId, leaves: bool) -> String {
        let reports = self.maintenance_reports();
        let report = reports.iter().find(|report| report.agent == agent.value);
        match report.filter(|_| leaves) {
            Some(report) => report.text(),
            None => format!("the agent {} is not to be left any more", agent.value),
        }
    }
}

impl MaintenanceReport {
    /// What people read: when, for how long, and what becomes of whom.
    pub fn text(&self) -> String {
        let lasts = self.lasts_seconds.map(duration);
        let lasts = lasts.map_or_else(String::new, |lasts| format!(", for {lasts}"));
        let begins = match self.begins_in_seconds {
            0 => format!("{} is in maintenance{lasts}", self.hostname),
            seconds => format!(
                "{} goes into maintenance in {}{lasts}",
                self.hostname,
                duration(seconds)
            ),
        };
        let tasks = self.tasks.join(", ");
        let what = match (self.leaving, self.tasks.len()) {
            (true, 0) => "nothing of this cluster is left there".to_owned(),
            (true, 1) => format!("{tasks} is moved off it as soon as another worker serves"),
            (true, _) => format!("{tasks} are moved off it, one by one, as others serve"),
            (false, 0) => "nothing of this cluster is there".to_owned(),
            (false, 1) => format!("{tasks} stays until it is time"),
            (false, _) => format!("{tasks} stay until it is time"),
        };
        format!("{begins}: {what}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_in_words() {
        let report = |begins, leaving, tasks: &[&str]| {
            let report = MaintenanceReport {
                agent: "S1".to_owned(),
                hostname: "agent1".to_owned(),
                begins_in_seconds: begins,
                lasts_seconds: Some(60),
                leaving,
                tasks: tasks.iter().map(|task| (*task).to_owned()).collect(),
            };
            report.text()
        };
        let all = [
            report(3600, false, &["taskmanager-1-1"]),
            report(16, true, &["taskmanager-1-1"]),
            report(16, true, &["taskmanager-1-1", "taskmanager-2-2"]),
            report(16, true, &[]),
            report(0, true, &[]),
        ];
        insta::assert_snapshot!(all.join("\n"), @"
        agent1 goes into maintenance in 1 h 0 min, for 1 min 0 s: taskmanager-1-1 stays until it is time
        agent1 goes into maintenance in 16 s, for 1 min 0 s: taskmanager-1-1 is moved off it as soon as another worker serves
        agent1 goes into maintenance in 16 s, for 1 min 0 s: taskmanager-1-1, taskmanager-2-2 are moved off it, one by one, as others serve
        agent1 goes into maintenance in 16 s, for 1 min 0 s: nothing of this cluster is left there
        agent1 is in maintenance, for 1 min 0 s: nothing of this cluster is left there
        ");
    }
}
