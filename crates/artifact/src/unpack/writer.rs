//! Where accepted entries go: into a tree, or only onto a list.

use std::io::{self, Read};

use super::Unpacked;
use super::error::Problem;
use super::policy::{Accepted, Node};
use super::rule::Rule;
use super::tree::Tree;

/// Takes accepted entries one after the other.
pub(super) trait Sink {
    /// Takes an entry with its content of exactly `size` bytes.
    fn take(
        &mut self,
        accepted: Accepted,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Problem>;
}

/// Lists entries, reading their content only to find what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<(Accepted, u64)>,
}

impl Sink for Plan {
    fn take(
        &mut self,
        accepted: Accepted,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Problem> {
        copy_exactly(content, size, &accepted.path, &mut |_| Ok(()))?;
        self.entries.push((accepted, size));
        Ok(())
    }
}

/// Writes entries into a tree.
#[derive(Debug)]
pub(super) struct Writer {
    tree: Tree,
    links: Vec<String>,
    unpacked: Unpacked,
}

impl Writer {
    pub(super) fn new(tree: Tree) -> Self {
        Self {
            tree,
            links: Vec::new(),
            unpacked: Unpacked::default(),
        }
    }

    /// Has the kernel confirm, now that everything is there, that no link leads outside.
    pub(super) fn finish(self) -> Result<(Tree, Unpacked), Problem> {
        for link in self.links {
            if !self.tree.stays_inside(&link) {
                return Err(Problem::Entry(link, Rule::LinkResolvesOutside));
            }
        }
        Ok((self.tree, self.unpacked))
    }
}

impl Sink for Writer {
    fn take(
        &mut self,
        accepted: Accepted,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), Problem> {
        let Accepted { path, node } = accepted;
        self.unpacked.entries += 1;
        match node {
            Node::Top => Ok(()),
            Node::Directory(mode) => self.tree.directory(&path, mode).map_err(Problem::Tree),
            Node::Link(target) => {
                self.tree.link(&path, &target).map_err(Problem::Tree)?;
                self.links.push(path);
                Ok(())
            }
            Node::File(mode) => {
                let mut file = self.tree.file(&path, mode).map_err(Problem::Tree)?;
                self.unpacked.bytes += size;
                copy_exactly(content, size, &path, &mut |piece| {
                    io::Write::write_all(&mut file, piece).map_err(Problem::Tree)
                })
            }
        }
    }
}

/// Reads content to its end: to see its checksum verified, and that it is as long as it should.
fn copy_exactly(
    content: &mut dyn Read,
    size: u64,
    path: &str,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut buffer = vec![0; usize::try_from(size.clamp(1, 256 << 10)).unwrap_or(1)];
    let mut copied = 0;
    loop {
        let read = match content.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Problem::Archive(error)),
        };
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        copied += piece.len() as u64;
        if copied > size {
            break;
        }
        write(piece)?;
    }
    if copied == size {
        return Ok(());
    }
    let rule = Rule::SizesDisagree {
        first: size,
        second: copied,
    };
    Err(Problem::Entry(path.to_owned(), rule))
}
