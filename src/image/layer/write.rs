//! A tree as a layer: the tar, its diffID, the compressed bytes and their digest in one pass.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Write};
use std::num::NonZeroUsize;

use sha2::{Digest as _, Sha256};

use super::compression::{self, Compression};
use super::entry::{Entry, Node, Tree};
use crate::image::Epoch;
use flugs_base::Sha256Digest;

/// What a layer turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) struct Written {
    /// The digest of the bytes as they travel.
    pub(in crate::image) digest: Sha256Digest,
    /// Their length.
    pub(in crate::image) size: u64,
    /// The digest of the tar within (the diffID of opencontainers/image-spec, "Image Layout").
    pub(in crate::image) diff_id: Sha256Digest,
    /// The tar's length.
    pub(in crate::image) tar_size: u64,
}

/// Writes what `produce` gives as a layer to `target`.
pub(in crate::image) fn stream(
    target: &File,
    compression: Compression,
    threads: NonZeroUsize,
    produce: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<Written> {
    let outer = Hashed::new(io::BufWriter::with_capacity(1 << 20, target));
    let (outer, (diff_id, tar_size)) = compression::compress(compression, threads, outer, |to| {
        let mut inner = Hashed::new(to);
        produce(&mut inner)?;
        Ok(inner.finish().1)
    })?;
    let (mut file, (digest, size)) = outer.finish();
    file.flush()?;
    Ok(Written {
        digest,
        size,
        diff_id,
        tar_size,
    })
}

/// Writes a tree as a tar: sorted, every time the epoch, numeric owners without names.
pub(in crate::image) fn tar(tree: &Tree, epoch: Epoch, to: &mut dyn Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(to);
    for (path, entry) in tree.entries() {
        append(&mut builder, path, entry, epoch)
            .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))?;
    }
    builder.into_inner().map(drop)
}

fn append(
    builder: &mut tar::Builder<&mut dyn Write>,
    path: &str,
    entry: &Entry,
    epoch: Epoch,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(entry.permissions.mode);
    header.set_uid(u64::from(entry.permissions.owner.user));
    header.set_gid(u64::from(entry.permissions.owner.group));
    header.set_mtime(epoch.seconds());
    match &entry.node {
        Node::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            builder.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Node::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            builder.append_link(&mut header, path, target)
        }
        Node::Bytes(bytes) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())
        }
        Node::File(source) => {
            let file = File::open(source)?;
            let size = file.metadata()?.len();
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(size);
            let mut content = BufReader::with_capacity(1 << 18, file).take(size);
            builder.append_data(&mut header, path, &mut content)?;
            // A shorter file would shift everything behind it.
            if content.limit() == 0 {
                Ok(())
            } else {
                Err(io::Error::other("it changed while it was read"))
            }
        }
    }
}

/// Passes bytes on, and hashes and counts them.
pub(in crate::image) struct Hashed<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W> Hashed<W> {
    pub(in crate::image) fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            length: 0,
        }
    }

    /// What the bytes went to or came from, their digest and their length.
    pub(in crate::image) fn finish(self) -> (W, (Sha256Digest, u64)) {
        let digest = Sha256Digest::from_bytes(self.hasher.finalize().into());
        (self.inner, (digest, self.length))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: io::Read> io::Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..read).unwrap_or_default());
        self.length += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::definition::Owner;
    use crate::image::layer::Permissions;

    #[test]
    fn a_tree_becomes_the_same_layer_whatever_the_umask_of_its_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let digest = |mode: u32| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("lib");
            std::fs::create_dir(&path).unwrap();
            for (name, mode) in [("b", mode), ("a", mode | 0o100)] {
                std::fs::write(path.join(name), name).unwrap();
                std::fs::set_permissions(path.join(name), std::fs::Permissions::from_mode(mode))
                    .unwrap();
            }
            let mut tree = Tree::default();
            tree.put_source(
                "opt/lib",
                &path,
                Owner {
                    user: 9999,
                    group: 0,
                },
            )
            .unwrap();
            tree.complete(|_| Permissions {
                mode: 0o755,
                owner: Owner::default(),
            });
            let names: Vec<_> = tree
                .entries()
                .map(|(path, entry)| format!("{path} {:o}", entry.permissions.mode))
                .collect();
            assert_eq!(
                names,
                ["opt 755", "opt/lib 755", "opt/lib/a 755", "opt/lib/b 644"]
            );
            let target = tempfile::tempfile().unwrap();
            let epoch = Epoch::resolve(Some("1700000000")).unwrap();
            stream(&target, Compression::Gzip, NonZeroUsize::MIN, |to| {
                tar(&tree, epoch, to)
            })
            .unwrap()
        };
        let (open, closed) = (digest(0o666), digest(0o600));
        assert_eq!(open, closed);
        insta::assert_snapshot!(open.diff_id, @"7e5381baec82f118e67047c2db9f66ce507e9db905a7cb689128af914dc1e122");
    }
}
