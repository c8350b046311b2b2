//! Where the tests find their Flink homes.

use std::path::{Path, PathBuf};

/// The home of a Flink release: below `FLUGS_FLINK_HOMES`, else below `target/flink`. `./test.sh`
/// makes them.
pub(crate) fn flink_home(version: &str) -> PathBuf {
    let homes = std::env::var_os("FLUGS_FLINK_HOMES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/flink"),
        PathBuf::from,
    );
    let home = homes.join(version);
    assert!(
        home.join("lib").is_dir(),
        "no Flink {version}: make it with tools/flink-home.sh {version} {}",
        home.display()
    );
    home
}
