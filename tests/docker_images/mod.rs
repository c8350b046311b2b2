//! The images under test, built once for each Flink and each state of the binary, with the real
//! engine and the Dockerfiles of this repository.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flugs_base::Sha256Digest;
use nix::fcntl::{Flock, FlockArg};

#[path = "../flink_homes/mod.rs"]
mod flink_homes;

pub(crate) use flink_homes::flink_home;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FLUGS: &str = env!("CARGO_BIN_EXE_flugs");

/// The two images of one Flink.
#[derive(Debug, Clone)]
pub(crate) struct Images {
    pub(crate) appmaster: String,
    pub(crate) worker: String,
}

/// Runs `docker` and gives what it printed.
pub(crate) fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().unwrap()
}

/// Runs `docker`, which must succeed, and gives its standard output without the last line break.
#[track_caller]
pub(crate) fn docker_ok(words: &[&str]) -> String {
    let output = docker(words);
    assert!(
        output.status.success(),
        "docker {words:?}: {}",
        text(&output)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a program printed, for a message.
pub(crate) fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    format!("{}\n{}", output.status, String::from_utf8_lossy(&all))
}

#[track_caller]
fn run(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        program.display(),
        text(&output)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The images of a Flink release. Tests of several processes build them once: the tags say which
/// binary, base and Dockerfiles they are of.
pub(crate) fn images(version: &str) -> Images {
    let target = Path::new(ROOT).join("target/docker-images");
    fs::create_dir_all(&target).unwrap();
    let lock = File::create(target.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    run(&Path::new(ROOT).join("tools/dockerd.sh"), &[]);
    let base = base(&target);
    let mut inputs = fs::read(FLUGS).unwrap();
    for file in ["Dockerfile.appmaster", "Dockerfile.worker"] {
        inputs.extend(fs::read(Path::new(ROOT).join(file)).unwrap());
    }
    inputs.extend(base.as_bytes());
    let mut state = Sha256Digest::of(&inputs).to_string();
    state.truncate(12);
    let name = |role: &str| format!("flugs-e2e-{role}:{version}-{state}");
    let images = Images {
        appmaster: name("appmaster"),
        worker: name("worker"),
    };
    let is_there = |image: &str| docker(&["image", "inspect", image]).status.success();
    if !is_there(&images.appmaster) || !is_there(&images.worker) {
        remove_older(version);
        let context = context(&target, version);
        for (role, image) in [("appmaster", &images.appmaster), ("worker", &images.worker)] {
            build(role, image, &base, &context);
        }
        fs::remove_dir_all(context).unwrap();
    }
    images
}

/// The base, imported once for each state of its tar.
fn base(target: &Path) -> String {
    let directory = target.join("base");
    let script = Path::new(ROOT).join("tools/base-image.sh");
    run(&script, &[directory.to_str().unwrap()]);
    let tar = directory.join("base.tar");
    let file = File::open(&tar).unwrap();
    let stat = nix::sys::stat::fstat(file.as_fd()).unwrap();
    let image = format!("flugs-e2e-base:{}-{}", stat.st_size, stat.st_mtime);
    if !docker(&["image", "inspect", &image]).status.success() {
        docker_ok(&["import", tar.to_str().unwrap(), &image]);
    }
    image
}

/// A build context: the binary and the Flink home.
fn context(target: &Path, version: &str) -> PathBuf {
    let context = target.join(format!("context-{version}"));
    let _ = fs::remove_dir_all(&context);
    fs::create_dir(&context).unwrap();
    fs::copy(FLUGS, context.join("flugs")).unwrap();
    let home = flink_home(version).canonicalize().unwrap();
    run(
        Path::new("cp"),
        &[
            "-a",
            home.to_str().unwrap(),
            context.join("flink").to_str().unwrap(),
        ],
    );
    context
}

fn build(role: &str, image: &str, base: &str, context: &Path) {
    let file = Path::new(ROOT).join(format!("Dockerfile.{role}"));
    let base = format!("BASE={base}");
    docker_ok(&[
        "build",
        "--quiet",
        "--file",
        file.to_str().unwrap(),
        "--build-arg",
        &base,
        "--build-arg",
        "VERSION=0.0.1",
        "--label",
        "flugs.test=e2e",
        "--tag",
        image,
        context.to_str().unwrap(),
    ]);
}

/// Removes the images of other states of the tree, which nobody runs any more.
fn remove_older(version: &str) {
    for role in ["appmaster", "worker"] {
        let repository = format!("flugs-e2e-{role}");
        let tags = docker_ok(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            &repository,
        ]);
        for tag in tags
            .lines()
            .filter(|tag| tag.contains(&format!(":{version}-")))
        {
            docker(&["rmi", tag]);
        }
    }
}
