//! Copies a directory tree with the images' owners and modes, and its own times: a class-data
//! archive is valid only for jars of the time it was made with.

use std::fs::{self, File, FileTimes, Metadata};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::{InstallError, failed, give};

/// Whose a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Copies `from` to `to`, without what earlier processes logged. The group may do what the user
/// may; others may read.
pub(super) fn copy(from: &Path, to: &Path, owner: Option<Owner>) -> Result<(), InstallError> {
    copy_directory(from, to, owner, true)
}

fn copy_directory(
    from: &Path,
    to: &Path,
    owner: Option<Owner>,
    is_top: bool,
) -> Result<(), InstallError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |source| InstallError::Read { path, source }
    };
    make_directory(to, owner)?;
    for entry in fs::read_dir(from).map_err(read(from))? {
        let entry = entry.map_err(read(from))?;
        let (name, source) = (entry.file_name(), entry.path());
        // The binary lies beside the home in a build's context.
        if is_top && (name == "log" || name == "flugs") {
            continue;
        }
        let target = to.join(&name);
        let metadata = fs::symlink_metadata(&source).map_err(read(&source))?;
        if metadata.is_symlink() {
            let link = fs::read_link(&source).map_err(read(&source))?;
            symlink(link, &target).map_err(failed(&target))?;
        } else if metadata.is_dir() {
            copy_directory(&source, &target, owner, false)?;
        } else if metadata.is_file() {
            fs::copy(&source, &target).map_err(failed(&target))?;
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if executable { 0o775 } else { 0o664 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))
                .map_err(failed(&target))?;
            set_owner(&target, owner)?;
            set_time(&target, &metadata)?;
        }
    }
    Ok(())
}

/// A directory that the user and its group may write to.
pub(super) fn make_directory(path: &Path, owner: Option<Owner>) -> Result<(), InstallError> {
    fs::create_dir_all(path).map_err(failed(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o775)).map_err(failed(path))?;
    set_owner(path, owner)
}

pub(super) fn set_owner(path: &Path, owner: Option<Owner>) -> Result<(), InstallError> {
    give(path, owner).map_err(failed(path))
}

/// Gives a file the modification time of another.
pub(super) fn set_time(path: &Path, like: &Metadata) -> Result<(), InstallError> {
    let modified = like.modified().map_err(failed(path))?;
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(failed(path))?;
    file.set_times(FileTimes::new().set_modified(modified))
        .map_err(failed(path))
}
