//! A double of Apache Mesos: masters and agents for tests, in one process.
//!
//! It speaks the v1 scheduler API over HTTP as a real master does, refuses what a real master
//! refuses, keeps its state and its timers, really runs tasks, and misbehaves when it is told to.
//! It shares no code with the scheduler that is tested against it, so that one misreading cannot be
//! made twice.
//!
//! ```text
//! let double = MesosDouble::start(Options::default()).await?;
//! println!("the master is at {}", double.address());
//! double.lose_agent(0);
//! double.return_agent(0);
//! double.stop().await;
//! ```

mod admin;
mod agent;
mod call;
mod clock;
mod cluster;
mod containerizer;
mod double;
mod election;
mod endpoint;
mod executor;
mod faults;
mod framework;
mod http;
mod identity;
mod master;
mod offer;
mod operations;
mod options;
mod resources;
mod schema;
mod status;
mod stream;
mod task;
mod timer;
mod update_queue;
mod validation;

pub use admin::{HELP as ADMIN_HELP, serve_admin};
pub use clock::Time;
pub use double::{DoubleError, MesosDouble};
pub use faults::{Chunking, Faults};
pub use options::{AgentOptions, Executors, Options};
