//! How bytes travel: the content-addressed store, the server, the fetcher, the unpacker.
//!
//! A SHA-256 decides what bytes are right, so any mirror is as good as any other and nothing
//! unverified is ever seen by anybody. Knows nothing of what the bytes mean to those who use them.
//!
//! ```
//! use flugs_artifact::Store;
//!
//! let directory = tempfile::tempdir()?;
//! let store = Store::open(directory.path())?;
//! let object = store.add_bytes(b"a jar")?;
//! assert_eq!(object.size, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(unused_crate_dependencies)]

pub mod fetch;
pub mod server;
pub mod store;
pub mod token;
pub mod unpack;

pub use fetch::{FetchError, FetchEvent, FetchOptions, FetchSummary, Fetcher};
pub use server::{Server, ServerOptions};
pub use store::{Store, StoreError, StoredObject};
pub use token::Token;
pub use unpack::UnpackError;
