//! `flugs up` with a real Flink: it comes up, computes, and survives what kills its parts.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod cluster;
#[path = "../streaming_job/counts.rs"]
mod counts;
#[path = "../flink_homes/mod.rs"]
mod flink_homes;
mod jobs;
mod launch;
mod lifecycle;
mod neighbours;
mod restarts;
#[path = "../streaming_job/mod.rs"]
mod streaming_job;
#[path = "../zookeeper_support/server.rs"]
mod zookeeper;
