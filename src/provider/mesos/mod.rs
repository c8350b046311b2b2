//! Workers as tasks of Mesos.
//!
//! Owns what the configuration says about them ([`options`]), what each task runs ([`task`]), the
//! loop around the pure scheduler ([`scheduling`]) and what passed through it in numbers
//! ([`tally`]), which worker is which task ([`workers`]), and what ended a task ([`failure`]). Never decides how many workers there are.

mod connection;
pub mod failure;
pub mod options;
pub mod scheduling;
pub mod tally;
pub mod task;
pub mod workers;
