//! HTTP/1.1 by hand, so that it can be spoken wrongly: chunks cut anywhere, sockets that go silent.

pub(crate) mod connection;
pub(crate) mod events;
pub(crate) mod request;
pub(crate) mod response;
