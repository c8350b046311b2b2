//! Two application masters of one cluster, as on two machines, while a job counts: one leads, the
//! other stands by and takes over, whether the leader is killed, stops in order, or ends the cluster.

use super::scene::{Other, Scene};
use super::zookeeper::Server;

const VERSION: &str = "1.20.5";

#[test]
fn an_application_master_that_stands_by_takes_the_cluster_over() {
    let zookeeper = Server::start();
    let scene = Scene::new(VERSION, Scene::agents(2), &[]);
    let mut scene = scene.highly_available(&zookeeper);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit();
    scene.wait_until_counting();
    let (framework, workers) = (scene.framework(), scene.tasks());
    let mut other = Other::new();

    stands_by(&mut scene, &mut other);
    scene.kill_master();
    let status = scene.flugs("status").output().unwrap();
    let words = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(words.contains("they are recorded in "), "{words}");
    scene.swap(&mut other);
    has_taken_over(&mut scene);
    assert_eq!(scene.framework(), framework);
    assert_eq!(scene.registered(), workers, "the same, and no others");

    // The one that was killed is back, and the leader stops in order.
    stands_by(&mut scene, &mut other);
    assert!(scene.end("TERM").success());
    scene.swap(&mut other);
    has_taken_over(&mut scene);
    assert_eq!(scene.framework(), framework);
    assert_eq!(scene.tasks(), workers);
    scene.counted_exactly();

    // The cluster is ended: who stands by has nothing to take over, and ends as well.
    stands_by(&mut scene, &mut other);
    assert!(scene.end("INT").success());
    scene.swap(&mut other);
    assert!(scene.ended().success());
    assert!(scene.log().contains("the cluster has ended for good"));
    let status = scene.flugs("status").output().unwrap();
    let words = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(!words.contains("recorded in"), "{words}");
    scene.nothing_is_left();
}

/// Starts the other one, which finds that this one leads.
fn stands_by(scene: &mut Scene, other: &mut Other) {
    let leader = scene.master();
    scene.swap(other);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("it stands by", |scene| {
        let status = scene.status();
        status["phase"] == "standby" && status["leader"]["pid"] == leader
    });
    let why = scene.why();
    assert_eq!(why.status.code(), Some(93));
    let words = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(words.contains(&format!("(process {leader},")), "{words}");
    scene.swap(other);
}

fn has_taken_over(scene: &mut Scene) {
    scene.wait_until_whole();
    scene.wait_until_counting();
    scene.counted_exactly();
}
