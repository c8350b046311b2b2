//! A double with its runtime, for a test.

use crate::support::PATIENCE;
use mesos_double::{AgentOptions, Executors, MesosDouble, Options, Time};
use std::ops::Deref;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A running double; a test's end is its own.
pub(crate) struct Scene {
    double: Option<MesosDouble>,
    runtime: Runtime,
}

impl Scene {
    /// Agents that pretend, in virtual time.
    pub(crate) fn pretended(agents: usize) -> Self {
        Self::with(options(agents))
    }

    pub(crate) fn with(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let double = runtime.block_on(MesosDouble::start(options)).unwrap();
        Self {
            double: Some(double),
            runtime,
        }
    }

    pub(crate) fn pass(&self, seconds: f64) {
        self.advance(Duration::from_secs_f64(seconds));
    }

    pub(crate) fn start_master(&self, node: usize) {
        self.runtime
            .block_on(self.deref().start_master(node))
            .unwrap();
    }
}

impl Deref for Scene {
    type Target = MesosDouble;

    fn deref(&self) -> &MesosDouble {
        self.double.as_ref().unwrap()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(double) = self.double.take() {
            self.runtime.block_on(double.stop());
        }
    }
}

pub(crate) fn options(agents: usize) -> Options {
    let agent = AgentOptions {
        executors: Executors::Pretended,
        ..AgentOptions::default()
    };
    Options {
        agents: vec![agent; agents],
        time: Time::Virtual,
        ..Options::default()
    }
}

/// Waits for what other threads do.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it did not come to pass");
        sleep(Duration::from_millis(5));
    }
}
