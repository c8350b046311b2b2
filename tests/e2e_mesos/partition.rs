//! The network between workers and their cluster is cut and mended: the workers live in a network
//! namespace whose one link goes down. Mesos sees them all the while, Flink does not.

use std::process::Command;

use mesos_double::AgentOptions;

use super::scene::Scene;

/// A network namespace with one link to this machine; both go with the test.
struct Network {
    name: String,
    link: String,
    here: String,
    there: String,
}

impl Network {
    fn make() -> Self {
        // Links have short names, and a network of four addresses for each process of this test.
        let number = std::process::id() % 16_384;
        let net = format!("10.213.{}.", number / 64);
        let first = number % 64 * 4;
        let network = Self {
            name: format!("flugs-net-{number}"),
            link: format!("flugs{number}"),
            here: format!("{net}{}", first + 1),
            there: format!("{net}{}", first + 2),
        };
        let (name, link) = (network.name.as_str(), network.link.as_str());
        ip(&["netns", "add", name]);
        ip(&[
            "link", "add", link, "type", "veth", "peer", "name", "inside", "netns", name,
        ]);
        let (here, there) = (
            format!("{}/30", network.here),
            format!("{}/30", network.there),
        );
        ip(&["address", "add", &here, "dev", link]);
        ip(&["-n", name, "address", "add", &there, "dev", "inside"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        ip(&["-n", name, "link", "set", "inside", "up"]);
        network.mend();
        network
    }

    fn cut(&self) {
        ip(&["link", "set", &self.link, "down"]);
    }

    fn mend(&self) {
        ip(&["link", "set", &self.link, "up"]);
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // The link goes with the namespace that its other end is in.
        ip(&["netns", "delete", &self.name]);
    }
}

#[track_caller]
fn ip(words: &[&str]) {
    let output = Command::new("ip").args(words).output().unwrap();
    assert!(
        output.status.success(),
        "ip {words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn workers_that_were_cut_off_come_back_or_are_replaced_and_the_job_goes_on() {
    let network = Network::make();
    // One agent behind the link; another one, on this side of it, is away for now.
    let mut options = Scene::agents(2);
    options.agents[0] = AgentOptions {
        hostname: network.there.clone(),
        address: Some(network.there.clone()),
        network_namespace: Some(network.name.clone()),
        ..options.agents[0].clone()
    };
    let settings = [
        format!("jobmanager.rpc.address={}", network.here),
        // Seconds instead of a minute until both sides believe what has happened.
        "heartbeat.interval=500".to_owned(),
        "heartbeat.timeout=4000".to_owned(),
        "cluster.registration.error-delay=1000".to_owned(),
        "flugs.mesos.return-patience=15000".to_owned(),
    ];
    let mut scene = Scene::new("1.20.5", options, &settings);
    scene.double.lose_agent(1);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit_by_rest();
    scene.wait_until_counting();
    let (framework, before) = (scene.framework(), scene.tasks());

    network.cut();
    scene.wait_until("no worker is registered", |scene| {
        scene.registered().is_empty()
    });
    assert_eq!(scene.tasks(), before, "for Mesos nothing has happened");
    network.mend();
    scene.wait_until_whole();
    scene.wait_until_counting();
    scene.counted_exactly();
    assert_eq!(
        scene.registered(),
        before,
        "the same workers, and no others"
    );
    assert_eq!(scene.tasks(), before);

    // Others take their places at once, where there is a way to them; when those that are cut off
    // have been away for longer than their return is waited for, they are killed.
    network.cut();
    scene.double.return_agent(1);
    scene.wait_until("all workers are others", |scene| {
        let registered = scene.registered();
        registered.len() == 2 && registered.is_disjoint(&before)
    });
    scene.wait_until_whole();
    scene.wait_until_counting();
    scene.counted_exactly();
    let after = scene.registered();
    scene.wait_until("nothing is left behind the cut", |scene| {
        scene.tasks() == after
    });
    network.mend();
    scene.wait_until_counting();
    assert_eq!(scene.registered(), after, "and nothing comes back");

    assert_eq!(scene.framework(), framework);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}
