//! `standalone-job`: the user's jar in `usrlib`, the user's own read-only `conf`, no shell.

use std::fs;
use std::process::Command;

use super::docker_images::{docker_ok, flink_home, text};
use super::scene::Scene;

/// An image in which nothing could run a script.
fn without_a_shell(scene: &Scene, image: &str) -> String {
    let directory = scene.directory.path().join("shell-less");
    fs::create_dir(&directory).unwrap();
    let dockerfile = format!(
        "FROM {image}\nUSER 0\nRUN [\"rm\", \"-f\", \"/bin/sh\", \"/bin/bash\", \"/bin/dash\", \
         \"/docker-entrypoint.sh\"]\nRUN [\"ln\", \"-s\", \"/usr/local/bin/flugs\", \
         \"/docker-entrypoint.sh\"]\nUSER 9999:9999\n"
    );
    fs::write(directory.join("Dockerfile"), dockerfile).unwrap();
    docker_ok(&["build", "--quiet", directory.to_str().unwrap()])
}

fn a_standalone_job_runs_from_usrlib_with_a_read_only_conf(version: &str) {
    let scene = Scene::new(version);
    let conf = scene.directory.path().join("conf");
    let shipped = flink_home(version).join("conf");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&shipped, &conf])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", text(&copied));
    fs::write(
        conf.join("config.yaml"),
        "jobmanager.rpc.address: job\n\
         jobmanager.memory.process.size: 900m\n\
         taskmanager.memory.process.size: 1100m\n\
         taskmanager.numberOfTaskSlots: 2\n",
    )
    .unwrap();
    let before = fs::read(conf.join("config.yaml")).unwrap();
    let conf = format!("{}:/opt/flink/conf:ro", conf.display());
    let jar = format!("{}:/opt/flink/usrlib/job.jar:ro", scene.job_jar().display());
    let shell_less = without_a_shell(&scene, &scene.images.appmaster);
    let options = ["--volume", &conf, "--volume", &jar];
    let job = [
        "/docker-entrypoint.sh",
        "standalone-job",
        "--job-classname",
        "StreamingJob",
        "-D",
        "parallelism.default=2",
        "--count",
        "50",
        "--output",
        "/shared/counts",
    ];
    let entrypoint = ["--entrypoint", "/docker-entrypoint.sh"];
    scene.start("tm", &options, &scene.images.worker, &["taskmanager"]);
    scene.start(
        "job",
        &[&options[..], &entrypoint].concat(),
        &shell_less,
        &job[1..],
    );
    assert_eq!(scene.exit_code("job"), "0", "{}", scene.end_of_logs("job"));
    assert_eq!(scene.lines("counts"), 50);
    assert_eq!(scene.stop("tm"), "0", "{}", scene.end_of_logs("tm"));
    assert_eq!(
        fs::read(scene.directory.path().join("conf/config.yaml")).unwrap(),
        before
    );
    docker_ok(&["rm", &scene.full("job")]);
    docker_ok(&["rmi", &shell_less]);
}

#[test]
fn flink_1_20_5_runs_a_standalone_job_from_usrlib_with_a_read_only_conf() {
    a_standalone_job_runs_from_usrlib_with_a_read_only_conf("1.20.5");
}

#[test]
fn flink_2_3_0_runs_a_standalone_job_from_usrlib_with_a_read_only_conf() {
    a_standalone_job_runs_from_usrlib_with_a_read_only_conf("2.3.0");
}
