//! Images without an engine, and bundles.

use std::fs;

use crate::docker_images::docker;
use crate::known::{Scene, of, one};
use crate::pages::ROOT;
use crate::place::Place;

#[test]
fn images_and_bundles_are_made_looked_at_and_loaded() {
    // The script runs `flugs image base --output` with this machine's packages, once.
    Place::new(&[]).run(&format!(
        "'{ROOT}/tools/dockerd.sh'; '{ROOT}/tools/base-image.sh' '{ROOT}/target/docker-images/base'"
    ));
    let base = format!("cp --reflink=auto '{ROOT}/target/docker-images/base/base.tar' base.tar");
    let tag = format!("flugs-documents-{}", std::process::id());
    let place = Place::new(&[
        ("flugs image base --output base.tar", &base),
        ("/opt/flink", "flink"),
        ("files:/srv/flink", "files:srv"),
        ("docker:flink:2.3.0", &format!("docker:{tag}-worker")),
        (" …", ""),
    ]);
    small_home(&place);
    for role in ["worker", "appmaster"] {
        place.run(&format!(
            "sed -i 's/^name: flugs-{role}:.*/name: {tag}-{role}:latest/' images/{role}.yaml"
        ));
    }
    let _tags = Tags(tag);
    place.run_block(&one(Scene::Images, "README.md", "flugs image base"));
    place.run_block(&one(Scene::Images, "docs/images.md", "flugs image base"));
    for role in ["worker", "appmaster"] {
        place.run(&format!(
            "flugs image build images/{role}.yaml --base base.tar --flink-home flink --output oci:{role}"
        ));
    }
    place.run_block(&one(Scene::Images, "docs/images.md", "flugs image inspect"));

    fs::write(place.path("job.jar"), b"PK\x05\x06 a job").unwrap();
    fs::create_dir(place.path("conf")).unwrap();
    fs::write(place.path("conf/config.yaml"), "a: b\n").unwrap();
    place.run_block(&one(Scene::Images, "docs/bundles.md", "flugs bundle key"));
    place.run("cp air.bundle newer.bundle");
    place.run_block(&one(Scene::Images, "docs/bundles.md", "flugs bundle diff"));
    place.run("rm -r srv air.bundle");
    place.run_block(&one(Scene::Images, "README.md", "flugs bundle create"));
    assert!(place.path("srv/flink").is_dir());
    assert_eq!(of(Scene::Images).len(), 6);
    place.used_every_name();
}

/// The names that loading gives, which go with the test.
struct Tags(String);

impl Drop for Tags {
    fn drop(&mut self) {
        for role in ["worker", "appmaster"] {
            docker(&["rmi", "--force", &format!("{}-{role}", self.0)]);
        }
    }
}

/// A Flink home of a few small files: what is in the jars does not matter here.
fn small_home(place: &Place) {
    for (file, text) in [
        ("lib/flink-dist-2.3.0.jar", ""),
        ("lib/log4j-core.jar", ""),
        (
            "conf/config.yaml",
            "jobmanager:\n  rpc:\n    address: localhost\n",
        ),
        ("conf/log4j-console.properties", "rootLogger.level = INFO\n"),
        ("bin/flink", "#!/bin/sh\n"),
    ] {
        let path = place.path("flink").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}
