//! What a master refuses, in its words and in its order. Each check is a function of data.

pub(crate) mod command;
pub(crate) mod container;
pub(crate) mod framework;
pub(crate) mod health_check;
pub(crate) mod resource;
pub(crate) mod role;
pub(crate) mod task;
