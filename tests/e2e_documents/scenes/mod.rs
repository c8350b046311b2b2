//! The tests that run blocks.

mod containers;
mod embedded;
mod images;
mod launch;
mod mesos;
mod nightly;
mod tools;
