//! What every connection needs, whatever is sent over it.
//!
//! Owns host names without NSS ([`Resolver`]), whom TLS trusts ([`tls`]), and sessions with ZooKeeper
//! ([`zookeeper`]). Never knows what is sent, and what the nodes of ZooKeeper mean.
//!
//! ```
//! use flugs_net::HostPort;
//!
//! let server = HostPort {
//!     host: "fd00::1".to_owned(),
//!     port: 2181,
//! };
//! assert_eq!(server.to_string(), "[fd00::1]:2181");
//! ```

#![warn(unused_crate_dependencies)]

mod host_port;
mod host_resolver;
mod resolver;
pub mod tls;
pub mod zookeeper;

pub use host_port::HostPort;
pub use host_resolver::HostResolver;
pub use resolver::Resolver;
