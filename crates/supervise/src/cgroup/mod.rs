//! What the container may use, read from control groups v1, v2 and mixtures of both.
//!
//! Owns finding the groups (nested, bind-mounted, in a private namespace) and reading their
//! limits and memory counters. Never reports the host's totals: no limit is `None`.

mod hierarchy;
mod limits;
mod memory;

pub use hierarchy::{Group, Version};
pub use limits::{ContainerLimits, container_limits, container_limits_below};
pub(super) use memory::MemoryWatch;
