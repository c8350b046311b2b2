//! Everything that goes wrong while a job runs, one after the other on one cluster: after each,
//! what is wanted runs, the job goes on where it was, and no number was counted twice.

use std::process::Output;
use std::time::Duration;

use mesos_double::Options;
use serde_json::json;

use super::scene::{Scene, free_port, kill};
use super::zookeeper::Server;

const VERSION: &str = "1.20.5";

/// A cluster whose jobs survive their JobManager.
fn highly_available(zookeeper: &Server, options: Options) -> Scene {
    let scene = Scene::new(VERSION, options, &[]);
    scene
        .highly_available(zookeeper)
        .with(&[format!("high-availability.jobmanager.port={}", free_port())])
}

#[test]
fn a_job_goes_on_whatever_part_of_its_cluster_is_lost() {
    let zookeeper = Server::start();
    let options = Options {
        ports: vec![0, 0],
        ..Scene::agents(3)
    };
    let mut scene = highly_available(&zookeeper, options);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit_by_rest();
    scene.wait_until_counting();
    let framework = scene.framework();

    application_master_killed(&mut scene);
    job_manager_killed(&mut scene);
    worker_killed(&mut scene);
    agent_maintained(&mut scene);
    agent_lost_and_back(&mut scene);
    leader_changed(&mut scene);
    offers_stale(&mut scene);
    master_cut_off(&mut scene);

    assert_eq!(scene.framework(), framework);
    scene.counted_exactly();
    // And what was on the machine that died, until Mesos says that it is gone for good.
    assert!(recorded(&zookeeper) >= 2);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
    assert_eq!(recorded(&zookeeper), 0, "nodes of tasks that are gone");
}

/// How many tasks the store has.
fn recorded(zookeeper: &Server) -> usize {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let address = zookeeper.address().to_string();
        let client = zookeeper_client::Client::connect(&address).await.unwrap();
        let nodes = client.list_children("/flink/default/mesos-workers/tasks");
        nodes.await.unwrap_or_default().len()
    })
}

fn recovered(scene: &mut Scene) {
    scene.wait_until_whole();
    scene.wait_until_counting();
    scene.counted_exactly();
}

fn application_master_killed(scene: &mut Scene) {
    let before = scene.tasks();
    scene.kill_master();
    assert_eq!(scene.tasks(), before, "the workers stay");
    let mut command = scene.appmaster();
    scene.start(&mut command);
    recovered(scene);
    assert_eq!(
        scene.registered(),
        before,
        "the same workers, and no others"
    );
    assert_eq!(scene.tasks(), before);
}

fn job_manager_killed(scene: &mut Scene) {
    let before = scene.tasks();
    kill(scene.jvm("cluster/sandboxes/jobmanager"), "KILL");
    scene.wait_until("the loss is seen", |scene| {
        scene.status()["phase"] != "ready"
    });
    recovered(scene);
    assert_eq!(
        scene.registered(),
        before,
        "a JobManager's death is no worker's"
    );
}

fn worker_killed(scene: &mut Scene) {
    let victim = scene.busy();
    kill(scene.jvm(&victim), "KILL");
    scene.wait_until("the worker is gone", |scene| {
        !scene.tasks().contains(&victim)
    });
    recovered(scene);
}

/// An operator plans maintenance of the machine that works: its worker is moved to another one, which
/// is no failure, and it is told when nothing is left there.
fn agent_maintained(scene: &mut Scene) {
    let failures = scene.status()["failures"]["total"].clone();
    let victim = scene.busy();
    let agent = scene.agent_of(&victim);
    scene.plan_maintenance(agent, Duration::from_secs(240));
    let told = |output: &Output, what: &str| String::from_utf8_lossy(&output.stdout).contains(what);
    scene.wait_until("why says so", |scene| {
        told(&scene.why(), "moved off it") && told(&scene.why(), &victim)
    });
    // If the last worker went between two of the master's questions, it asks no more, and there was
    // nothing to accept: what is left there is what counts.
    scene.wait_until("nothing is left there", |scene| {
        told(&scene.why(), "nothing of this cluster is left there")
    });
    let status = scene.operate(&json!({"type": "GET_MAINTENANCE_STATUS"}));
    assert!(status.contains("draining_machines"), "{status}");
    // Not before nothing was left there.
    assert!(!scene.tasks().contains(&victim));
    recovered(scene);
    assert!(told(
        &scene.flugs("status").output().unwrap(),
        "goes into maintenance in"
    ));
    let there = |task: &String| scene.agent_of(task) == agent;
    assert!(!scene.registered().iter().any(there), "all were moved");
    assert_eq!(scene.status()["failures"]["total"], failures);
    scene.drop_maintenance();
}

/// The machine dies with its workers, and comes back without them.
fn agent_lost_and_back(scene: &mut Scene) {
    let victim = scene.busy();
    let agent = scene.agent_of(&victim);
    scene.double.crash_agent(agent);
    scene.wait_until("the worker is gone", |scene| {
        !scene.registered().contains(&victim)
    });
    recovered(scene);
    scene.double.return_agent(agent);

    // Cut off and back, its workers alive.
    let victim = scene.busy();
    let agent = scene.agent_of(&victim);
    scene.double.lose_agent(agent);
    scene.wait_until("the agent is missed", |scene| {
        scene.log().contains("does not answer")
    });
    scene.double.return_agent(agent);
    recovered(scene);
    scene.wait_until("no task too many", |scene| scene.tasks().len() == 2);
}

fn leader_changed(scene: &mut Scene) {
    let before = scene.tasks();
    scene.double.elect(Some(1));
    scene.wait_until("the new leader knows the tasks", |scene| {
        scene.tasks() == before
    });
    recovered(scene);
    assert_eq!(scene.registered(), before);
}

/// Offers that are void before they are used: the launch is repeated with others.
fn offers_stale(scene: &mut Scene) {
    scene.double.set_faults(|faults| faults.stale_offers = 100);
    let victim = scene.busy();
    kill(scene.jvm(&victim), "KILL");
    scene.wait_until("a launch fails", |scene| {
        String::from_utf8_lossy(&scene.why().stdout).contains("the launch did not happen")
    });
    scene.double.set_faults(|faults| faults.stale_offers = 0);
    recovered(scene);
}

/// The connection to the master breaks: nothing happens to the workers.
fn master_cut_off(scene: &mut Scene) {
    let before = scene.tasks();
    scene.double.cut_connections();
    scene.wait_until("the framework is back", |scene| {
        let status = scene.status();
        status["mesos"]["phase"] == "subscribed"
            && status["mesos"]["seconds"]
                .as_u64()
                .is_some_and(|seconds| seconds < 5)
    });
    recovered(scene);
    assert_eq!(scene.registered(), before);
}
