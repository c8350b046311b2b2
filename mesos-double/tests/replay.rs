//! The double against the exchanges recorded with a real master and agent: every call is made
//! again, and every answer and every event has to be the same, but for ids, times and processes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a failed test panics, and waits for what other threads do"
)]

mod replay {
    pub(crate) mod files;
    pub(crate) mod matching;
    #[expect(dead_code, reason = "other recordings need more of it")]
    pub(crate) mod player;
    pub(crate) mod recording;
}
#[expect(dead_code, reason = "the behaviours need more of it")]
mod support;

use mesos_double::{AgentOptions, Options, Time};
use replay::player::Player;
use std::collections::BTreeMap;
use std::time::Duration;

fn agent() -> AgentOptions {
    AgentOptions {
        attributes: "rack:r1;zone:z1;cores:8;slots:[1-4]".to_owned(),
        limit_memory: true,
        ..AgentOptions::default()
    }
}

fn options() -> Options {
    Options {
        agents: vec![agent()],
        time: Time::Virtual,
        agent_timeout: Duration::from_secs(3),
        ..Options::default()
    }
}

/// The agent of the later recordings.
fn big() -> Options {
    let mut options = options();
    let resources = "ports:[31000-31500];cpus:4;mem:6144;disk:10000";
    resources.clone_into(&mut options.agents[0].resources);
    options
}

#[test]
fn status_codes() {
    Player::start("01-status-codes", options(), 0.0).play();
}

#[test]
fn offers() {
    Player::start("02-offers", options(), 0.86).play();
}

#[test]
fn command_tasks() {
    Player::start("03-command-tasks", options(), 0.87).play();
}

#[test]
fn invalid_tasks() {
    Player::start("06-invalid-tasks", options(), 0.8).play();
}

#[test]
fn acknowledge_failover_reconcile() {
    Player::start("07-acknowledge-failover-reconcile", options(), 0.96).play();
}

#[test]
fn failover_timeout() {
    Player::start("08-failover-timeout", options(), 0.5).play();
}

#[test]
fn roles_and_reservations() {
    let mut options = options();
    options.agents[0].resources =
        "cpus(flink):2;mem(flink):1024;ports:[31000-31500];cpus:3;mem:3072;disk:10000".to_owned();
    Player::start("09-roles-reservations", options, 0.5).play();
}

#[test]
fn agent_loss() {
    Player::start("11-agent-loss", options(), 0.95).play();
}

#[test]
fn maintenance() {
    Player::start("14-maintenance", big(), 0.86).play();
}

#[test]
fn drain() {
    Player::start("15-drain", big(), 0.84).play();
}

#[test]
fn marked_gone() {
    Player::start("16-marked-gone", big(), 0.5).play();
}

#[test]
fn registry_lost() {
    Player::start("17-registry-lost", big(), 0.5).play();
}

#[test]
fn authentication() {
    let credentials = BTreeMap::from([("flink".to_owned(), "s3cret".to_owned())]);
    let options = Options {
        credentials,
        ..options()
    };
    Player::start("12-authentication", options, 0.5).play();
}

#[test]
fn redirect() {
    let options = Options {
        ports: vec![0, 0],
        ..options()
    };
    Player::start("13-redirect", options, 0.5)
        .of_follower()
        .play();
}
