//! An image's layers become a directory, as an engine would make it (opencontainers/image-spec,
//! "Image Layer Filesystem Changeset").
//!
//! Runs with that directory as its root: whatever links a layer makes, and whatever names it
//! has, nothing outside can be reached. Not the unpacker of artifacts, which refuses what layers
//! are full of (links that lead out, owners, setuid), and not the tar crate's, which gives
//! entries of 1970 another time: a JVM compares a jar's time with its archive's.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::order::Order;
use super::{ROOT, TrainingError};
use crate::image::base;

/// Unpacks the layers of the order in this directory.
///
/// # Errors
/// [`TrainingError`]: a layer cannot be read, or an entry of it cannot be made.
pub fn unpack(directory: &Path) -> Result<(), TrainingError> {
    let order = Order::read(directory)?;
    let mut tars = Vec::new();
    for (layer, region) in &order.layers {
        let tar = base::open(region).map_err(|source| TrainingError::Unpack {
            layer: layer.clone(),
            source,
        })?;
        tars.push((layer, tar));
    }
    let root = directory.join(ROOT);
    let confined = |errno: nix::errno::Errno| TrainingError::Root {
        what: format!("enter {}", root.display()),
        source: errno.into(),
    };
    nix::unistd::chdir(&root).map_err(confined)?;
    nix::unistd::chroot(".").map_err(confined)?;
    let top = Top {
        root: Path::new("/"),
        owners: !order.mapped,
    };
    for (layer, tar) in tars {
        top.lay(tar).map_err(|source| TrainingError::Unpack {
            layer: layer.clone(),
            source,
        })?;
    }
    Ok(())
}

/// The directory that layers are laid over one another in.
#[derive(Debug, Clone, Copy)]
struct Top<'a> {
    root: &'a Path,
    /// Whether files get the owners that the layer says.
    owners: bool,
}

impl Top<'_> {
    fn lay(self, tar: impl Read) -> io::Result<()> {
        let mut archive = tar::Archive::new(tar);
        // What this layer has made: its own whiteouts are about what is below it.
        let mut own = BTreeSet::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path_bytes().into_owned();
            self.lay_entry(&mut entry, &name, &mut own)
                .map_err(|error| {
                    let name = String::from_utf8_lossy(&name);
                    io::Error::new(error.kind(), format!("{name}: {error}"))
                })?;
        }
        Ok(())
    }

    fn lay_entry(
        self,
        entry: &mut tar::Entry<'_, impl Read>,
        name: &[u8],
        own: &mut BTreeSet<PathBuf>,
    ) -> io::Result<()> {
        let path = self.place(name)?;
        let file_name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
        if let Some(hidden) = file_name.strip_prefix(b".wh.") {
            let above = path.parent().unwrap_or(self.root);
            return if hidden == b".wh..opq" {
                remove_but(above, own)
            } else {
                remove(&above.join(OsStr::from_bytes(hidden)))
            };
        }
        self.make(entry, &path)?;
        own.extend(path.ancestors().map(Path::to_owned));
        Ok(())
    }

    /// Where an entry of this name goes.
    fn place(self, name: &[u8]) -> io::Result<PathBuf> {
        let mut path = self.root.to_owned();
        for component in Path::new(OsStr::from_bytes(name)).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "its path leads upwards",
                    ));
                }
            }
        }
        Ok(path)
    }

    fn make(self, entry: &mut tar::Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
        let kind = entry.header().entry_type();
        let there = fs::symlink_metadata(path).ok();
        let is_there = there.as_ref().is_some_and(fs::Metadata::is_dir) && kind.is_dir();
        if there.is_some() && !is_there {
            remove(path)?;
        }
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        let mode = entry.header().mode()? & 0o7777;
        let target = entry.link_name_bytes().unwrap_or_default().into_owned();
        if kind.is_dir() {
            if !is_there {
                fs::create_dir(path)?;
            }
            self.own(entry, path)?;
            // Whoever unpacks must be able to remove it again.
            fs::set_permissions(path, Permissions::from_mode(mode | 0o700))
        } else if kind.is_symlink() {
            symlink(OsStr::from_bytes(&target), path)?;
            self.own(entry, path)
        } else if kind.is_hard_link() {
            fs::hard_link(self.place(&target)?, path)
        } else if kind.is_file() {
            let mut file = File::create_new(path)?;
            io::copy(entry, &mut file)?;
            self.own(entry, path)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            let time = Duration::from_secs(entry.header().mtime()?);
            // A time that no clock will show is left out.
            let time = SystemTime::UNIX_EPOCH.checked_add(time);
            time.map_or(Ok(()), |time| file.set_modified(time))
        } else {
            // Devices are this machine's to give, and a pipe is of no use to a JVM.
            Ok(())
        }
    }

    /// Before the mode: a new owner takes setuid away.
    fn own(self, entry: &tar::Entry<'_, impl Read>, path: &Path) -> io::Result<()> {
        if !self.owners {
            return Ok(());
        }
        let number = |id: u64| u32::try_from(id).map_err(io::Error::other);
        let header = entry.header();
        lchown(
            path,
            Some(number(header.uid()?)?),
            Some(number(header.gid()?)?),
        )
    }
}

