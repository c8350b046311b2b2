//! What a build makes: the same bytes everywhere, shared layers, several machines; and what it
//! refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::everybody::Everybodys;
use crate::workshop::{EPOCH, FLUGS, Workshop, copy_tree, program, read, run, said, tiny_base};

/// Everything that could leak into an image is another: directory, umask, time zone, user, locale,
/// threads, the files' times and modes, the order of the day, and there is no network at all.
#[test]
fn the_same_definition_gives_the_same_bytes_whatever_surrounds_the_build() {
    let one = Workshop::new();
    one.build(
        "appmaster",
        "archive:image.tar",
        &["--user-jar", "job.jar", "--threads", "1"],
    );

    let other = tempfile::tempdir().unwrap();
    let deep = elsewhere(&one, other.path());
    let words = "image build images/appmaster.yaml --base base.tar --flink-home flink --binary flugs \
                 --user-jar job.jar --threads 7 --cache elsewhere --output archive:image.tar";
    let program = Everybodys::new();
    let flugs = program.flugs();
    let script = format!(
        "umask 077; cd {} && exec {} {words}",
        deep.display(),
        flugs.display()
    );
    let build = Command::new("unshare")
        .args([
            "-n",
            "setpriv",
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "sh",
            "-c",
            &script,
        ])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .env("TZ", "Pacific/Auckland")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", said(&build));
    assert!(
        read(&one.path("image.tar")) == read(&deep.join("image.tar")),
        "the archives differ"
    );
}

/// A copy of a workshop's inputs in another directory, with other times, modes and owners.
fn elsewhere(one: &Workshop, other: &Path) -> std::path::PathBuf {
    let deep = other.join("elsewhere/deep");
    for below in ["images", "entrypoints", "flink"] {
        copy_tree(&one.path(below), &deep.join(below));
    }
    for file in ["base.tar", "flugs", "job.jar"] {
        fs::copy(one.path(file), deep.join(file)).unwrap();
    }
    run(&["chmod", "-R", "u=rwX,go=", deep.to_str().unwrap()]);
    run(&[
        "chmod",
        "755",
        &format!("{}/flink/bin/flink", deep.display()),
    ]);
    run(&[
        "find",
        other.to_str().unwrap(),
        "-exec",
        "touch",
        "-h",
        "-d",
        "2001-02-03",
        "{}",
        "+",
    ]);
    run(&["chown", "-R", "65534:65534", other.to_str().unwrap()]);
    run(&["chmod", "755", other.to_str().unwrap()]);
    deep
}

#[test]
fn another_time_is_another_image() {
    let shop = Workshop::new();
    shop.build("worker", "archive:image.tar", &[]);
    let words = [
        "image",
        "build",
        "images/worker.yaml",
        "--base",
        "base.tar",
        "--flink-home",
        "flink",
    ];
    let later = Command::new(FLUGS)
        .args(words)
        .args(["--binary", "flugs", "--output", "archive:later.tar"])
        .current_dir(shop.path(""))
        .env("SOURCE_DATE_EPOCH", "1700000001")
        .output()
        .unwrap();
    assert!(later.status.success(), "{}", said(&later));
    assert!(read(&shop.path("image.tar")) != read(&shop.path("later.tar")));
}

