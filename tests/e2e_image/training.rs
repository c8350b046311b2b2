//! Training an image's JVM without an engine: by root (the cluster's images are trained so) and by
//! anybody, what is refused, what is said when it fails, and that nothing stays behind.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::owners::flattened;
use crate::workshop::{FLUGS, Workshop, copy_tree, debian_base, flink_home, run, said, tiny_base};

/// The directories of trainings in a cache.
fn left_over(cache: &Path) -> Vec<String> {
    let entries = fs::read_dir(cache.join("trainings")).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect()
}

/// Who builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Builder {
    Root,
    /// One who cannot reach what is below the clone.
    Ordinary,
}

/// Puts the binary, the base and the Flink home where everybody reaches them, and becomes an
/// ordinary user.
const REACH: &str = "set -e; mkdir -p reach/flink; touch reach/flugs reach/base.tar; \
    mount --bind \"$1\" reach/flugs; mount --bind \"$2\" reach/base.tar; \
    mount --bind \"$3\" reach/flink; shift 3; \
    exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$PWD/reach/flugs\" \"$@\"";

/// A build of a worker of real inputs, with training.
fn trained(directory: &Path, builder: Builder, output: &str) -> Command {
    let (base, home) = (debian_base(), flink_home());
    let mut build = match builder {
        Builder::Root => Command::new(FLUGS),
        Builder::Ordinary => {
            let mut build = Command::new("unshare");
            build.args(["--mount", "sh", "-c", REACH, "sh", FLUGS]);
            build.args([&base, &home]);
            build
        }
    };
    build
        .current_dir(directory)
        .env("SOURCE_DATE_EPOCH", "1700000000");
    build.args(["image", "build", "images/worker.yaml", "--train", "--json"]);
    build.args(["--cache", "cache", "--compression", "none"]);
    build.args(["--output", output]);
    let reached = Path::new("reach");
    let (base, home) = match builder {
        Builder::Root => (base, home),
        Builder::Ordinary => (reached.join("base.tar"), reached.join("flink")),
    };
    build.arg("--base").arg(base);
    build.arg("--flink-home").arg(home);
    build
}

