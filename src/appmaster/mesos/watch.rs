//! Looks at Flink: who is registered, and what jobs need.

use tokio::time::{Instant, sleep_until};

use super::super::registration::{Registered, ask_at};
use crate::fleet::demand::JobNeeds;
use crate::provider::mesos::options::ScalingOptions;
use flugs_flink::rest::{JobDetails, JobSummary, RestClient, RestError};

/// How Flink is looked at.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    client: RestClient,
    scaling: ScalingOptions,
}

/// What was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) registered: Registered,
    pub(super) jobs: Jobs,
}

/// What is known of the jobs.
#[derive(Debug)]
pub(super) enum Jobs {
    NotAsked,
    NoAnswer,
    Need(Vec<JobNeeds>),
}

impl Watch {
    pub(super) const fn new(client: RestClient, scaling: ScalingOptions) -> Self {
        Self { client, scaling }
    }

    /// Looks once the time has come. The workers are looked at last: a job that comes meanwhile
    /// has its slots by then, or the worker that is about to go is looked at again.
    pub(super) fn look(&self, at: Instant, jobs: bool) -> impl Future<Output = Seen> + use<> {
        let watch = self.clone();
        async move {
            sleep_until(at).await;
            let jobs = if jobs {
                watch.needs().await.map_or(Jobs::NoAnswer, Jobs::Need)
            } else {
                Jobs::NotAsked
            };
            Seen {
                registered: ask_at(&watch.client, at).await,
                jobs,
            }
        }
    }

    /// What the jobs need that have not ended. Of the others nothing is asked.
    async fn needs(&self) -> Result<Vec<JobNeeds>, RestError> {
        let mut needs = Vec::new();
        for job in self.client.jobs().await? {
            if job.state.is_terminal() {
                continue;
            }
            needs.extend(if self.scaling.reactive {
                JobNeeds::reactive(&job)
            } else {
                self.needs_of(&job).await
            });
        }
        Ok(needs)
    }

    async fn needs_of(&self, job: &JobSummary) -> Option<JobNeeds> {
        if job.is_being_made() {
            return JobNeeds::of(job, None, None);
        }
        // A job that ends meanwhile is gone from the next overview.
        let details = self.client.job(&job.jid).await.ok();
        let declared = if self.is_adaptive(job, details.as_ref()) {
            self.client.resource_requirements(&job.jid).await.ok()
        } else {
            None
        };
        JobNeeds::of(job, details.as_ref(), declared.as_ref())
    }

    /// Whether the job is of the adaptive scheduler, which takes streaming jobs only.
    fn is_adaptive(&self, job: &JobSummary, details: Option<&JobDetails>) -> bool {
        let of_type = |details: &JobDetails| details.job_type.as_deref() == Some("BATCH");
        let told = job.scheduler.as_deref();
        let adaptive = told.map_or(self.scaling.adaptive, |scheduler| {
            scheduler.eq_ignore_ascii_case("adaptive")
        });
        adaptive && !details.is_some_and(of_type)
    }
}
