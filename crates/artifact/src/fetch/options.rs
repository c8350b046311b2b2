//! How a fetcher behaves.

use std::path::PathBuf;
use std::time::Duration;

use super::{Fingerprint, Retry};
use crate::unpack::Limits;
use crate::{Store, Token};
use flugs_net::Resolver;

/// How a fetcher behaves. The defaults are right for a launch.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Shown to the server that the manifest comes from, and to no other.
    pub token: Option<Token>,
    /// A cache that workers of this host share.
    pub cache: Option<Store>,
    /// The cache may hold this many bytes; what was used least recently makes room once a fetch
    /// is over.
    pub cache_bytes: Option<u64>,
    /// Directories of the image that hold stamped files (see [`super::Stamps`]).
    pub baked: Vec<PathBuf>,
    /// How often and how long to try.
    pub retry: Retry,
    /// So many artifacts are fetched side by side.
    pub parallel: usize,
    /// So many parts of one large artifact are fetched side by side; 1 turns it off.
    pub parallel_ranges: u32,
    /// An artifact is large from this many bytes on.
    pub range_threshold: u64,
    /// A connection must be made within this time.
    pub connect_timeout: Duration,
    /// A server must send something within this time.
    pub stall_timeout: Duration,
    /// A server must send this many bytes a second, over each `stall_timeout`.
    pub min_bytes_per_second: u64,
    /// Honour `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.
    pub use_proxies: bool,
    /// Certificates (PEM) of the authority to trust instead of the system's.
    pub authority: Option<PathBuf>,
    /// Trust only the server with this certificate.
    pub pin: Option<Fingerprint>,
    /// Certificate chain and key (PEM) to show to servers that ask for them.
    pub client_identity: Option<(PathBuf, PathBuf)>,
    /// The file with names and passwords for OCI registries, as `docker login` writes it.
    pub registry_auth: Option<PathBuf>,
    /// What archives may contain.
    pub unpack_limits: Limits,
    /// Resolves host names.
    pub resolver: Resolver,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            token: None,
            cache: None,
            cache_bytes: None,
            baked: Vec::new(),
            retry: Retry::default(),
            parallel: 6,
            parallel_ranges: 4,
            range_threshold: 256 << 20,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            min_bytes_per_second: 1024,
            use_proxies: true,
            authority: None,
            pin: None,
            client_identity: None,
            registry_auth: None,
            unpack_limits: Limits::default(),
            resolver: Resolver::default(),
        }
    }
}
