//! Who takes an image: Docker, skopeo, umoci, and what Mesos does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::workshop::{Workshop, engine, read, run, said};

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

/// The table in docs/images.md, as far as Debian has the programs.
#[test]
fn who_reads_layers_in_gzip_and_in_zstd_is_as_the_table_says() {
    engine();
    let shop = Workshop::new();
    for compression in ["gzip", "zstd"] {
        // skopeo reads zstd, and cannot write it into Docker's archive.
        let expected: &[&str] = if compression == "zstd" {
            &["docker", "skopeo", "umoci"]
        } else {
            &[]
        };
        assert_eq!(who_refuses(&shop, compression), expected, "{compression}");
    }
    what_an_engine_cannot_read_is_not_sent_to_it(&shop);
}

/// The programs that do not take an image whose layers are compressed so.
fn who_refuses(shop: &Workshop, compression: &str) -> Vec<String> {
    let (archive, layout) = (
        format!("{compression}.tar"),
        format!("layout-{compression}"),
    );
    let name = format!("flugs-image-test:{compression}");
    let words = format!("--compression {compression} --name {name} --output oci:{layout}");
    let words: Vec<&str> = words.split(' ').collect();
    shop.build("worker", &format!("archive:{archive}"), &words);
    let (archive, layout) = (
        shop.text(&archive),
        format!("{}:{compression}", shop.text(&layout)),
    );
    let of = |name: &str| shop.text(&format!("{name}-{compression}"));
    let store = format!("--root {0}/root --runroot {0}/run", shop.text("containers"));
    let readers = [
        format!("docker load --quiet --input {archive}"),
        format!("podman {store} load --quiet --input {archive}"),
        format!("podman {store} pull --quiet docker-archive:{archive}"),
        // It calls the image by the path, in which there may be no capital letters then.
        format!("buildah {store} from oci:layout-{compression}:{compression}"),
        format!("skopeo copy oci:{layout} dir:{}", of("copied")),
        format!("skopeo copy oci:{layout} docker-archive:{archive}.docker"),
        format!("umoci unpack --image {layout} {}", of("bundle")),
        format!("ctr --namespace flugs-image-test images import --snapshotter native {archive}"),
    ];
    let refuses = |words: &String| {
        let words: Vec<&str> = words.split(' ').collect();
        let mut reader = std::process::Command::new(words[0]);
        reader.args(&words[1..]).current_dir(shop.path(""));
        let read = reader.output().unwrap();
        (!read.status.success()).then(|| words[0].to_owned())
    };
    let refusing: Vec<String> = readers.iter().filter_map(refuses).collect();
    // The engine does not read again what it has, in whatever form.
    if !refusing.contains(&"docker".to_owned()) {
        run(&["docker", "image", "rm", &name]);
    }
    let image = format!("docker.io/library/{name}");
    let remove = ["ctr", "--namespace", "flugs-image-test", "images", "remove"];
    run(&[remove.as_slice(), &[&image]].concat());
    refusing
}

/// Docker 20.10 cannot read zstd.
fn what_an_engine_cannot_read_is_not_sent_to_it(shop: &Workshop) {
    let flugs = |words: &str| shop.flugs(&words.split(' ').collect::<Vec<_>>());
    // With the engine itself as the place, it is known before anything is built.
    let refused = flugs(
        "image build images/worker.yaml --base base.tar --flink-home flink --binary flugs \
         --compression zstd --output docker --cache fresh",
    );
    let message = said(&refused);
    assert_eq!(refused.status.code(), Some(97), "{message}");
    assert!(
        message.contains("is 20.10") && message.contains("--compression gzip"),
        "{message}"
    );
    assert!(!message.contains("may this user"), "{message}");
    assert!(!shop.path("fresh").exists(), "nothing was built");
    // What a base has brought along is noticed before it is sent.
    let refused = flugs(
        "image build images/worker.yaml --base oci:layout-zstd --flink-home flink --binary flugs \
         --output docker --cache cache",
    );
    let message = said(&refused);
    assert!(
        message.contains("whose layers are not in zstd"),
        "{message}"
    );
    // And a bundle's.
    let created = flugs("bundle create --unsigned --output air.bundle --image oci:layout-zstd");
    assert!(created.status.success(), "{}", said(&created));
    let refused = flugs("bundle load air.bundle --unsigned --to oci:first --to docker");
    assert_eq!(refused.status.code(), Some(97), "{}", said(&refused));
    assert!(!shop.path("first").exists(), "nothing was changed");
}

#[test]
fn an_engine_that_is_not_there_is_missed_before_anything_is_built() {
    let shop = Workshop::new();
    let words = [
        "image",
        "build",
        "images/worker.yaml",
        "--base",
        "base.tar",
        "--flink-home",
        "flink",
    ];
    let more = [
        "--binary", "flugs", "--output", "docker", "--cache", "fresh",
    ];
    let missed = std::process::Command::new(crate::workshop::FLUGS)
        .args([words.as_slice(), &more].concat())
        .current_dir(shop.path(""))
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert_eq!(missed.status.code(), Some(97), "{}", said(&missed));
    assert!(!shop.path("fresh").exists(), "nothing was built");
}
