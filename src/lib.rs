//! flugs runs Apache Flink at once: on one machine, on Docker, on Apache Mesos.
//!
//! The program itself: what the crates below `crates/` do is put together here (see
//! `ARCHITECTURE.md`). [`entrypoint`] reads the words of older scripts as launches. The application
//! master ([`appmaster`]) decides how many workers there should be ([`fleet`]), starts them
//! ([`provider`]), and remembers them ([`store`]). [`image`] builds images, and [`install`] is what
//! is run in one. [`cli`] turns arguments into calls.

#![cfg_attr(not(test), warn(unused_crate_dependencies))]

pub mod appmaster;
pub mod cli;
pub mod entrypoint;
pub mod fleet;
pub mod image;
pub mod install;
pub mod provider;
pub mod store;
