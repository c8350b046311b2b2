//! Any other command of the official image's entry point: a program of the image, run as it
//! stands.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCommand {
    /// A path, or a name to look up.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// What a shell exits with for a program that is not there.
pub const NOT_FOUND: u8 = 127;
/// What a shell exits with for a program that cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;

/// Finds a program as a shell does, or gives the code that a shell would end with.
pub fn find_program(program: &OsStr, path: &str) -> Result<PathBuf, u8> {
    let executable = |path: &Path| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    if program.as_bytes().contains(&b'/') {
        let file = Path::new(program);
        return match (executable(file), file.exists()) {
            (true, _) => Ok(file.to_owned()),
            (false, true) => Err(NOT_EXECUTABLE),
            (false, false) => Err(NOT_FOUND),
        };
    }
    let mut found: Vec<PathBuf> = std::env::split_paths(path)
        .map(|directory| directory.join(program))
        .filter(|file| file.is_file())
        .collect();
    match found.iter().position(|file| executable(file)) {
        Some(at) => Ok(found.swap_remove(at)),
        None if found.is_empty() => Err(NOT_FOUND),
        None => Err(NOT_EXECUTABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        for (name, mode) in [("runs", 0o755), ("text", 0o644)] {
            let file = directory.path().join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = directory.path().to_str().unwrap();
        let find = |name: &str| find_program(OsStr::new(name), path);
        assert_eq!(find("runs"), Ok(directory.path().join("runs")));
        assert_eq!(find("text"), Err(NOT_EXECUTABLE));
        assert_eq!(find("none"), Err(NOT_FOUND));
        assert_eq!(find(""), Err(NOT_FOUND));
        assert_eq!(find("/no/such"), Err(NOT_FOUND));
        assert_eq!(find("/etc"), Err(NOT_EXECUTABLE));
    }
}
