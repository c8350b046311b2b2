//! The recordings whose tasks are containers, against the double and the local Docker engine.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a failed test panics, and waits for what other programs do"
)]

mod replay {
    pub(crate) mod files;
    pub(crate) mod image;
    pub(crate) mod matching;
    #[expect(dead_code, reason = "other recordings need more of it")]
    pub(crate) mod player;
    pub(crate) mod recording;
}
#[expect(dead_code, reason = "the behaviours need more of it")]
mod support;

use mesos_double::{AgentOptions, Options, Time};
use replay::image::{busybox_image, save_image};
use replay::player::Player;

fn options() -> Options {
    Options {
        agents: vec![AgentOptions {
            attributes: "rack:r1;zone:z1;cores:8;slots:[1-4]".to_owned(),
            ..AgentOptions::default()
        }],
        time: Time::Virtual,
        ..Options::default()
    }
}

#[test]
fn docker_tasks() {
    let image = busybox_image();
    Player::start("04-docker-tasks", options(), 0.44)
        .with_name("debian:bookworm", &image)
        .play();
}

#[test]
fn image_tasks() {
    let image = busybox_image();
    let directory = tempfile::tempdir().unwrap();
    save_image(&image, &directory.path().join("debian:bookworm.tar"));
    let mut options = options();
    // What is reserved for another role is not offered.
    options.agents[0].resources =
        "cpus(flink):2;mem(flink):1024;ports:[31000-31500];cpus:3;mem:3072;disk:10000".to_owned();
    options.agents[0].image_directory = directory.path().to_owned();
    Player::start("05-image-tasks", options, 0.97)
        .with_name("/var/lib/mesos/images", directory.path().to_str().unwrap())
        .play();
}

#[test]
fn health_checks() {
    let image = busybox_image();
    Player::start("10-health-checks", options(), 0.64)
        .with_name("debian:bookworm", &image)
        .play();
}