/// Removes what is at a path, if anything is.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes what is in a directory, but not what is among `kept`.
fn remove_but(directory: &Path, kept: &BTreeSet<PathBuf>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if !kept.contains(&path) {
            remove(&path)?;
        } else if entry.file_type()?.is_dir() {
            remove_but(&path, kept)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    /// A tar of entries: a path that ends in / is a directory, `a -> b` a link, `a = b` a hard
    /// link, and all else a file with its path as content, of 1970.
    fn tar(entries: &[&str]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(0);
            header.set_mode(0o644);
            if let Some((path, target)) = entry.split_once(" -> ") {
                header.set_entry_type(tar::EntryType::Symlink);
                builder.append_link(&mut header, path, target).unwrap();
            } else if let Some((path, target)) = entry.split_once(" = ") {
                header.set_entry_type(tar::EntryType::Link);
                builder.append_link(&mut header, path, target).unwrap();
            } else if entry.ends_with('/') {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o1555);
                builder
                    .append_data(&mut header, entry, io::empty())
                    .unwrap();
            } else {
                header.set_size(entry.len() as u64);
                builder
                    .append_data(&mut header, entry, entry.as_bytes())
                    .unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    /// What is in a directory after these layers.
    fn laid(root: &Path, layers: &[&[&str]]) -> Vec<String> {
        let owners = false;
        for layer in layers {
            Top { root, owners }.lay(tar(layer).as_slice()).unwrap();
        }
        let mut found = Vec::new();
        let mut pending = vec![root.to_owned()];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    pending.push(entry.path());
                }
                let path = entry.path();
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
        found.sort();
        found
    }

    #[test]
    fn a_layer_hides_what_is_below_it_and_not_what_is_its_own() {
        let root = tempfile::tempdir().unwrap();
        let below: &[&str] = &["./a/x", "a/deep/y", "b/z", "c"];
        let above: &[&str] = &["a/deep/own", "a/.wh..wh..opq", "b/.wh.z", ".wh.c", "./d"];
        let found = laid(root.path(), &[below, above]);
        assert_eq!(found, ["a", "a/deep", "a/deep/own", "b", "d"]);
    }

    #[test]
    fn an_entry_of_another_kind_takes_the_place_of_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let below: &[&str] = &["was-directory/x", "was-link -> elsewhere", "was-file"];
        let above: &[&str] = &["was-directory", "was-link/", "was-link/in", "was-file/in"];
        // The last has no entry for the directory: the file above it is in the way.
        let found = laid(root.path(), &[below, &above[..3]]);
        assert_eq!(
            found,
            ["was-directory", "was-file", "was-link", "was-link/in"]
        );
        let top = Top {
            root: root.path(),
            owners: false,
        };
        let error = top.lay(tar(&above[3..]).as_slice()).unwrap_err();
        assert!(error.to_string().starts_with("was-file/in: "), "{error}");
    }

    #[test]
    fn times_are_those_of_the_layer_even_in_1970_and_modes_are_too() {
        let root = tempfile::tempdir().unwrap();
        laid(root.path(), &[&["d/", "d/jar", "d/same = d/jar"]]);
        let metadata = |name: &str| fs::symlink_metadata(root.path().join(name)).unwrap();
        assert_eq!(metadata("d/jar").mtime(), 0);
        assert_eq!(metadata("d/jar").ino(), metadata("d/same").ino());
        assert_eq!(metadata("d/jar").mode() & 0o7777, 0o644);
        // Its own user may write in it, so that it can be removed.
        assert_eq!(metadata("d").mode() & 0o7777, 0o1755);
    }

    #[test]
    fn a_path_that_leads_upwards_is_refused() {
        let top = Top {
            root: Path::new("/"),
            owners: false,
        };
        assert!(top.place(b"a/../../etc/passwd").is_err());
        assert_eq!(
            top.place(b"./a//b/").unwrap(),
            Path::new("/a/b").to_path_buf()
        );
    }
}
