//! The images as people run them: `docker run` with a real engine and a real Flink.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and it waits for the programs that it runs"
)]

mod command;
#[path = "../docker_images/mod.rs"]
mod docker_images;
mod exec;
mod health;
mod image;
mod job;
mod registration;
mod scene;
mod session;
