//! How tasks are run: the Mesos containerizer as processes, the Docker containerizer through the
//! local engine, and what both have in common.

pub(crate) mod docker;
mod docker_arguments;
pub(crate) mod environment;
pub(crate) mod fetcher;
pub(crate) mod health;
mod memory;
pub(crate) mod process;
mod provisioner;
pub(crate) mod sandbox;
mod signals;
mod tree;
