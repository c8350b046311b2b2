//! The directories that a new layer stands on.
//!
//! Whoever unpacks a layer apart from those below (Docker's overlay2 does) makes a directory that
//! the layer leaves out as root's with mode 0755, and what it makes covers what is below. So a
//! layer has every directory above its entries, with the owner and the mode that the layers below
//! gave it.

use std::collections::BTreeMap;

use super::base::Facts;
use super::definition::{Definition, Owner};
use super::layer::{Node, Permissions, Tree};

/// Directories of root's, where nobody says anything else.
const PLAIN: Permissions = Permissions {
    mode: 0o755,
    owner: Owner { user: 0, group: 0 },
};

/// What the layers so far have for directories.
#[derive(Debug, Clone)]
pub(super) struct Ground {
    known: BTreeMap<String, Permissions>,
    flink_home: String,
    of_flink: Permissions,
}

/// Files of Flink belong to the user, and to group 0: a container that runs as another user runs
/// in that group, and what is writable for the one is for the other.
pub(super) fn group_zero(definition: &Definition) -> Owner {
    Owner {
        user: definition.user.uid,
        group: 0,
    }
}

impl Ground {
    /// The base's directories.
    pub(super) fn new(facts: &Facts, definition: &Definition) -> Self {
        Self {
            known: facts.directories.clone(),
            flink_home: definition.flink.home.in_layer().to_owned(),
            of_flink: Permissions {
                mode: 0o775,
                owner: group_zero(definition),
            },
        }
    }

    /// What a directory has, or gets if it is new: new ones of Flink's home are as that is, all
    /// others plain.
    pub(super) fn permissions(&self, path: &str) -> Permissions {
        let new = || {
            let in_home = path
                .strip_prefix(&self.flink_home)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if in_home { self.of_flink } else { PLAIN }
        };
        self.known(path).unwrap_or_else(new)
    }

    /// What a directory has, if it is there.
    pub(super) fn known(&self, path: &str) -> Option<Permissions> {
        self.known.get(path).copied()
    }

    /// Completes a layer with the directories above its entries; the next one stands on it.
    pub(super) fn lay(&mut self, tree: &mut Tree) {
        tree.complete(|path| self.permissions(path));
        for (path, entry) in tree.entries() {
            match entry.node {
                Node::Directory => drop(self.known.insert(path.to_owned(), entry.permissions)),
                _ => drop(self.known.remove(path)),
            }
        }
    }
}
