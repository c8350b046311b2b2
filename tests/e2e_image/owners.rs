//! Whose the directories of an image are: in every layer that touches them, and in a container.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use crate::workshop::{Workshop, engine, read, run};

/// Mode, user and group of a directory.
pub(crate) type Directory = (u32, u64, u64);

/// The directories of each layer of a layout's one image, and all of its other entries' paths.
fn layers(layout: &Path) -> Vec<(BTreeMap<String, Directory>, Vec<String>)> {
    let json = |path: &Path| -> serde_json::Value { serde_json::from_slice(&read(path)).unwrap() };
    let blob = |digest: &serde_json::Value| {
        let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
        layout.join("blobs/sha256").join(digest)
    };
    let index = json(&layout.join("index.json"));
    let manifest = json(&blob(&index["manifests"][0]["digest"]));
    let layers = manifest["layers"].as_array().unwrap();
    layers
        .iter()
        .map(|layer| {
            let packed = fs::File::open(blob(&layer["digest"])).unwrap();
            let is_packed = layer["mediaType"].as_str().unwrap().ends_with("gzip");
            let tar: Box<dyn Read> = if is_packed {
                Box::new(flate2::read::GzDecoder::new(packed))
            } else {
                Box::new(std::io::BufReader::new(packed))
            };
            let mut archive = tar::Archive::new(tar);
            let (mut directories, mut others) = (BTreeMap::new(), Vec::new());
            for entry in archive.entries().unwrap() {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                let path = path
                    .trim_start_matches("./")
                    .trim_end_matches('/')
                    .to_owned();
                if header.entry_type().is_dir() {
                    let ids = (header.uid().unwrap(), header.gid().unwrap());
                    let directory = (header.mode().unwrap() & 0o7777, ids.0, ids.1);
                    directories.insert(path, directory);
                } else {
                    others.push(path);
                }
            }
            (directories, others)
        })
        .collect()
}

/// A base whose directories are other than root's 0755.
fn uncommon_base(path: &Path) {
    let tar = fs::read(path).unwrap();
    let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
    for (path, mode, group) in [
        ("tmp/", 0o1777, 0),
        ("usr/local/", 0o2775, 50),
        ("opt/", 0o711, 7),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(group);
        header.set_size(0);
        builder
            .append_data(&mut header, path, std::io::empty())
            .unwrap();
    }
    let mut old = tar::Archive::new(tar.as_slice());
    for entry in old.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path().unwrap().ends_with("opt") {
            continue;
        }
        let mut header = entry.header().clone();
        let path = entry.path().unwrap().into_owned();
        match entry.link_name().unwrap() {
            Some(target) => builder.append_link(&mut header, &path, target).unwrap(),
            None => builder.append_data(&mut header, &path, entry).unwrap(),
        }
    }
    builder.into_inner().unwrap();
}

/// The directories of all layers together. Docker unpacks each layer by itself: what it leaves out is
/// root's with 0755 then. So every layer has all that is above its entries, as it was.
pub(crate) fn flattened(layout: &Path) -> BTreeMap<String, Directory> {
    let mut flattened: BTreeMap<String, Directory> = BTreeMap::new();
    for (at, (directories, others)) in layers(layout).iter().enumerate() {
        let own = at > 0;
        for path in directories.keys().chain(others).filter(|_| own) {
            for (slash, _) in path.match_indices('/') {
                let above = path.get(..slash).unwrap();
                let repeated = directories.get(above);
                assert!(repeated.is_some(), "layer {at} has {path} without {above}");
                if let Some(before) = flattened.get(above) {
                    assert_eq!(repeated, Some(before), "layer {at} changes {above}");
                }
            }
        }
        flattened.extend(directories.clone());
    }
    flattened
}

/// What is expected of a container's root.
const EXPECTED: [(&str, Directory); 13] = [
    ("opt", (0o711, 0, 7)),
    ("opt/flink", (0o775, 9999, 0)),
    ("opt/flink/bin", (0o775, 9999, 0)),
    ("opt/flink/lib", (0o775, 9999, 0)),
    ("opt/flink/plugins", (0o775, 9999, 0)),
    ("opt/flink/plugins/s3", (0o775, 9999, 0)),
    ("opt/flink/usrlib", (0o775, 9999, 0)),
    ("opt/flink/usrlib/deep", (0o775, 9999, 0)),
    ("tmp", (0o1777, 0, 0)),
    ("usr/local", (0o2775, 0, 50)),
    ("usr/local/bin", (0o755, 0, 0)),
    ("run/flugs", (0o1777, 0, 0)),
    ("srv/mine", (0o750, 5, 6)),
];

#[test]
fn every_directory_keeps_its_owner_and_mode_whatever_layer_touches_it() {
    engine();
    let shop = Workshop::new();
    uncommon_base(&shop.path("base.tar"));
    fs::create_dir_all(shop.path("deep/deep")).unwrap();
    fs::write(shop.path("deep/user.jar"), "PK user").unwrap();
    fs::create_dir_all(shop.path("images/more/s3")).unwrap();
    fs::write(shop.path("images/more/s3/s3.jar"), "PK s3").unwrap();
    let more = "include: [worker.yaml]\nvolumes: [/tmp, /data]\nfiles:\n\
                - {path: /opt/flink/plugins, source: more}\n\
                - {path: /tmp/note, content: hello}\n\
                - {path: /usr/local/share/note, content: hello}\n\
                - {path: /srv/mine, directory: true, mode: \"0750\", owner: \"5:6\"}\n\
                - {path: /srv/mine/note, content: hello}\n";
    fs::write(shop.path("images/more.yaml"), more).unwrap();
    let name = "flugs-image-test:owners";
    let words = [
        "--user-jar",
        "job.jar",
        "--user-jar",
        "deep",
        "--output",
        "docker",
        "--name",
        name,
    ];
    shop.build("more", "oci:layout", &words);

    let flattened = flattened(&shop.path("layout"));
    for (path, expected) in EXPECTED {
        assert_eq!(flattened.get(path), Some(&expected), "{path} in the layers");
    }
    assert_eq!(flattened.get("data"), Some(&(0o775, 9999, 0)));

    let container = run(&["docker", "create", name, "help"]);
    run(&[
        "docker",
        "export",
        "--output",
        &shop.text("root.tar"),
        &container,
    ]);
    run(&["docker", "rm", &container]);
    run(&["docker", "image", "rm", name]);
    let mut archive = tar::Archive::new(fs::File::open(shop.path("root.tar")).unwrap());
    let mut found = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().display().to_string();
        let ids = (header.uid().unwrap(), header.gid().unwrap());
        let stat = (header.mode().unwrap() & 0o7777, ids.0, ids.1);
        found.insert(path.trim_end_matches('/').to_owned(), stat);
    }
    for (path, expected) in EXPECTED {
        assert_eq!(found.get(path), Some(&expected), "{path} in a container");
    }
    let of_user = (0o664, 9999, 0);
    assert_eq!(found.get("opt/flink/usrlib/job.jar"), Some(&of_user));
    assert_eq!(
        found.get("opt/flink/bin/mesos-taskmanager.sh"),
        Some(&(0o755, 0, 0))
    );
}
