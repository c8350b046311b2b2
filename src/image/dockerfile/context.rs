//! The build context: one tar of the Dockerfile, the binary and Flink, sorted, with one time and
//! one owner.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use crate::image::{Epoch, ImageError};

/// Writes the context. `flink` is a home, which becomes the directory `flink`, or a tarball, which
/// keeps its name behind `flink-`.
pub(super) fn write_context(
    dockerfile: &str,
    flink: &Path,
    binary: &Path,
    epoch: Epoch,
    sink: &mut dyn Write,
) -> Result<(), ImageError> {
    let mut context = Context {
        tar: Builder::new(sink),
        epoch,
    };
    context.bytes("Dockerfile", 0o644, dockerfile.as_bytes())?;
    if flink.is_dir() {
        context.directory("flink", flink)?;
    } else {
        let name = flink.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix("flink-").unwrap_or(&name);
        context.file(&format!("flink-{name}"), flink)?;
    }
    context.file("flugs", binary)?;
    context
        .tar
        .finish()
        .map_err(|source| ImageError::write(Path::new("the build context"), source))
}

struct Context<'a> {
    tar: Builder<&'a mut dyn Write>,
    epoch: Epoch,
}

impl Context<'_> {
    fn header(&self, kind: EntryType, mode: u32, size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(self.epoch.seconds());
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn append(
        &mut self,
        name: &str,
        mut header: Header,
        data: impl Read,
    ) -> Result<(), ImageError> {
        self.tar
            .append_data(&mut header, name, data)
            .map_err(|source| ImageError::write(Path::new("the build context"), source))
    }

    fn bytes(&mut self, name: &str, mode: u32, bytes: &[u8]) -> Result<(), ImageError> {
        let header = self.header(EntryType::Regular, mode, bytes.len() as u64);
        self.append(name, header, bytes)
    }

    /// A file; of its mode only whether it may be executed counts, whatever the umask was.
    fn file(&mut self, name: &str, path: &Path) -> Result<(), ImageError> {
        let read = |source| ImageError::read(path, source);
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        let executable = metadata.permissions().mode() & 0o100 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        let header = self.header(EntryType::Regular, mode, metadata.len());
        // A file that grows meanwhile is cut at the length that the header says.
        self.append(name, header, file.take(metadata.len()))
    }

    fn directory(&mut self, name: &str, path: &Path) -> Result<(), ImageError> {
        let header = self.header(EntryType::Directory, 0o755, 0);
        self.append(&format!("{name}/"), header, std::io::empty())?;
        let read = |source| ImageError::read(path, source);
        let mut entries: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(path).map_err(read)? {
            entries.push(entry.map_err(read)?.path());
        }
        entries.sort();
        for entry in entries {
            let file_name = entry.file_name().unwrap_or_default().to_string_lossy();
            // What earlier runs of this home logged is nobody's concern.
            if name == "flink" && file_name == "log" {
                continue;
            }
            let below = format!("{name}/{file_name}");
            let metadata = fs::symlink_metadata(&entry);
            let metadata = metadata.map_err(|source| ImageError::read(&entry, source))?;
            if metadata.is_symlink() {
                self.link(&below, &entry)?;
            } else if metadata.is_dir() {
                self.directory(&below, &entry)?;
            } else {
                self.file(&below, &entry)?;
            }
        }
        Ok(())
    }

    fn link(&mut self, name: &str, path: &Path) -> Result<(), ImageError> {
        let target = fs::read_link(path).map_err(|source| ImageError::read(path, source))?;
        let mut header = self.header(EntryType::Symlink, 0o777, 0);
        self.tar
            .append_link(&mut header, name, target)
            .map_err(|source| ImageError::write(Path::new("the build context"), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn inputs(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("home");
        for name in names {
            let path = home.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        symlink("flink-dist.jar", home.join("lib/link.jar")).unwrap();
        fs::write(directory.path().join("flugs"), "binary").unwrap();
        directory
    }

    fn context(directory: &Path, flink: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let epoch = Epoch::resolve(Some("1700000000")).unwrap();
        let (flink, binary) = (directory.join(flink), directory.join("flugs"));
        write_context("FROM x\n", &flink, &binary, epoch, &mut bytes).unwrap();
        bytes
    }

    fn names(context: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(context);
        let entries = archive.entries().unwrap();
        let name = |entry: tar::Entry<'_, &[u8]>| entry.path().unwrap().display().to_string();
        entries.map(|entry| name(entry.unwrap())).collect()
    }

    #[test]
    fn the_same_inputs_in_another_order_and_umask_give_the_same_context() {
        let files = ["lib/flink-dist.jar", "bin/flink", "log/old.log"];
        let one = inputs(&files);
        let mut turned = files;
        turned.reverse();
        let other = inputs(&turned);
        let path = other.path().join("home/lib/flink-dist.jar");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        let context = |directory: &tempfile::TempDir| context(directory.path(), "home");
        assert_eq!(context(&one), context(&other));
        assert_eq!(
            names(&context(&one)),
            [
                "Dockerfile",
                "flink/",
                "flink/bin/",
                "flink/bin/flink",
                "flink/lib/",
                "flink/lib/flink-dist.jar",
                "flink/lib/link.jar",
                "flugs"
            ]
        );
    }

    #[test]
    fn a_tarball_is_found_by_the_dockerfiles_pattern() {
        let directory = inputs(&["lib/x"]);
        for (name, expected) in [
            ("flink-2.3.0-bin.tgz", "flink-2.3.0-bin.tgz"),
            ("f.tgz", "flink-f.tgz"),
        ] {
            fs::write(directory.path().join(name), "x").unwrap();
            let found = names(&context(directory.path(), name));
            assert_eq!(found, ["Dockerfile", expected, "flugs"]);
        }
    }
}
