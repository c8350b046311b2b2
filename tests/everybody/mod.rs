//! The binary where every user reaches it: below a home of mode 0700, where a clone may be, only
//! that home's user does.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A copy of the binary for as long as this lives.
pub(crate) struct Everybodys {
    directory: tempfile::TempDir,
}

impl Everybodys {
    pub(crate) fn new() -> Self {
        let readable = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir();
        let place = Self {
            directory: readable.expect("a directory"),
        };
        let copy = place.flugs();
        fs::copy(env!("CARGO_BIN_EXE_flugs"), &copy).expect("a copy");
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("executable");
        place
    }

    /// The copy.
    pub(crate) fn flugs(&self) -> PathBuf {
        self.directory.path().join("flugs")
    }
}
