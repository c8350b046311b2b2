//! Two application masters of one cluster, as on two machines, while a job counts: one leads, the
//! other stands by and takes over, whether the leader is killed, stops in order, or ends the cluster.

use super::scene::{Other, Scene, kill, text};
use super::zookeeper::Server;

const VERSION: &str = "1.20.5";

#[test]
fn an_application_master_that_stands_by_takes_the_cluster_over() {
    let mut zookeeper = Server::start();
    let scene = Scene::new(VERSION, Scene::agents(2), &[]);
    let mut scene = scene.highly_available(&zookeeper);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit();
    scene.wait_until_counting();
    let (framework, workers) = (scene.framework(), scene.tasks());
    let mut other = Other::new();

    an_outage_is_told_with_what_goes_on(&mut scene, &mut zookeeper);
    assert_eq!(scene.registered(), workers, "the same, and no others");

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

    comes_back_after_a_lost_session(&mut scene, &mut other);
    assert_eq!(scene.framework(), framework);
    assert_eq!(scene.tasks(), workers);
    scene.counted_exactly();

    // The cluster is ended: who stands by has nothing to take over, and ends as well.
    let down = scene.flugs("down").output().unwrap();
    assert!(down.status.success(), "{}", text(&down));
    assert!(scene.ended().success());
    let words = text(&down);
    assert!(
        words.contains(
            "is kept, and resumed by the next start under high-availability.cluster-id=/default"
        ),
        "{words}"
    );
    scene.swap(&mut other);
    assert!(scene.ended().success());
    assert!(scene.log().contains("the cluster has ended for good"));
    let status = scene.flugs("status").output().unwrap();
    let words = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(!words.contains("recorded in"), "{words}");
    scene.nothing_is_left();
}

/// ZooKeeper is away for a while, and the job counts on when it is back.
fn an_outage_is_told_with_what_goes_on(scene: &mut Scene, zookeeper: &mut Server) {
    const REACHABLE: &str = "flugs_zookeeper_reachable{purpose=\"state\"}";
    assert!(scene.metrics().contains(&format!("{REACHABLE} 1")));
    zookeeper.kill();
    scene.wait_until("the outage is told", |scene| {
        scene
            .log()
            .contains("no contact with ZooKeeper (zk://127.0.0.1:")
    });
    let why = scene.why();
    let words = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(
        words.contains("There has been no contact with ZooKeeper (zk://127.0.0.1:"),
        "{words}"
    );
    assert!(
        words.contains("no worker is launched or replaced"),
        "{words}"
    );
    let contact = scene.status()["zookeeper"][0].clone();
    assert_eq!(
        (&contact["purpose"], &contact["reachable"]),
        (&"state".into(), &false.into())
    );
    assert!(scene.metrics().contains(&format!("{REACHABLE} 0")));
    zookeeper.resume();
    scene.wait_until("its end is told", |scene| {
        scene.log().contains("is reached again, after ")
    });
    assert!(scene.metrics().contains(&format!("{REACHABLE} 1")));
    has_taken_over(scene);
}

/// The leader is away for longer than its session lasts, as a machine that is paused is: the other
/// one leads, and this one is the next in line when it is back, as the same process.
fn comes_back_after_a_lost_session(scene: &mut Scene, other: &mut Other) {
    stands_by(scene, other);
    let paused = scene.master();
    kill(paused, "STOP");
    let job_manager = scene.jvm("StandaloneSession");
    kill(job_manager, "STOP");
    scene.swap(other);
    scene.wait_until("the other one leads", |scene| {
        scene
            .last_log()
            .contains("this application master leads now")
    });
    let leader = scene.master();
    scene.swap(other);
    kill(job_manager, "CONT");
    kill(paused, "CONT");
    scene.wait_until("it stands by", |scene| {
        let status = scene.status();
        status["phase"] == "standby" && status["leader"]["pid"] == leader
    });
    assert_eq!(scene.master(), paused);
    scene.swap(other);
    has_taken_over(scene);
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
