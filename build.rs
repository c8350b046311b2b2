//! Stamps the commit into the binary, for `flugs --version`.
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=FLUGS_COMMIT");
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
    let commit = std::env::var("FLUGS_COMMIT")
        .ok()
        .or_else(head_commit)
        .unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=FLUGS_COMMIT={commit}");
}

/// The checked-out commit, or `None` outside a git checkout (a source archive).
#[expect(
    clippy::disallowed_methods,
    reason = "a build script has no supervisor"
)]
fn head_commit() -> Option<String> {
    let output = Command::new("git")
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}
