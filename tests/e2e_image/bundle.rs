//! Bundles: made, carried, judged and loaded. Whatever is wrong with one, it is said exactly, and
//! nothing of it is loaded.

use std::fs;

use crate::workshop::{FLUGS, Workshop, engine, read, run, said};

const NAME: &str = "flugs-bundle-test:1";

/// A workshop with keys, an image, and a bundle of everything that a bundle can hold.
fn bundled() -> Workshop {
    let shop = Workshop::new();
    shop.ok(&["bundle", "key", "release.key"]);
    shop.build("worker", "oci:layout", &["--name", NAME]);
    fs::create_dir(shop.path("conf")).unwrap();
    fs::write(shop.path("conf/config.yaml"), "a: 1\n").unwrap();
    create(&shop, "air.bundle", &["--image", "oci:layout"]);
    shop
}

fn create(shop: &Workshop, output: &str, more: &[&str]) -> String {
    let mut words = vec![
        "bundle",
        "create",
        "--output",
        output,
        "--key",
        "release.key",
    ];
    words.extend(["--flink", "flink", "--jar", "job.jar", "--conf", "conf"]);
    words.extend(more);
    shop.ok(&words)
}

const ALL_TARGETS: [&str; 6] = [
    "--to",
    "oci:loaded",
    "--to",
    "mesos:mesos",
    "--to",
    "files:srv",
];
const KEY: [&str; 2] = ["--key", "release.key.pub"];

/// Refused by `verify` and by `load`, with this code and this said, and nothing was loaded.
#[track_caller]
fn refused(shop: &Workshop, bundle: &str, more: &[&str], code: i32, expected: &str) {
    let verify = [&["bundle", "verify", bundle], more].concat();
    let load = [&["bundle", "load", bundle], more, &ALL_TARGETS].concat();
    for words in [verify, load] {
        let output = shop.flugs(&words);
        let message = said(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
        assert!(message.contains(expected), "{words:?}: {message}");
    }
    for target in ["loaded", "mesos", "srv"] {
        assert!(!shop.path(target).exists(), "{target}");
    }
}

/// Where an entry's content is in the bundle.
fn region(bundle: &[u8], name: &str) -> std::ops::Range<usize> {
    let mut archive = tar::Archive::new(bundle);
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        if entry.path().unwrap().to_str().unwrap().starts_with(name) {
            let start = usize::try_from(entry.raw_file_position()).unwrap();
            return start..start + usize::try_from(entry.size()).unwrap();
        }
    }
    panic!("{name} is not in the bundle");
}

/// The bundle with something in its manifest replaced by something as long.
fn with_manifest(bundle: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = region(bundle, "flugs-bundle.json");
    let text = String::from_utf8(bundle[at.clone()].to_vec()).unwrap();
    assert!(text.contains(from), "{text}");
    let mut changed = bundle.to_vec();
    changed[at].copy_from_slice(text.replacen(from, to, 1).as_bytes());
    changed
}

