//! `flugs up` with everything that has to last on a real HDFS: the metadata of high availability
//! and the checkpoints.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

#[path = "../e2e_up/cluster.rs"]
#[expect(dead_code, reason = "shared with tests that need more of it")]
mod cluster;
#[path = "../streaming_job/counts.rs"]
mod counts;
#[path = "../flink_homes/mod.rs"]
mod flink_homes;
mod hdfs;
mod recovery;
#[path = "../streaming_job/mod.rs"]
mod streaming_job;
#[path = "../zookeeper_support/server.rs"]
mod zookeeper;
