//! The names that the master, the agents and the framework give to things.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name {
            /// The id as text; not to be parsed.
            pub value: String,
        }

        impl $name {
            /// An id of this text.
            pub fn new(value: impl Into<String>) -> Self {
                Self { value: value.into() }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.pad(&self.value)
            }
        }
    )+};
}

id! {
    /// `FrameworkID`, given by the master at the first SUBSCRIBE.
    FrameworkId,
    /// `AgentID`, given by the master; one host may have several in its life.
    AgentId,
    /// `OfferID`, good for one ACCEPT or DECLINE.
    OfferId,
    /// `TaskID`, chosen by the framework; never used twice.
    TaskId,
    /// `ExecutorID`; for a command task, the task's id.
    ExecutorId,
    /// `ContainerID`, given by the agent.
    ContainerId,
}
