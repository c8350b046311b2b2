//! `flugs launch` of a home, and of a manifest that a server has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::docker_images::flink_home;
use crate::known::{Scene, one};
use crate::place::{Place, shape};

#[test]
fn a_launch_runs_the_home_that_is_in_place_and_says_why_it_is_not_ready() {
    let home = flink_home("2.3.0");
    let exec = format!("exec env FLINK_HOME={} flugs", home.display());
    let place = Place::new(&[("FLINK_HOME=/opt/flink flugs", &exec)]);
    let mut block = one(
        Scene::Launch,
        "README.md",
        "FLINK_HOME=/opt/flink flugs launch",
    );
    // A name that nobody has.
    block.text = format!("{} -D jobmanager.rpc.address=jm", block.text.trim_end());
    let mut launch = place.start(&block);
    let of_flugs = |log: &str| {
        let mut lines = log.lines().filter(|line| line.contains("is not ready"));
        lines.next().map(str::to_owned)
    };
    launch.wait_until("it says why", |log| of_flugs(log).is_some());
    let shown = one(
        Scene::Launch,
        "docs/docker.md",
        "flugs: taskmanager is not ready",
    );
    assert_eq!(shape(&of_flugs(&launch.log()).unwrap()), shape(&shown.text));
    launch.stop();
    place.used_every_name();
}

#[test]
fn a_launch_takes_the_manifest_that_a_server_has() {
    let setting = Place::new(&[]);
    let manifest =
        r#"{"version":"1.0","role":"taskmanager","workerId":"taskmanager-7","artifacts":[]}"#;
    fs::write(setting.path("manifest.json"), manifest).unwrap();
    fs::write(setting.path("token"), "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(setting.path("token"), fs::Permissions::from_mode(0o600)).unwrap();
    let serve = crate::pages::Block {
        page: "the test".to_owned(),
        line: 0,
        text: "exec flugs serve --token-file token manifest.json".to_owned(),
    };
    let mut server = setting.start(&serve);
    server.wait_until("it serves", |log| {
        log.contains("/sha256/") && log.ends_with('\n')
    });
    let log = server.log();
    let url = log
        .split_whitespace()
        .find(|word| word.contains("/sha256/"))
        .unwrap();
    let digest = url.rsplit('/').next().unwrap();

    let home = flink_home("2.3.0");
    let place = Place::new(&[
        ("http://master:9090/sha256/…", url),
        ("--sha256 …", &format!("--sha256 {digest}")),
    ]);
    fs::copy(setting.path("token"), place.path("token")).unwrap();
    let block = one(
        Scene::Launch,
        "README.md",
        "flugs launch taskmanager --manifest",
    );
    let explained = place.run(&format!(
        "{} --flink-home {} --check",
        block.text.trim_end(),
        home.display()
    ));
    assert!(explained.contains("taskmanager-7"), "{explained}");
    place.used_every_name();
    server.stop();
}
