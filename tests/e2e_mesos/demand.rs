//! Workers on demand: they come when a job wants slots, and go when they are idle.

use super::scene::Scene;

fn settings(of_test: &[&str]) -> Vec<String> {
    let idle = "resourcemanager.taskmanager-timeout=2000";
    [idle]
        .iter()
        .chain(of_test)
        .map(|one| (*one).to_owned())
        .collect()
}

#[test]
fn workers_come_when_a_job_wants_slots_and_the_idle_ones_go_down_to_the_minimum() {
    let settings = settings(&["mesos.initial-tasks=1"]);
    let mut scene = Scene::new("1.20.5", Scene::agents(2), &settings);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("one worker serves", |scene| {
        scene.status()["phase"] == "ready" && scene.tasks().len() == 1
    });
    let kept = scene.tasks();
    assert_eq!(scene.status()["demand"]["workers"], 1);

    scene.submit_over(2);
    scene.wait_until_counting();
    let busy = scene.registered();
    assert!(busy.len() == 2 && busy.is_superset(&kept), "{busy:?}");
    let demand = scene.status()["demand"].clone();
    assert_eq!(demand["requiredSlots"], 2, "{demand}");
    assert_eq!(demand["usedSlots"], 2, "{demand}");
    assert_eq!(demand["jobs"][0]["slots"], 2, "{demand}");
    let why = scene.why();
    let told = String::from_utf8_lossy(&why.stdout).into_owned();
    assert!(told.contains("1 job requires 2 slots"), "{told}");
    assert!(why.status.success(), "{told}");

    scene.cancel_jobs();
    scene.wait_until("the minimum is left", |scene| {
        let status = scene.status();
        status["phase"] == "ready"
            && status["demand"]["workers"] == 1
            && status["workers"]
                .as_array()
                .is_some_and(|all| all.len() == 1)
            && scene.tasks().len() == 1
    });
    assert!(scene.tasks().is_subset(&busy));
    assert_eq!(scene.status()["failures"]["total"], 0);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}

/// The adaptive scheduler says what it wants and runs with less; no worker is kept.
#[test]
fn from_no_worker_to_as_many_as_the_limit_allows_and_back() {
    let settings = settings(&[
        "mesos.initial-tasks=0",
        "slotmanager.number-of-slots.max=2",
        "jobmanager.scheduler=Adaptive",
        "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout=1 s",
    ]);
    let mut scene = Scene::new("2.3.0", Scene::agents(2), &settings);
    let mut command = scene.appmaster();
    scene.start(&mut command);
    scene.wait_until("the JobManager serves", |scene| {
        scene.status()["phase"] == "ready"
    });
    assert!(scene.tasks().is_empty());

    scene.submit_over(3);
    scene.wait_until("as many are registered as may be", |scene| {
        scene.registered().len() == 2
    });
    scene.wait_until_counting();
    let demand = scene.status()["demand"].clone();
    assert_eq!(demand["requiredSlots"], 3, "{demand}");
    assert_eq!(demand["leastSlots"], 1, "{demand}");
    assert_eq!(demand["limit"]["workersWithout"], 3, "{demand}");
    assert_eq!(scene.tasks().len(), 2);

    scene.cancel_jobs();
    scene.wait_until("nobody is left", |scene| {
        scene.tasks().is_empty() && scene.status()["phase"] == "ready"
    });
    assert_eq!(scene.status()["failures"]["total"], 0);
    assert!(scene.end("INT").success());
    scene.nothing_is_left();
}
