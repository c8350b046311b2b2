//! Wires a cluster together: artifact server, JobManager, workers, provider, state.
//!
//! Owns the order of things; holds no rule of its own: what is wanted is [`crate::fleet`]'s, how
//! a process is run is [`flugs_launch`]'s and [`flugs_supervise`]'s.

mod chroot;
mod client_configuration;
mod cluster;
mod cluster_id;
mod distribution;
mod error;
mod event;
mod manifests;
pub mod mesos;
mod place;
mod preparation;
mod registration;
mod sandbox;
mod signals;
mod teardown;
mod training;

pub use chroot::lacks_chroot;
pub use cluster::{Cluster, Notify};
pub use distribution::Progress;
pub use error::AppMasterError;
pub use event::ClusterEvent;
pub use place::{Containers, Place};
pub use preparation::{ClusterSettings, PreparedCluster, prepare};
pub use signals::{StopRequest, StopSignals};
pub use teardown::{TornDown, tear_down};
pub use training::{Trained, TrainedArchive, Training};
