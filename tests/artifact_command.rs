//! `flugs artifact`: what its subcommands do to files, and how they end.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed test panics; these run the program and wait for it"
)]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flugs_base::{ExitCode, Sha256Digest};
use serde_json::Value;

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_flugs"))
            .arg("artifact")
            .args(words)
            .current_dir(self.0.path())
            .env_remove("REGISTRY_AUTH_FILE")
            .output()
            .unwrap()
    }

    /// What a run that succeeds prints.
    #[track_caller]
    fn prints(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, code: ExitCode, words: &[&str]) -> String {
        let output = self.run(words);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code.code().into()), "{stderr}");
        stderr
    }

    fn url(&self, name: &str) -> String {
        format!("file://{}", self.at(name).display())
    }
}

fn digest(content: &[u8]) -> String {
    Sha256Digest::of(content).to_string()
}

/// A tar archive with one file `inside`.
fn archive(content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "inside", content).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn what_is_added_is_listed_by_its_digest_and_kept_in_bounds() {
    let bench = Bench::new();
    bench.file("a", b"first");
    bench.file("b", b"second one");
    let (first, second) = (digest(b"first"), digest(b"second one"));
    let added = bench.prints(&["add", "a"]);
    assert_eq!(added, format!("{first}             5\n"));
    bench.prints(&["add", "--secret", "b"]);
    let listed: Value = serde_json::from_str(&bench.prints(&["ls", "--json"])).unwrap();
    let mut listed: Vec<_> = listed.as_array().unwrap().iter().collect();
    listed.sort_by_key(|one| one["size"].as_u64());
    assert_eq!(listed.len(), 2);
    assert_eq!(
        *listed[0],
        serde_json::json!({"sha256": first, "size": 5, "secret": false})
    );
    assert_eq!(
        *listed[1],
        serde_json::json!({"sha256": second, "size": 10, "secret": true})
    );
    // The first was used longest ago.
    let removed = bench.prints(&["gc", "--max-size", "10"]);
    assert!(
        removed.starts_with(&first) && !removed.contains(&second),
        "{removed}"
    );
    assert_eq!(bench.prints(&["ls"]).lines().count(), 1);
}

#[test]
fn verifying_removes_what_is_damaged_and_says_so_by_its_exit_code() {
    let bench = Bench::new();
    bench.file("a", b"first");
    bench.prints(&["add", "a"]);
    bench.prints(&["verify"]);
    let name = digest(b"first");
    let object = bench.at(&format!(
        ".flugs/artifacts/sha256/{}/{name}",
        name.get(..2).unwrap()
    ));
    fs::remove_file(&object).unwrap();
    fs::write(&object, b"worst").unwrap();
    let message = bench.fails(ExitCode::ArtifactDigest, &["verify"]);
    assert!(message.contains("was damaged"), "{message}");
    assert!(!object.exists());
}

#[test]
fn a_fetched_archive_is_unpacked_and_a_hostile_one_leaves_nothing() {
    let bench = Bench::new();
    let good = archive(b"content");
    bench.file("good.tar", &good);
    let url = bench.url("good.tar");
    let sha256 = digest(&good);
    let words = [
        "fetch",
        &url,
        "--sha256",
        &sha256,
        "--to",
        "out",
        "--extract",
    ];
    bench.prints(&[&words[..], &["--name", "tree"]].concat());
    assert_eq!(fs::read(bench.at("out/tree/inside")).unwrap(), b"content");

    let mut cut = good;
    cut.truncate(1024);
    bench.file("cut.tar", &cut);
    let url = bench.url("cut.tar");
    let sha256 = digest(&cut);
    let words = [
        "fetch",
        &url,
        "--sha256",
        &sha256,
        "--to",
        "cut",
        "--extract",
    ];
    let message = bench.fails(
        ExitCode::ArchiveRefused,
        &[&words[..], &["--name", "tree"]].concat(),
    );
    assert!(message.contains("end marker"), "{message}");
    assert!(!bench.at("cut/tree").exists());
}

#[test]
fn unpacking_checks_the_digest_first() {
    let bench = Bench::new();
    let good = archive(b"content");
    bench.file("good.tar", &good);
    let wrong = digest(b"other");
    bench.fails(
        ExitCode::ArtifactDigest,
        &["unpack", "good.tar", "out", "--sha256", &wrong],
    );
    assert!(!bench.at("out").exists());
    bench.prints(&["unpack", "good.tar", "out", "--sha256", &digest(&good)]);
    assert_eq!(fs::read(bench.at("out/inside")).unwrap(), b"content");
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

#[test]
fn with_a_cache_the_second_fetch_links_and_the_cache_keeps_its_size() {
    let bench = Bench::new();
    for (name, content) in [("a", &b"0123456789"[..]), ("b", b"abcdefghij")] {
        bench.file(name, content);
        let (url, sha256) = (bench.url(name), digest(content));
        let common = ["fetch", &url, "--sha256", &sha256, "--cache", "cache"];
        let to = |place| [&common[..], &["--cache-size", "15", "--to", place]].concat();
        bench.prints(&to("one"));
        bench.prints(&to("two"));
        let (one, two) = (format!("one/{name}"), format!("two/{name}"));
        assert_eq!(inode(&bench.at(&one)), inode(&bench.at(&two)));
        fs::remove_file(bench.at(&one)).unwrap();
        fs::remove_file(bench.at(&two)).unwrap();
    }
    // Both do not fit, and nobody uses the first any more.
    let listed = bench.prints(&["ls", "--store", "cache"]);
    assert!(listed.starts_with(&digest(b"abcdefghij")), "{listed}");
    assert_eq!(listed.lines().count(), 1);
}

#[test]
fn what_a_stamped_image_holds_is_not_fetched() {
    let bench = Bench::new();
    bench.file("image/lib/other-name.jar", b"in the image");
    let output = bench.run(&["stamp", "image"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 files stamped"));
    let sha256 = digest(b"in the image");
    // Nobody listens there.
    let url = "http://127.0.0.1:1/x.jar";
    let words = [
        "fetch", url, "--sha256", &sha256, "--size", "12", "--to", "out",
    ];
    bench.prints(&[&words[..], &["--image", "image"]].concat());
    assert_eq!(fs::read(bench.at("out/x.jar")).unwrap(), b"in the image");
}

#[test]
fn a_tree_travels_as_its_files() {
    let bench = Bench::new();
    bench.file("flink/lib/a.jar", b"a");
    bench.file("flink/conf/config.yaml", b"c");
    let list = bench.prints(&["add", "--tree", "flink", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let sha256 = list[0]["sha256"].as_str().unwrap();
    assert_eq!(sha256.len(), 64);
    // The list and its files are what a server gives; here, a directory of them does.
    let objects = bench.at("objects");
    fs::create_dir(&objects).unwrap();
    for shelf in fs::read_dir(bench.at(".flugs/artifacts/sha256")).unwrap() {
        for object in fs::read_dir(shelf.unwrap().path()).unwrap() {
            let object = object.unwrap();
            fs::copy(object.path(), objects.join(object.file_name())).unwrap();
        }
    }
    let url = format!("file://{}/{sha256}", objects.display());
    bench.prints(&["fetch", &url, "--sha256", sha256, "--tree", "--to", "out"]);
    assert_eq!(fs::read(bench.at("out/lib/a.jar")).unwrap(), b"a");
    assert_eq!(fs::read(bench.at("out/conf/config.yaml")).unwrap(), b"c");
}
