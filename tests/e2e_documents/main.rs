//! The documents are true: every block of commands in them is run as it stands, with names replaced
//! that this machine has otherwise, and every block that shows something is checked against what it
//! shows.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a failed test panics and says which block it was at; it waits for what it runs"
)]

#[path = "../docker_images/mod.rs"]
mod docker_images;
mod known;
mod named;
mod pages;
mod place;
mod scenes;
mod shown;
