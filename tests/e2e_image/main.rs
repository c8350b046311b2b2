//! Images and bundles, made by the real binary and judged by others: Docker, podman, buildah, skopeo,
//! umoci, containerd, tar, OpenSSL, Debian's registry. `tools/install-packages.sh test` installs what is missing.
#![expect(
    clippy::disallowed_methods,
    reason = "the tests drive other programs; nothing supervises children here"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot set its scene up fails on the spot"
)]

mod accepted;
mod base;
mod build;
mod bundle;
mod cluster;
#[path = "../everybody/mod.rs"]
mod everybody;
mod inputs;
mod owners;
mod podman;
mod registry;
mod server;
mod training;
mod workshop;