#[test]
fn an_ordinary_user_trains_and_a_killed_build_leaves_nothing() {
    let shop = Workshop::new();
    // A user's files are all that a user needs; the inputs are for everybody to read.
    let place = tempfile::tempdir().unwrap();
    for below in ["images", "entrypoints"] {
        copy_tree(&shop.path(below), &place.path().join(below));
    }
    run(&["chown", "-R", "65534:65534", place.path().to_str().unwrap()]);
    let build = trained(place.path(), Builder::Ordinary, "oci:image").output();
    let build = build.unwrap();
    assert!(build.status.success(), "{}", said(&build));
    let cache = place.path().join("cache");
    assert_eq!(left_over(&cache), [""; 0]);
    let image = format!("oci:{}", place.path().join("image").display());
    let inspected = shop.ok(&["image", "inspect", &image, "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    let layer = inspected[0]["layers"].as_array().unwrap().last().unwrap();
    assert_eq!(layer["createdBy"], "flugs image build: class-data");
    assert_eq!(inspected[0]["classData"], layer["digest"]);
    // The layer of archives changes nobody's directories, and its own is the user's.
    let directories = flattened(&place.path().join("image"));
    for path in ["opt/flink", "opt/flink/bin", "opt/flink/class-data"] {
        assert_eq!(directories.get(path), Some(&(0o775, 9999, 0)), "{path}");
    }

    // The layers are all there; another environment wants another training.
    let shared = place.path().join("images/shared.yaml");
    let text = fs::read_to_string(&shared).unwrap();
    fs::write(
        &shared,
        text.replace("environment:", "environment:\n  X: y"),
    )
    .unwrap();
    let mut build = trained(place.path(), Builder::Root, "oci:image")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("a JVM in the image's root", || {
        assert_eq!(build.try_wait().unwrap(), None, "it ended by itself");
        left_over(&cache).iter().any(|root| is_lived_in(root))
    });
    let root = left_over(&cache).remove(0);
    let jvm = inode_of_jvm(&root).unwrap();
    // As hard as can be: it has no time to say anything to anybody.
    build.kill().unwrap();
    build.wait().unwrap();
    until("the end of the training", || left_over(&cache).is_empty());
    assert!(!is_mapped(jvm), "a JVM lives on");
    // This one finds its layer in the cache, and trains nothing.
    fs::write(&shared, text).unwrap();
    let again = trained(place.path(), Builder::Ordinary, "oci:image").output();
    let again = said(&again.unwrap());
    assert_eq!(again.matches("\"cached\": true").count(), 5, "{again}");
}

/// Whether a JVM runs in an image's root.
fn is_lived_in(directory: &str) -> bool {
    inode_of_jvm(directory).is_some_and(is_mapped)
}

/// What identifies the JVM of an image's root, wherever it is seen from.
fn inode_of_jvm(directory: &str) -> Option<u64> {
    let library = "root/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";
    let metadata = fs::metadata(Path::new(directory).join(library)).ok()?;
    Some(metadata.ino())
}

/// Whether any process has this JVM mapped.
fn is_mapped(jvm: u64) -> bool {
    let inode = format!(" {jvm} ");
    let has_it = |maps: String| {
        maps.lines()
            .any(|line| line.contains(&inode) && line.contains("libjvm.so"))
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path().join("maps")).ok())
        .any(has_it)
}

#[track_caller]
fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !reached() {
        assert!(Instant::now() < end, "{what}: not within 90 s");
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// In a tiny base, with the real flugs as the image's: what is called Java there is none.
#[test]
fn a_training_that_fails_says_at_which_step_and_leaves_nothing() {
    let shop = Workshop::new();
    let build = |more: &[&str]| {
        let words = "image build images/worker.yaml --train --flink-home flink \
                     --cache cache --output oci:x";
        let words: Vec<&str> = words
            .split_whitespace()
            .chain(more.iter().copied())
            .collect();
        let failed = shop.flugs(&words);
        assert_eq!(left_over(&shop.path("cache")), [""; 0]);
        assert!(!shop.path("x/index.json").exists());
        (failed.status.code(), said(&failed))
    };
    let (code, message) = build(&["--base", "base.tar"]);
    assert_eq!(code, Some(108), "{message}");
    assert!(
        message.contains("the image's JVM was not trained"),
        "{message}"
    );
    assert!(
        message.contains("/usr/lib/jvm/java-17-openjdk-amd64"),
        "{message}"
    );

    // A program that cannot be run.
    let (code, message) = build(&["--base", "base.tar", "--binary", "flugs"]);
    assert_eq!(code, Some(108), "{message}");
    assert!(
        message.contains("cannot start /usr/local/bin/flugs of the image"),
        "{message}"
    );

    // A base that would have something mounted outside.
    std::os::unix::fs::symlink(shop.path(""), shop.path("tmp")).unwrap();
    fs::copy(shop.path("base.tar"), shop.path("link.tar")).unwrap();
    run(&[
        "tar",
        "--append",
        "--file",
        &shop.text("link.tar"),
        "--directory",
        &shop.text(""),
        "tmp",
    ]);
    let (code, message) = build(&["--base", "link.tar"]);
    assert_eq!(code, Some(108), "{message}");
    assert!(
        message.contains("the image's /tmp is not a directory"),
        "{message}"
    );
}

#[test]
fn what_cannot_be_trained_here_is_refused_before_anything_is_built() {
    let shop = Workshop::new();
    tiny_base(&shop.path("arm64.tar"), "arm64");
    let refused = |definition: &str, more: &str| {
        let words = format!(
            "image build images/{definition}.yaml --train --flink-home flink --cache fresh \
             --output oci:x {more}"
        );
        let words: Vec<&str> = words.split_whitespace().collect();
        let refused = shop.flugs(&words);
        assert_eq!(refused.status.code(), Some(106), "{}", said(&refused));
        assert!(!shop.path("fresh").exists());
        said(&refused)
    };
    let arm64 = refused(
        "worker",
        "--platform arm64 --base arm64.tar --binary arm64=flugs",
    );
    assert!(
        arm64.contains("its JVM is for linux/arm64, and this machine is linux/amd64"),
        "{arm64}"
    );
    let slim = refused("worker-slim", "--base base.tar");
    assert!(slim.contains("it fetches its Flink"), "{slim}");
}
