//! The user flink, added to what accounts the base has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{InstallError, failed};

/// The images' user, as in the official image.
pub const USER: &str = "flink";
/// Its user and group id, as there.
pub const ID: u32 = 9999;

/// Writes `etc/passwd` and `etc/group` of `base`, with the user and its group, below `root`.
pub(super) fn add(base: &Path, root: &Path) -> Result<(), InstallError> {
    let user = format!("{USER}:x:{ID}:{ID}:Apache Flink:/opt/flink:/bin/sh\n");
    let group = format!("{USER}:x:{ID}:\n");
    for (path, entry) in [("etc/passwd", user), ("etc/group", group)] {
        let existing = fs::read_to_string(base.join(path)).unwrap_or_default();
        let target = root.join(path);
        fs::write(&target, with_entry(&existing, &entry)).map_err(failed(&target))?;
        // Whatever the umask: everybody looks names up here.
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).map_err(failed(&target))?;
    }
    Ok(())
}

/// The accounts with the entry, unless its name is taken: a derived base may have the user.
fn with_entry(existing: &str, entry: &str) -> String {
    let name = entry.split(':').next().unwrap_or_default();
    if existing
        .lines()
        .any(|line| line.split(':').next() == Some(name))
    {
        return existing.to_owned();
    }
    let separator = if existing.is_empty() || existing.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{existing}{separator}{entry}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_is_added_once_and_the_others_stay() {
        assert_eq!(with_entry("", "flink:x\n"), "flink:x\n");
        assert_eq!(with_entry("root:x", "flink:x\n"), "root:x\nflink:x\n");
        let there = "root:x\nflink:x:1:1\n";
        assert_eq!(with_entry(there, "flink:x\n"), there);
        assert_eq!(
            with_entry("flinker:x\n", "flink:x\n"),
            "flinker:x\nflink:x\n"
        );
    }
}
