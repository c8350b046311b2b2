//! Workers as processes of the Mesos containerizer, without an image: flugs, Flink and everything
//! else come through the fetcher.

use super::scene::{Scene, kill, text};

/// Flink 1.13, the last release that had an integration with Mesos of its own.
#[test]
fn a_job_on_1_13_6_survives_its_worker_and_a_successor_of_the_application_master() {
    let mut scene = Scene::new("1.13.6", Scene::agents(2), &[]);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    scene.submit();
    scene.wait_until_counting();

    let before = scene.tasks();
    for task in &before {
        kill(scene.jvm(task), "KILL");
    }
    scene.wait_until("both workers are replaced", |scene| {
        let registered = scene.registered();
        registered.len() == 2 && registered.is_disjoint(&before)
    });
    scene.wait_until_counting();
    scene.counted_exactly();

    // SIGTERM leaves the workers to a successor.
    let (framework, before) = (scene.framework(), scene.tasks());
    assert!(scene.end("TERM").success());
    assert_eq!(scene.tasks(), before);
    let down = scene.flugs("down").output().unwrap();
    let told = text(&down);
    assert_eq!(down.status.code(), Some(121), "{told}");
    let left = scene.status()["mesosLeft"].to_string();
    for task in &before {
        assert!(told.contains(task) && left.contains(task), "{told} {left}");
    }
    assert_eq!(scene.tasks(), before);
    // So much for whoever says that nothing is left.
    let left = scene.left_over();
    let count = |what: &str| left.iter().filter(|one| one.starts_with(what)).count();
    assert_eq!((count("framework "), count("task ")), (1, 2), "{left:?}");
    assert!(count("process ") >= 4, "a flugs and a JVM each: {left:?}");
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until_whole();
    assert_eq!(scene.registered(), before);
    assert_eq!(scene.framework(), framework);

    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

/// What `mesos-appmaster-job.sh` does: one job, found in `usrlib`, and then the end.
#[test]
fn a_cluster_of_one_job_ends_with_it() {
    let mut scene = Scene::new("2.3.0", Scene::agents(1), &[]);
    scene.bring_job();
    let mut command = scene.appmaster();
    command.args(["--job", "--", "--count", "100", "--output"]);
    command.arg(scene.path("counts"));
    scene.start(&mut command);
    let ended = scene.ended();
    assert_eq!(ended.code(), Some(0), "{}", scene.log());
    assert_eq!(scene.counted(), 100);
    scene.counted_exactly();
    scene.nothing_is_left();
}

#[test]
fn workers_that_no_offer_suffices_for_wait_and_the_reasons_are_told() {
    let settings = ["mesos.resourcemanager.tasks.cpus=64".to_owned()];
    let mut scene = Scene::new("1.20.5", Scene::agents(1), &settings);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    let reason = "cpus: 64 wanted, 2 offered";
    scene.wait_until("the reason is told", |scene| {
        String::from_utf8_lossy(&scene.why().stdout).contains(reason)
    });
    assert_eq!(scene.why().status.code(), Some(93));
    let metrics = scene.metrics();
    for line in [
        "flugs_workers_wanted{profile=\"default\"} 2",
        "flugs_workers{profile=\"default\",state=\"waiting\"} 2",
        "flugs_mesos_subscribed 1",
        "flugs_mesos_offers_accepted_total 0",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line}: {metrics}");
    }
    let documented = include_str!("../../docs/mesos.md");
    let families = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    for family in families.filter_map(|rest| rest.split(' ').next()) {
        assert!(documented.contains(&format!("`{family}`")), "{family}");
    }
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

#[test]
fn wrong_options_end_it_before_anything_is_started() {
    let settings = ["mesos.resourcemanager.tasks.container.type=podman".to_owned()];
    let scene = Scene::new("1.20.5", Scene::agents(0), &settings);
    let ended = scene.appmaster().output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(75), "{said}");
    assert!(
        said.contains("mesos.resourcemanager.tasks.container.type"),
        "{said}"
    );
    assert!(!scene.path("cluster/sandboxes").exists());
}
