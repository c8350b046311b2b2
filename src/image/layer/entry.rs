//! One entry of a layer, and the tree of them: sorted, each path once, every directory above a
//! file present, nothing of the building machine in them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::image::ImageError;
use crate::image::definition::Owner;

/// Whose an entry is, and who may do what with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Permissions {
    /// Permission bits.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
}

/// What an entry of a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose it is.
    pub permissions: Permissions,
    /// What it is.
    pub node: Node,
}

/// The kinds of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A directory.
    Directory,
    /// A symbolic link to this target.
    Link(String),
    /// A file with this content.
    Bytes(Vec<u8>),
    /// A file with the content of this file of the building machine.
    File(PathBuf),
}

impl Entry {
    /// An entry.
    pub(crate) fn new(mode: u32, owner: Owner, node: Node) -> Self {
        Self {
            permissions: Permissions { mode, owner },
            node,
        }
    }
}

/// The entries of a layer by their path, which has no slash in front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    entries: BTreeMap<String, Entry>,
}

impl Tree {
    /// The entries, sorted so that a directory comes before what is in it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .map(|(path, entry)| (path.as_str(), entry))
    }

    /// Adds an entry, in place of what was at its path.
    pub(crate) fn put(&mut self, path: &str, entry: Entry) {
        self.entries.insert(path.to_owned(), entry);
    }

    /// Adds a directory.
    pub(crate) fn put_directory(&mut self, path: &str, mode: u32, owner: Owner) {
        self.put(path, Entry::new(mode, owner, Node::Directory));
    }

    /// Adds the directories above everything that is here, with the permissions that they are said
    /// to have.
    pub(crate) fn complete(&mut self, permissions: impl Fn(&str) -> Permissions) {
        let above: Vec<String> = self
            .entries
            .keys()
            .flat_map(|path| path.match_indices('/').filter_map(|(at, _)| path.get(..at)))
            .map(str::to_owned)
            .collect();
        for path in above {
            let permissions = permissions(&path);
            self.entries.entry(path).or_insert(Entry {
                permissions,
                node: Node::Directory,
            });
        }
    }

    /// Adds a file or directory of this machine at `path`. Of its modes only one thing is taken
    /// over: whether its owner may execute it. The rest is the umask's of whoever made it.
    pub(crate) fn put_source(
        &mut self,
        path: &str,
        source: &Path,
        owner: Owner,
    ) -> Result<(), ImageError> {
        let unreadable = |error| ImageError::read(source, error);
        let metadata = fs::symlink_metadata(source).map_err(unreadable)?;
        // A link that is named itself is meant for what it leads to.
        let metadata = if metadata.is_symlink() {
            fs::metadata(source).map_err(unreadable)?
        } else {
            metadata
        };
        self.put_node(path, source, &metadata, owner)
    }

    fn put_node(
        &mut self,
        path: &str,
        source: &Path,
        metadata: &fs::Metadata,
        owner: Owner,
    ) -> Result<(), ImageError> {
        if metadata.is_dir() {
            self.put_directory(path, 0o755, owner);
            return self.put_children(path, source, owner);
        }
        let (node, mode) = if metadata.is_symlink() {
            let target = fs::read_link(source).map_err(|error| ImageError::read(source, error))?;
            let target = target.to_str().ok_or_else(|| not_text(source))?;
            (Node::Link(target.to_owned()), 0o777)
        } else if metadata.is_file() {
            let mode = if metadata.mode() & 0o100 == 0 {
                0o644
            } else {
                0o755
            };
            (Node::File(source.to_owned()), mode)
        } else {
            return Err(ImageError::Unfit {
                path: source.to_owned(),
                reason: "it is neither a file, nor a directory, nor a link".to_owned(),
            });
        };
        self.put(path, Entry::new(mode, owner, node));
        Ok(())
    }

    fn put_children(&mut self, path: &str, source: &Path, owner: Owner) -> Result<(), ImageError> {
        let unreadable = |error| ImageError::read(source, error);
        for child in fs::read_dir(source).map_err(unreadable)? {
            let child = child.map_err(unreadable)?;
            let at = child.path();
            let name = child.file_name();
            let name = name.to_str().ok_or_else(|| not_text(&at))?;
            let metadata =
                fs::symlink_metadata(&at).map_err(|error| ImageError::read(&at, error))?;
            self.put_node(&format!("{path}/{name}"), &at, &metadata, owner)?;
        }
        Ok(())
    }

    /// Changes what is at or below a path, if anything is.
    pub(crate) fn change_below(&mut self, path: &str, change: impl Fn(&str, &mut Entry)) {
        let below = format!("{path}/");
        self.entries
            .iter_mut()
            .filter(|(at, _)| at.as_str() == path || at.starts_with(&below))
            .for_each(|(at, entry)| change(at, entry));
    }

    /// Removes what is below a path, but not the path itself.
    pub(crate) fn empty(&mut self, path: &str) {
        let below = format!("{path}/");
        self.entries.retain(|at, _| !at.starts_with(&below));
    }
}

fn not_text(path: &Path) -> ImageError {
    ImageError::Unfit {
        path: path.to_owned(),
        reason: "its name is not UTF-8".to_owned(),
    }
}
