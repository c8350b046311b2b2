//! How many workers jobs want, in plain words.

use std::fmt::Write as _;

use super::super::report::{DemandReport, JobDemandReport};
use super::{MOST, counted};

impl DemandReport {
    /// The text that people read: a line or several.
    pub fn text(&self) -> String {
        let mut text = self.summary();
        if let Some(limit) = &self.limit {
            let _ = write!(
                text,
                "\n{} allows {}: {} of the {} that this takes {} wanted.",
                limit.option,
                counted(limit.slots as usize, "slot", "slots"),
                self.workers,
                counted(limit.workers_without, "worker", "workers"),
                if self.workers == 1 { "is" } else { "are" },
            );
            if self.least_slots > limit.slots {
                let _ = write!(
                    text,
                    " Jobs cannot run with fewer than {} slots.",
                    self.least_slots
                );
            }
        }
        if self.held {
            let unknown = self.jobs.iter().filter(|job| !job.known);
            let unknown: Vec<String> = unknown.take(MOST).map(named).collect();
            let _ = write!(
                text,
                "\nNo worker goes at the moment: it is not known yet what these need: {}.",
                unknown.join(", ")
            );
        }
        text
    }

    fn summary(&self) -> String {
        let wanting = || self.jobs.iter().filter(|job| job.slots > 0);
        let workers = format!(
            "{} of the profile {}",
            counted(self.workers, "worker", "workers"),
            self.profile
        );
        let reserve = match self.redundant {
            0 => String::new(),
            many => format!(", {many} of them redundant"),
        };
        let many = wanting().count();
        if many == 0 {
            let why = if self.workers == self.minimum {
                "always kept"
            } else {
                "wanted"
            };
            let be = if self.workers == 1 { "is" } else { "are" };
            return format!("No job requires slots: {workers} {be} {why}{reserve}.");
        }
        let jobs: Vec<String> = wanting()
            .take(MOST)
            .map(|job| format!("{} {}", job.name, slots(job)))
            .collect();
        let more = match many.saturating_sub(MOST) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        format!(
            "{} {} ({}{more}): {workers} with {} each{reserve}.",
            counted(many, "job requires", "jobs require"),
            counted(self.required_slots as usize, "slot", "slots"),
            jobs.join(", "),
            counted(self.slots_per_worker as usize, "slot", "slots"),
        )
    }
}

fn named(job: &JobDemandReport) -> String {
    format!("{} ({})", job.name, job.state)
}

fn slots(job: &JobDemandReport) -> String {
    if job.least < job.slots {
        format!("{} to {}", job.least, job.slots)
    } else {
        job.slots.to_string()
    }
}