#[test]
fn a_bundle_is_verified_and_loaded_to_every_kind_of_place() {
    engine();
    let shop = bundled();
    let verified = shop.ok(&["bundle", "verify", "air.bundle", KEY[0], KEY[1]]);
    assert!(verified.contains("1 images, 3 files"), "{verified}");
    let load = |more: &[&str]| {
        let words = ["bundle", "load", "air.bundle", "--to", "docker"];
        shop.ok(&[&words, &KEY[..], &ALL_TARGETS, more].concat())
    };
    let planned = load(&["--dry-run"]);
    let step = "would load image flugs-bundle-test:1 to archive:mesos/flugs-bundle-test:1.tar";
    assert!(planned.contains(step), "{planned}");
    for target in ["loaded", "mesos", "srv"] {
        assert!(!shop.path(target).exists(), "{target}");
    }
    load(&[]);
    let id = run(&["docker", "image", "inspect", "--format", "{{.Id}}", NAME]);
    run(&["docker", "image", "rm", NAME]);
    let inspected = shop.ok(&["image", "inspect", "oci:loaded", "--json"]);
    assert!(inspected.contains(&id), "{inspected}");
    shop.ok(&["image", "verify", "oci:loaded"]);
    shop.ok(&["image", "verify", &format!("archive:mesos/{NAME}.tar")]);
    assert_eq!(
        read(&shop.path("srv/jars/job.jar")),
        read(&shop.path("job.jar"))
    );
    assert_eq!(read(&shop.path("srv/conf/conf/config.yaml")), b"a: 1\n");
    let listed = run(&["tar", "-tzf", &shop.text("srv/flink/flink.tar.gz")]);
    assert!(
        listed.contains("flink/lib/flink-dist-2.3.0.jar"),
        "{listed}"
    );
    assert!(!listed.contains("old.log"), "{listed}");
    // Again, over what is there: nothing is left over beside it.
    load(&[]);
    run(&["docker", "image", "rm", NAME]);
    let left = run(&["find", &shop.text(""), "-name", "*before-load*"]);
    assert_eq!(left, "");
}

#[test]
fn the_same_inputs_give_the_same_bundle() {
    let shop = bundled();
    create(&shop, "again.bundle", &["--image", "oci:layout"]);
    assert!(read(&shop.path("air.bundle")) == read(&shop.path("again.bundle")));
}

#[test]
fn the_bill_of_materials_is_spdx_and_names_what_is_inside() {
    let shop = bundled();
    // The one image has a program that is none, the other has this one.
    let real = ["--binary", FLUGS, "--compression", "none", "--name", NAME];
    shop.build("worker", "oci:real", &real);
    create(&shop, "real.bundle", &["--image", "oci:real"]);
    let bundle = read(&shop.path("real.bundle"));
    let bill = &bundle[region(&bundle, "sbom.spdx.json")];
    let bill: serde_json::Value = serde_json::from_slice(bill).unwrap();
    assert_eq!(bill["spdxVersion"], "SPDX-2.3");
    let packages = bill["packages"].as_array().unwrap();
    let ids: Vec<&str> = packages
        .iter()
        .map(|one| one["SPDXID"].as_str().unwrap())
        .collect();
    // Every end of a relationship is something that is there.
    for relationship in bill["relationships"].as_array().unwrap() {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            let id = relationship[end].as_str().unwrap();
            assert!(id == "SPDXRef-DOCUMENT" || ids.contains(&id), "{id}");
        }
    }
    let text = bill.to_string();
    for inside in [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64",
        "flink-dist",
        "jars/job.jar",
        "conf/conf/config.yaml",
        "pkg:oci/flugs-bundle-test@sha256%3A",
        "pkg:cargo/tokio@1.",
        "https://crates.io/api/v1/crates/ring/",
    ] {
        assert!(text.contains(inside), "{inside}: {text}");
    }
}

#[test]
fn a_truncated_bundle_is_refused() {
    let shop = bundled();
    let whole = read(&shop.path("air.bundle"));
    let last = whole.len() - 1024;
    for length in [
        0,
        100,
        700,
        3000,
        whole.len() / 2,
        last - 1,
        last,
        whole.len() - 1,
    ] {
        fs::write(shop.path("cut.bundle"), &whole[..length]).unwrap();
        refused(&shop, "cut.bundle", &KEY, 111, "cut.bundle is damaged");
    }
}

