//! Who takes an image: Docker, skopeo, umoci, and what Mesos does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::workshop::{Workshop, engine, read, run};

#[test]
fn docker_skopeo_umoci_and_a_mesos_image_directory_take_the_same_archive() {
    engine();
    let shop = Workshop::new();
    let name = "flugs-image-test:archive";
    let built = shop.build(
        "worker",
        "archive:image.tar",
        &["--output", "oci:layout", "--name", name],
    );
    let digest = built["digest"].as_str().unwrap();
    let id = built["ids"][0].as_str().unwrap();

    run(&[
        "docker",
        "load",
        "--quiet",
        "--input",
        &shop.text("image.tar"),
    ]);
    let of_docker = run(&[
        "docker",
        "image",
        "inspect",
        "--format",
        "{{.Id}} {{.Config.User}} {{.Config.StopSignal}}",
        name,
    ]);
    assert_eq!(of_docker, format!("{id} 9999:9999 SIGTERM"));
    run(&["docker", "image", "rm", name]);

    let containerd = |words: &[&str]| {
        run(&[&["ctr", "--namespace", "flugs-image-test", "images"], words].concat())
    };
    containerd(&["import", "--no-unpack", &shop.text("image.tar")]);
    let listed = containerd(&["list"]);
    assert!(
        listed.contains("docker.io/library/flugs-image-test:archive") && listed.contains(digest),
        "{listed}"
    );
    containerd(&["remove", "docker.io/library/flugs-image-test:archive"]);

    // As an OCI archive, as Docker's, and as a layout.
    let inspected = run(&[
        "skopeo",
        "inspect",
        &format!("oci-archive:{}", shop.text("image.tar")),
    ]);
    assert!(inspected.contains(digest), "{inspected}");
    let raw = run(&[
        "skopeo",
        "inspect",
        "--config",
        "--raw",
        &format!("docker-archive:{}", shop.text("image.tar")),
    ]);
    assert!(raw.contains("9999:9999"), "{raw}");
    run(&[
        "skopeo",
        "copy",
        &format!("oci:{}:archive", shop.text("layout")),
        &format!("dir:{}", shop.text("copied")),
    ]);
    assert!(shop.path("copied/manifest.json").exists());

    umoci_unpacks(&shop);
    mesos_unpacks(&shop, name);
}

/// What is in the image is what the definition says, with its modes.
fn umoci_unpacks(shop: &Workshop) {
    run(&[
        "umoci",
        "unpack",
        "--image",
        &format!("{}:archive", shop.text("layout")),
        &shop.text("bundle"),
    ]);
    let root = shop.path("bundle/rootfs");
    assert_eq!(
        read(&root.join("usr/local/bin/flugs")),
        read(&shop.path("flugs"))
    );
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("run/flugs"), 0o1777);
    assert_eq!(mode("opt/flink/log"), 0o775);
    assert_eq!(mode("docker-entrypoint.sh"), 0o755);
    assert!(!root.join("opt/flink/log/old.log").exists());
    assert!(
        fs::read_to_string(root.join("etc/passwd"))
            .unwrap()
            .contains("flink:x:9999:9999:")
    );
    // The base's merged /usr is still one.
    assert!(fs::symlink_metadata(root.join("bin")).unwrap().is_symlink());
    let configuration = fs::read_to_string(root.join("opt/flink/conf/config.yaml")).unwrap();
    assert!(configuration.contains("0.0.0.0"), "{configuration}");
}

/// What Mesos's image puller does with `NAME:TAG.tar` (its `image_tar_puller.cpp`): `tar -x`, the
/// topmost layer by `repositories`, its parents by each layer's `json`, and `tar -x` of every
/// `layer.tar` from the lowest.
fn mesos_unpacks(shop: &Workshop, name: &str) {
    let store = shop.path("mesos");
    fs::create_dir(&store).unwrap();
    run(&[
        "tar",
        "-x",
        "-C",
        store.to_str().unwrap(),
        "-f",
        &shop.text("image.tar"),
    ]);
    let json = |path: &Path| -> serde_json::Value { serde_json::from_slice(&read(path)).unwrap() };
    let (repository, tag) = name.split_once(':').unwrap();
    let mut next = json(&store.join("repositories"))[repository][tag]
        .as_str()
        .map(str::to_owned);
    let mut layers = Vec::new();
    while let Some(id) = next {
        let layer = json(&store.join(&id).join("json"));
        if layers.is_empty() {
            assert_eq!(layer["config"]["Entrypoint"][0], "/usr/local/bin/flugs");
        }
        next = layer["parent"].as_str().map(str::to_owned);
        layers.insert(0, id);
    }
    let root = shop.path("mesos-root");
    fs::create_dir(&root).unwrap();
    for id in layers {
        let layer = store.join(id).join("layer.tar");
        run(&[
            "tar",
            "-x",
            "-C",
            root.to_str().unwrap(),
            "-f",
            layer.to_str().unwrap(),
        ]);
    }
    assert_eq!(
        read(&root.join("usr/local/bin/flugs")),
        read(&shop.path("flugs"))
    );
    assert_eq!(read(&root.join("opt/flink/NOTICE")), b"Apache Flink");
}

#[test]
fn the_engine_gets_the_same_bytes_and_an_image_of_it_is_a_base() {
    engine();
    let shop = Workshop::new();
    let name = "flugs-image-test:engine";
    let built = shop.build(
        "worker",
        "docker",
        &["--name", name, "--output", "oci:layout"],
    );
    let id = run(&["docker", "image", "inspect", "--format", "{{.Id}}", name]);
    assert_eq!(id, built["ids"][0].as_str().unwrap());
    // What the engine gives back is the same image: nothing is compressed any more, so it is
    // compared by what is in it.
    let difference = shop.ok(&[
        "image",
        "diff",
        &format!("docker:{name}"),
        "oci:layout",
        "--json",
    ]);
    let difference: serde_json::Value = serde_json::from_str(&difference).unwrap();
    assert_eq!(difference["files"], serde_json::json!([]));
    assert_eq!(difference["config"], serde_json::json!([]));

    run(&["docker", "save", "--output", &shop.text("saved.tar"), name]);
    let ids: Vec<String> = [
        format!("docker:{name}"),
        "archive:saved.tar".to_owned(),
        "oci:layout".to_owned(),
    ]
    .iter()
    .map(|base| {
        let built = shop.build("appmaster", "archive:on-top.tar", &["--base", base]);
        built["ids"][0].as_str().unwrap().to_owned()
    })
    .collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    run(&["docker", "image", "rm", name]);
}
