//! What takes minutes: builds, and training the JVM.

use crate::docker_images::{docker, docker_ok, flink_home, images};
use crate::known::{Scene, one};
use crate::pages::ROOT;
use crate::place::Place;

/// From a copy of this tree to a word count, with the target directory of this one.
#[test]
fn nightly_quickstart_brings_a_cluster_up_and_counts_words() {
    let place = Place::new(&[]);
    place.run(&format!(
        "mkdir clone; cd '{ROOT}'; git ls-files -z | xargs -0 cp --parents -t {}",
        place.path("clone").display()
    ));
    let mut block = one(Scene::Nightly, "README.md", "./quickstart.sh");
    block.text = format!(
        "cd clone; export CARGO_TARGET_DIR='{ROOT}/target'; {}",
        block.text
    );
    let said = place.run_block(&block);
    place.run("cd clone; flugs down --dir .flugs/cluster");
    assert!(place.path("clone/.flugs/wordcount").exists(), "{said}");
}

#[test]
fn nightly_training_keeps_archives_that_launches_then_use() {
    let home = flink_home("2.3.0");
    let place = Place::new(&[("/opt/flink", home.to_str().unwrap())]);
    let train = "flugs artifact train --flink-home /opt/flink";
    let page = "docs/docker.md";
    place.run_block(&one(Scene::Nightly, page, &format!("{train}\n")));
    let (command, shown) = one(Scene::Nightly, page, "$ flugs launch").session();
    let said = place.run(&format!("export FLINK_HOME=/opt/flink; {command}"));
    // The directory is the user's here, and the digest another.
    let ends = |text: &str| {
        let (before, after) = text.trim().split_once(".jsa").unwrap();
        (
            before.split_whitespace().next().unwrap().to_owned(),
            after.to_owned(),
        )
    };
    assert_eq!(ends(&said), ends(&shown));
    let travelling = format!("{train} --travelling");
    place.run_block(&one(Scene::Nightly, page, &travelling));
    place.used_every_name();
}

#[test]
fn nightly_trained_images_are_built_for_the_engine_and_by_it() {
    images("2.3.0");
    let names = "{{.Repository}}:{{.Tag}}";
    let base = docker_ok(&["images", "--format", names, "flugs-e2e-base"]);
    let base = base.lines().next().unwrap();
    let home = flink_home("2.3.0");
    let home = home.to_str().unwrap();
    let tag = format!("flugs-documents-{}", std::process::id());
    let engine = format!("--engine worker --name {tag}-engine");
    let place = Place::new(&[
        ("--engine worker", &engine),
        ("/opt/flink-2.3.0", home),
        ("/opt/flink", home),
        ("eclipse-temurin:17-jre-jammy", base),
    ]);
    place.run(&format!(
        "cp '{ROOT}'/target/docker-images/base/base.tar base.tar; \
         sed -i 's/^name: .*/name: {tag}-worker:latest/' images/worker.yaml"
    ));
    place.run_block(&one(
        Scene::Nightly,
        "docs/docker.md",
        "flugs image build --engine",
    ));
    let train = "flugs image build images/worker.yaml --train";
    place.run_block(&one(Scene::Nightly, "docs/images.md", train));
    for built in ["engine", "worker"] {
        docker_ok(&["run", "--rm", &format!("{tag}-{built}"), "help"]);
        docker(&["rmi", "--force", &format!("{tag}-{built}")]);
    }
    place.used_every_name();
}
