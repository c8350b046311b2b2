//! Layers: a tree of entries, written as a deterministic tar and compressed.
//!
//! Never decides what is in an image.

mod compression;
mod entry;
mod write;

pub use compression::{Compression, CompressionError};
pub(super) use entry::{Entry, Node, Permissions, Tree};
pub(super) use write::{Hashed, stream, tar};
