//! `flugs appmaster` with a real Flink on a Mesos double whose agents really run tasks: jobs run,
//! survive what kills its parts, and nothing is left over.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod containers;
mod day;
mod demand;
#[path = "../docker_images/mod.rs"]
mod docker_images;
mod encrypted;
mod endings;
mod faults;
mod partition;
mod processes;
mod renewal;
mod scene;
mod standby;
#[path = "../streaming_job/mod.rs"]
mod streaming_job;
mod trained;
#[path = "../zookeeper_support/server.rs"]
mod zookeeper;
