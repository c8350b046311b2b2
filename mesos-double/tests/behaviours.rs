//! What naive doubles get wrong, and this one must not: one test for each behaviour of the list that
//! the project keeps of a real master's, by its number.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a failed test panics, and waits for what other threads do"
)]

mod behaviour {
    pub(crate) mod framework;
    pub(crate) mod scene;

    mod admin;
    mod agents;
    mod codes;
    mod masters;
    mod offers;
    mod operators;
    mod processes;
    mod streams;
    mod tasks;
}
mod support;
