//! Desired against observed workers: who should be started, stopped, replaced, and when; and how
//! many of them jobs want ([`demand`]).
//!
//! Owns the decisions and nothing else: the planner is a function of what is wanted, what was
//! observed and the time, and never talks to a process, a socket or a disk. The same planner
//! therefore runs over processes, containers and Mesos tasks, and in a simulation.

pub mod demand;
mod member;
mod planner;
mod restart;
mod start;

pub use member::{Ending, Fleet, Member};
pub use planner::{Action, Desired, GiveUp, Plan, plan};
pub use restart::{MemberEnd, Retry, default_policy, judge};
pub use start::{StartPolicy, Verdict, judge_starts};
