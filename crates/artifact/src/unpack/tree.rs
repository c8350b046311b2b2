//! A fresh directory tree that is written to from its top down, never through a link.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::symlinkat;

/// A directory that nobody else can look into until it is whole. Removed with all that is in it
/// unless [`Tree::publish`] is reached.
#[derive(Debug)]
pub(super) struct Tree {
    path: PathBuf,
    top: OwnedFd,
    /// The directory that was written to last: archives go through theirs in order.
    latest: Option<(String, OwnedFd)>,
    /// Modes to be set at the end, so that a read-only directory can be filled.
    modes: Vec<(String, u32)>,
    published: bool,
}

impl Tree {
    /// Makes the directory beside `dest`: on the same file system, so that it gets there by a
    /// rename.
    pub(super) fn beside(dest: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!(".unpack-{:016x}", u64::from_ne_bytes(random));
        let path = dest.with_file_name(name);
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let top = nix::fcntl::open(&path, flags, Mode::empty())?;
        Ok(Self {
            path,
            top,
            latest: None,
            modes: Vec::new(),
            published: false,
        })
    }

    /// Makes a directory, and those above it that are missing.
    pub(super) fn directory(&mut self, path: &str, mode: u32) -> io::Result<()> {
        self.make_directories(path)?;
        self.modes.push((path.to_owned(), mode));
        Ok(())
    }

    /// Makes an empty file. It is there under no other name, and was not there before.
    pub(super) fn file(&mut self, path: &str, mode: u32) -> io::Result<File> {
        let (parent, name) = split(path);
        let parent = self.parent(parent)?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = File::from(openat(parent, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(file)
    }

    /// Makes a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = split(path);
        let parent = self.parent(parent)?;
        Ok(symlinkat(target, parent, name)?)
    }

    /// Whether the kernel, asked not to leave the tree, resolves the link or finds nothing there.
    pub(super) fn stays_inside(&self, path: &str) -> bool {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        // An old kernel, or a filter that hides the call, leaves it at the policy's own proof.
        matches!(
            openat2(&self.top, path, how),
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENOSYS | Errno::EPERM)
        )
    }

    /// Gives the whole tree its final modes and its name.
    pub(super) fn publish(mut self, dest: &Path) -> io::Result<()> {
        // The deepest first: a directory that loses its search bit hides those below.
        let mut modes = std::mem::take(&mut self.modes);
        modes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        for (path, mode) in modes {
            let directory = self.open_directory(&path)?;
            nix::sys::stat::fchmod(&directory, Mode::from_bits_truncate(mode))?;
        }
        nix::sys::stat::fchmod(&self.top, Mode::from_bits_truncate(0o755))?;
        fs::rename(&self.path, dest)?;
        self.published = true;
        Ok(())
    }

    fn parent(&mut self, path: &str) -> io::Result<BorrowedFd<'_>> {
        if path.is_empty() {
            return Ok(self.top.as_fd());
        }
        let known = self
            .latest
            .as_ref()
            .is_some_and(|(latest, _)| latest == path);
        if !known {
            self.make_directories(path)?;
            let directory = self.open_directory(path)?;
            self.latest = Some((path.to_owned(), directory));
        }
        match &self.latest {
            Some((_, directory)) => Ok(directory.as_fd()),
            None => Ok(self.top.as_fd()),
        }
    }

    fn make_directories(&self, path: &str) -> io::Result<()> {
        if self.make_directory(path)? {
            return Ok(());
        }
        // Something above is missing as well.
        for (at, _) in path.match_indices('/') {
            self.make_directory(path.get(..at).unwrap_or_default())?;
        }
        if self.make_directory(path)? {
            return Ok(());
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Makes one directory; false if the one above it is missing.
    fn make_directory(&self, path: &str) -> io::Result<bool> {
        let (parent, name) = split(path);
        let parent = match self.open_directory(parent) {
            Ok(parent) => parent,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match mkdirat(&parent, name, Mode::S_IRWXU) {
            Ok(()) | Err(Errno::EEXIST) => Ok(true),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a directory of the tree, never through a link.
    fn open_directory(&self, path: &str) -> io::Result<OwnedFd> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        if path.is_empty() {
            return Ok(openat(&self.top, ".", flags, Mode::empty())?);
        }
        let how = OpenHow::new().flags(flags).resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_MAGICLINKS,
        );
        match openat2(&self.top, path, how) {
            Ok(directory) => Ok(directory),
            // Before Linux 5.6, and where a container's filter forbids what it does not know:
            // one component after the other, which comes to the same for normal paths.
            Err(Errno::ENOSYS | Errno::EPERM) => {
                let mut directory = openat(&self.top, ".", flags, Mode::empty())?;
                for part in path.split('/') {
                    directory = openat(&directory, part, flags, Mode::empty())?;
                }
                Ok(directory)
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