#[test]
fn an_altered_bundle_is_refused_wherever_it_was_altered() {
    let shop = bundled();
    let whole = read(&shop.path("air.bundle"));
    for (name, expected) in [
        ("blobs/sha256/", "was altered: its bytes have sha256:"),
        ("sbom.spdx.json", "sbom.spdx.json was altered"),
    ] {
        let mut bytes = whole.clone();
        let at = region(&whole, name);
        bytes[usize::midpoint(at.start, at.end)] ^= 4;
        fs::write(shop.path("bad.bundle"), bytes).unwrap();
        refused(&shop, "bad.bundle", &KEY, 111, expected);
    }
    // The manifest says other things than were signed for.
    let altered = with_manifest(&whole, "\"flugs-bundle\"", "\"flugs-bundlf\"");
    fs::write(shop.path("bad.bundle"), altered).unwrap();
    refused(&shop, "bad.bundle", &KEY, 112, "one of them was altered");
    // Something more than was signed for.
    let name = format!("blobs/sha256/{}", "0".repeat(64));
    fs::create_dir_all(shop.path("blobs/sha256")).unwrap();
    fs::write(shop.path(&name), "smuggled").unwrap();
    fs::write(shop.path("bad.bundle"), &whole).unwrap();
    run(&[
        "tar",
        "-C",
        &shop.text(""),
        "-rf",
        &shop.text("bad.bundle"),
        &name,
    ]);
    refused(
        &shop,
        "bad.bundle",
        &KEY,
        111,
        "the manifest does not list it",
    );
}

#[test]
fn a_bundle_that_is_not_signed_with_a_trusted_key_is_refused() {
    let shop = bundled();
    shop.ok(&["bundle", "key", "other.key"]);
    let other = ["--key", "other.key.pub"];
    refused(
        &shop,
        "air.bundle",
        &other,
        112,
        "it is signed with the key",
    );
    let unsigned = [
        "bundle",
        "create",
        "--output",
        "unsigned.bundle",
        "--unsigned",
        "--jar",
        "job.jar",
    ];
    shop.ok(&unsigned);
    refused(&shop, "unsigned.bundle", &KEY, 112, "it is not signed");
    shop.ok(&["bundle", "verify", "unsigned.bundle", "--unsigned"]);
    // The signature of one bundle does not make another one right.
    fs::write(shop.path("job.jar"), "PK other").unwrap();
    create(&shop, "second.bundle", &["--image", "oci:layout"]);
    let (first, mut second) = (
        read(&shop.path("air.bundle")),
        read(&shop.path("second.bundle")),
    );
    let (from, to) = (
        region(&first, "flugs-bundle.sig"),
        region(&second, "flugs-bundle.sig"),
    );
    second[to].copy_from_slice(&first[from]);
    fs::write(shop.path("forged.bundle"), second).unwrap();
    refused(
        &shop,
        "forged.bundle",
        &KEY,
        112,
        "does not fit its manifest",
    );
}

#[test]
fn a_bundle_of_a_newer_format_is_refused() {
    let shop = bundled();
    let newer = with_manifest(
        &read(&shop.path("air.bundle")),
        "\"major\": 1",
        "\"major\": 2",
    );
    fs::write(shop.path("new.bundle"), newer).unwrap();
    refused(&shop, "new.bundle", &KEY, 113, "use a newer flugs");
}

#[test]
fn a_delta_carries_only_what_is_new_and_needs_the_bundle_that_it_builds_on() {
    let shop = bundled();
    fs::write(shop.path("job.jar"), "PK another job").unwrap();
    shop.build(
        "worker",
        "oci:layout2",
        &["--name", NAME, "--user-jar", "job.jar"],
    );
    create(&shop, "whole.bundle", &["--image", "oci:layout2"]);
    create(
        &shop,
        "delta.bundle",
        &["--image", "oci:layout2", "--earlier", "air.bundle"],
    );
    let size = |name: &str| fs::metadata(shop.path(name)).unwrap().len();
    assert!(
        size("delta.bundle") * 10 < size("whole.bundle"),
        "{}",
        size("delta.bundle")
    );
    let difference = shop.ok(&["bundle", "diff", "air.bundle", "whole.bundle"]);
    assert!(difference.contains("~  jars/job.jar"), "{difference}");
    assert!(
        difference.contains("~  image flugs-bundle-test:1"),
        "{difference}"
    );

    refused(&shop, "delta.bundle", &KEY, 114, "name it with --earlier");
    let another = [&KEY[..], &["--earlier", "whole.bundle"]].concat();
    refused(
        &shop,
        "delta.bundle",
        &another,
        114,
        "name it with --earlier",
    );
    // A chain: a second delta on the first.
    fs::write(shop.path("job.jar"), "PK a third job").unwrap();
    create(
        &shop,
        "delta2.bundle",
        &["--image", "oci:layout2", "--earlier", "delta.bundle"],
    );
    let below = ["--earlier", "air.bundle", "--earlier", "delta.bundle"];
    let load = [
        "bundle",
        "load",
        "delta2.bundle",
        "--to",
        "oci:loaded",
        "--to",
        "files:srv",
    ];
    shop.ok(&[&load, &KEY[..], &below].concat());
    shop.ok(&["image", "verify", "oci:loaded"]);
    assert_eq!(read(&shop.path("srv/jars/job.jar")), b"PK a third job");
}

