//! Stamps the commit and its time into the binary, for `flugs --version` and for images, and the
//! list of its crates, for bills of materials; packs its relocations.

#[path = "build/crates.rs"]
mod crates;

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FLUGS_COMMIT");
    // Git adds a line here whenever the checked-out commit changes. Cargo takes a path that does
    // not exist for a changed one, and would build anew every time: `.git` is a file in a worktree.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && std::path::Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    let commit = std::env::var("FLUGS_COMMIT")
        .ok()
        .or_else(head_commit)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FLUGS_COMMIT={commit}");
    // What images that this program builds are dated with, unless told otherwise.
    println!("cargo::rerun-if-env-changed=FLUGS_COMMIT_TIME");
    let time = std::env::var("FLUGS_COMMIT_TIME")
        .ok()
        .or_else(|| git(&["log", "-1", "--format=%ct"]))
        .unwrap_or_else(|| "0".to_owned());
    println!("cargo::rustc-env=FLUGS_COMMIT_TIME={time}");
    list_crates();
    // 400 kB less. A static binary relocates itself, which the C library can do in this form
    // since glibc 2.36; an older one would crash at its first instruction.
    if glibc_of_this_host().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Writes the list of crates that becomes part of the binary.
fn list_crates() {
    for file in ["Cargo.lock", "Cargo.toml", "build/crates.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let variable = |name| std::env::var(name).unwrap_or_default();
    let target = variable("TARGET");
    println!("cargo::rustc-env=FLUGS_TARGET={target}");
    let mut words = vec!["tree", "--locked", "--offline", "--prefix", "none"];
    words.extend(["--edges", "normal,no-proc-macro", "--format", "{p}|{l}"]);
    words.extend(["--package", "flugs", "--target", &target]);
    let tree = output(&variable("CARGO"), &words);
    let lock = std::fs::read_to_string("Cargo.lock").unwrap_or_default();
    let version = variable("CARGO_PKG_VERSION");
    let list = crates::list(&version, &lock, tree.as_deref());
    let path = std::path::Path::new(&variable("OUT_DIR")).join("crates.txt");
    if let Err(error) = std::fs::write(&path, list) {
        println!("cargo::error=cannot write {}: {error}", path.display());
    }
}

/// The version of the C library that the binary is linked with, if it is the host's.
fn glibc_of_this_host() -> Option<(u32, u32)> {
    let variable = |name| std::env::var(name).ok();
    if variable("HOST")? != variable("TARGET")? {
        return None;
    }
    let text = output("getconf", &["GNU_LIBC_VERSION"])?;
    let (major, minor) = text.strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The checked-out commit, or `None` outside a git checkout (a source archive).
fn head_commit() -> Option<String> {
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    output("git", arguments)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no supervisor"
)]
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}
