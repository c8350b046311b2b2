//! A client of Flink's REST API: only what running a cluster needs.
//!
//! Never changes a cluster; never retries: the callers poll. Over TLS it trusts as Flink's
//! configuration says.

mod jobs;
mod security;
mod tls;

use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

pub use jobs::{
    JobDetails, JobState, JobSummary, JobVertex, ParallelismBounds, ResourceRequirements,
    TaskCounts, TaskTotals, VertexRequirements,
};
pub use security::{Lookup, is_rest_encrypted, rest_scheme};
pub use tls::{RestTls, RestTlsError};

/// How long one answer may take. A JobManager that starts or collects garbage is slow; one that
/// hangs must not hang its watcher.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks one JobManager.
#[derive(Debug, Clone)]
pub struct RestClient {
    base: Url,
    client: Client,
}

/// `GET /overview`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Overview {
    /// Registered TaskManagers.
    pub taskmanagers: usize,
    /// Slots of all of them.
    pub slots_total: u32,
    /// Slots that no job uses.
    pub slots_available: u32,
    /// The JobManager's Flink version.
    pub flink_version: String,
}

/// One entry of `GET /taskmanagers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredTaskManager {
    /// Its resource id: `taskmanager.resource-id` as it was launched with.
    pub id: String,
    /// Its slots.
    pub slots_number: u32,
    /// Those of them that no job has.
    pub free_slots: u32,
}

/// Why there was no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The JobManager's address is not a URL.
    #[error("\"{address}\" is not a URL")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// The answer is not what Flink answers: something else listens there.
    #[error("the answer to {path} is not a JobManager's: {reason}")]
    Unexpected {
        /// The path that was asked for.
        path: String,
        /// What the parser says.
        reason: String,
    },
    /// The request failed.
    #[error("the JobManager did not answer {path}")]
    Request {
        /// The path that was asked for.
        path: String,
        /// What went wrong.
        source: reqwest::Error,
    },
}

impl RestClient {
    /// A client of the JobManager at `address`, e.g. `http://localhost:8081`; one that speaks TLS
    /// needs to be told how.
    pub fn new(address: &str, tls: Option<&RestTls>) -> Result<Self, RestError> {
        let base = Url::parse(address).map_err(|source| RestError::Address {
            address: address.to_owned(),
            source,
        })?;
        // The address is a loopback or cluster address: a proxy meant for the outside world
        // would only be in the way. No certificate store is read for plain HTTP.
        let builder = Client::builder().timeout(TIMEOUT).no_proxy();
        let builder = match tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.client_config()),
            None => builder.tls_certs_only([]),
        };
        let client = builder.build().map_err(|source| RestError::Request {
            path: "/".to_owned(),
            source,
        })?;
        Ok(Self { base, client })
    }

    /// `GET /overview`.
    pub async fn overview(&self) -> Result<Overview, RestError> {
        self.get("/overview").await
    }

    /// `GET /taskmanagers`.
    pub async fn task_managers(&self) -> Result<Vec<RegisteredTaskManager>, RestError> {
        #[derive(Deserialize)]
        struct Answer {
            taskmanagers: Vec<RegisteredTaskManager>,
        }
        Ok(self.get::<Answer>("/taskmanagers").await?.taskmanagers)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestError> {
        let failed = |source| RestError::Request {
            path: path.to_owned(),
            source,
        };
        let mut url = self.base.clone();
        url.set_path(path);
        let answer = self.client.get(url).send().await.map_err(failed)?;
        let body = answer
            .error_for_status()
            .map_err(failed)?
            .bytes()
            .await
            .map_err(failed)?;
        serde_json::from_slice(&body).map_err(|error| RestError::Unexpected {
            path: path.to_owned(),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What real JobManagers answered when a job waited for a third slot.
    const RECORDED: [&str; 4] = [
        include_str!("../../../tests/data/flink-rest/1.13.6/short-taskmanagers.json"),
        include_str!("../../../tests/data/flink-rest/1.20.5/short-taskmanagers.json"),
        include_str!("../../../tests/data/flink-rest/1.20.5-adaptive/short-taskmanagers.json"),
        include_str!("../../../tests/data/flink-rest/2.3.0-adaptive/short-taskmanagers.json"),
    ];

    #[test]
    fn slots_that_a_waiting_job_was_given_are_not_free_in_any_release() {
        #[derive(Deserialize)]
        struct Answer {
            taskmanagers: Vec<RegisteredTaskManager>,
        }
        for recorded in RECORDED {
            let answer: Answer = serde_json::from_str(recorded).unwrap();
            let worker = &answer.taskmanagers[0];
            assert_eq!((worker.slots_number, worker.free_slots), (2, 0));
        }
    }
}