#[test]
fn both_images_share_their_layers_and_only_what_changed_is_built_again() {
    let shop = Workshop::new();
    let digests = |built: &serde_json::Value| -> Vec<String> {
        let layers = built["layers"].as_array().unwrap();
        layers
            .iter()
            .map(|layer| layer["digest"].as_str().unwrap().to_owned())
            .collect()
    };
    let worker = shop.build("worker", "oci:layout", &[]);
    let appmaster = shop.build("appmaster", "oci:layout", &[]);
    assert_eq!(digests(&worker), digests(&appmaster));
    assert_ne!(worker["digest"], appmaster["digest"]);
    let slim = shop.build("worker-slim", "oci:layout", &[]);
    assert!(
        slim["layers"]
            .as_array()
            .unwrap()
            .iter()
            .all(|layer| layer["name"] != "flink")
    );

    let built = |words: &[&str]| -> Vec<String> {
        let built = shop.build("worker", "oci:layout", words);
        let layers = built["layers"].as_array().unwrap().clone();
        let fresh = layers.iter().filter(|layer| layer["cached"] == false);
        fresh
            .map(|layer| layer["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(built(&["--user-jar", "job.jar"]), ["usrlib"]);
    assert_eq!(built(&["--user-jar", "job.jar"]), [""; 0]);
    fs::write(shop.path("job.jar"), b"PK another job").unwrap();
    assert_eq!(built(&["--user-jar", "job.jar"]), ["usrlib"]);
    let inspected = shop.ok(&["image", "inspect", "oci:layout:slim", "--json"]);
    assert!(inspected.contains("flugs-worker:slim"), "{inspected}");
}

#[test]
fn a_layout_keeps_all_names_and_says_when_a_tag_is_not_enough() {
    let shop = Workshop::new();
    let build = |definition: &str, name: &str| {
        let definition = format!("images/{definition}.yaml");
        let words = [
            "image",
            "build",
            &definition,
            "--base",
            "base.tar",
            "--flink-home",
            "flink",
        ];
        let more = [
            "--binary",
            "flugs",
            "--cache",
            "cache",
            "--output",
            "oci:layout",
            "--name",
            name,
        ];
        let output = shop.flugs(&[words.as_slice(), &more].concat());
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(build("worker", "flugs-worker:1"), "");
    assert_eq!(build("worker", "flugs-worker:2"), "");
    assert_eq!(build("worker", "flugs-worker:1"), "");
    let word = build("appmaster", "flugs-appmaster:2");
    for part in ["the tag 2", "flugs-worker:2", "flugs-appmaster:2", "--name"] {
        assert!(word.contains(part), "{word}");
    }
    let listed = shop.ok(&["image", "inspect", "oci:layout", "--json"]);
    for name in ["flugs-worker:1", "flugs-worker:2", "flugs-appmaster:2"] {
        assert!(listed.contains(name), "{name}: {listed}");
        let one = shop.ok(&["image", "inspect", &format!("oci:layout:{name}"), "--json"]);
        assert!(one.contains(name), "{one}");
    }
    let both = shop.flugs(&["image", "inspect", "oci:layout:2"]);
    assert!(
        said(&both).contains("that alone is named 2"),
        "{}",
        said(&both)
    );
    // Another image under a name that is there already takes its place, and that is said.
    let word = build("appmaster", "flugs-worker:1");
    assert!(
        word.contains("flugs-worker:1 in oci:layout was sha256:"),
        "{word}"
    );
}

#[test]
fn one_index_holds_the_images_of_both_machines() {
    let shop = Workshop::new();
    tiny_base(&shop.path("base-arm64.tar"), "arm64");
    fs::write(shop.path("flugs-arm64"), program(183)).unwrap();
    let words = [
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/arm64",
        "--base",
        "amd64=base.tar",
        "--base",
        "arm64=base-arm64.tar",
        "--binary",
        "amd64=flugs",
        "--binary",
        "arm64=flugs-arm64",
    ];
    shop.build("worker", "oci:layout", &words);
    for architecture in ["amd64", "arm64"] {
        let layout = format!("oci:{}:latest", shop.text("layout"));
        let inspected = run(&[
            "skopeo",
            "inspect",
            "--override-arch",
            architecture,
            &layout,
        ]);
        let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Architecture"], architecture);
        assert!(inspected["Env"].to_string().contains(&format!(
            "JAVA_HOME=/usr/lib/jvm/java-17-openjdk-{architecture}"
        )));
    }
    shop.ok(&["image", "verify", "oci:layout"]);
    // A program for another machine than it is said to be for is noticed.
    let wrong = shop.flugs(&[
        "image",
        "build",
        "images/worker.yaml",
        "--output",
        "oci:x",
        "--flink-home",
        "flink",
        "--base",
        "base.tar",
        "--binary",
        "flugs-arm64",
    ]);
    assert_eq!(wrong.status.code(), Some(106), "{}", said(&wrong));
}

#[test]
fn verify_says_what_is_wrong_and_diff_what_is_other() {
    let shop = Workshop::new();
    shop.build("worker", "oci:old", &[]);
    shop.build("worker", "oci:new", &["--user-jar", "job.jar"]);
    let difference = shop.ok(&["image", "diff", "oci:old", "oci:new"]);
    assert!(
        difference.contains("/opt/flink/usrlib/job.jar"),
        "{difference}"
    );
    assert!(difference.contains("4 layers in common"), "{difference}");

    // Blobs in a layout are links into the cache: break the link first.
    let blobs = shop.path("new/blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = read(&largest);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::remove_file(&largest).unwrap();
    fs::write(&largest, bytes).unwrap();
    let found = shop.flugs(&["image", "verify", "oci:new"]);
    assert_eq!(found.status.code(), Some(107));
    let message = said(&found);
    assert!(
        message.contains(largest.file_name().unwrap().to_str().unwrap()),
        "{message}"
    );
    assert!(message.contains("its bytes have sha256:"), "{message}");
    fs::remove_file(&largest).unwrap();
    let found = shop.flugs(&["image", "verify", "oci:new"]);
    assert!(said(&found).contains("lacks sha256:"), "{}", said(&found));
    assert!(
        shop.ok(&["image", "verify", "oci:old"])
            .starts_with("whole: 1 images")
    );
}

#[test]
fn a_malformed_definition_is_refused_with_file_line_and_remedy() {
    let shop = Workshop::new();
    let shared = shop.path("images/shared.yaml");
    let text = fs::read_to_string(&shared).unwrap();
    for (from, to, expected) in [
        ("workdir:", "workdri:", "did you mean `workdir`?"),
        ("uid: 9999", "uid: flink", "shared.yaml:"),
        ("interval: 10s", "interval: soon", "is not a span of time"),
        (
            "stop-signal: SIGTERM",
            "stop-signal: SIGSTOPP",
            "is not a signal",
        ),
        ("schema: 1", "schema: 7", "this flugs reads schema 1"),
        (
            "source: ../entrypoints/docker-entrypoint.sh",
            "source: gone.sh",
            "gone.sh",
        ),
    ] {
        fs::write(&shared, text.replacen(from, to, 1)).unwrap();
        let words = [
            "image",
            "build",
            "images/worker.yaml",
            "--base",
            "base.tar",
            "--flink-home",
            "flink",
            "--binary",
            "flugs",
            "--output",
            "oci:x",
        ];
        let refused = shop.flugs(&words);
        let message = said(&refused);
        assert!(
            !refused.status.success() && message.contains(expected),
            "{from}: {message}"
        );
        assert!(!shop.path("x/index.json").exists());
    }
}

#[test]
fn a_malformed_source_date_epoch_is_refused() {
    let shop = Workshop::new();
    let refused = Command::new(FLUGS)
        .args([
            "image",
            "build",
            "images/worker.yaml",
            "--base",
            "base.tar",
            "--output",
            "oci:x",
        ])
        .current_dir(shop.path(""))
        .env("SOURCE_DATE_EPOCH", "yesterday")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(106), "{}", said(&refused));
}