#[test]
fn a_load_that_fails_half_way_leaves_everything_as_it_was() {
    engine();
    let shop = bundled();
    // There before: a layout with another image, a file of the bundle's name, and one in the way.
    shop.build(
        "appmaster",
        "oci:loaded",
        &["--name", "flugs-bundle-test:before"],
    );
    fs::create_dir_all(shop.path("srv/jars/job.jar/in-the-way")).unwrap();
    fs::create_dir_all(shop.path("srv/conf/conf")).unwrap();
    fs::write(shop.path("srv/conf/conf/config.yaml"), "mine: 1\n").unwrap();
    let list = "find loaded srv mesos -type f -exec sha256sum {} + 2>/dev/null | sort; \
                find loaded srv mesos 2>/dev/null | sort";
    let state = || run(&["sh", "-c", &format!("cd {} && {list}", shop.text(""))]);
    let before = state();
    let load = ["bundle", "load", "air.bundle", "--to", "docker"];
    let failed = shop.flugs(&[&load, &KEY[..], &ALL_TARGETS].concat());
    let message = said(&failed);
    let expected =
        "jars/job.jar to srv/jars/job.jar could not be loaded; everything is as it was before";
    assert!(
        !failed.status.success() && message.contains(expected),
        "{message}"
    );
    assert_eq!(state(), before);
    let image = std::process::Command::new("docker")
        .args(["image", "inspect", NAME])
        .output();
    assert!(
        !image.unwrap().status.success(),
        "the engine has kept {NAME}"
    );
}

#[test]
fn openssl_makes_keys_and_checks_signatures() {
    let shop = bundled();
    let (key, public) = (shop.text("openssl.key"), shop.text("openssl.pub"));
    run(&["openssl", "genpkey", "-algorithm", "ed25519", "-out", &key]);
    run(&["openssl", "pkey", "-in", &key, "-pubout", "-out", &public]);
    run(&["chmod", "600", &key]);
    shop.ok(&[
        "bundle",
        "create",
        "--output",
        "o.bundle",
        "--key",
        "openssl.key",
        "--jar",
        "job.jar",
    ]);
    shop.ok(&["bundle", "verify", "o.bundle", "--key", "openssl.pub"]);

    let bundle = read(&shop.path("air.bundle"));
    let document = &bundle[region(&bundle, "flugs-bundle.sig")];
    let document: serde_json::Value = serde_json::from_slice(document).unwrap();
    fs::write(
        shop.path("manifest"),
        &bundle[region(&bundle, "flugs-bundle.json")],
    )
    .unwrap();
    fs::write(shop.path("base64"), document["signature"].as_str().unwrap()).unwrap();
    let (manifest, signature) = (shop.text("manifest"), shop.text("signature"));
    run(&[
        "sh",
        "-c",
        &format!("base64 -d {} >{signature}", shop.text("base64")),
    ]);
    let released = shop.text("release.key.pub");
    let verify = [
        "openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &released,
    ];
    run(&[&verify[..], &["-in", &manifest, "-sigfile", &signature]].concat());
    let mode =
        std::os::unix::fs::MetadataExt::mode(&fs::metadata(shop.path("release.key")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
}
