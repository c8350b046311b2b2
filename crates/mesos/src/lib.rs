//! Apache Mesos' v1 scheduler API, without libmesos.
//!
//! Owns where a master is asked for ([`master_address`]) and who leads ([`detection`]), the
//! connection to it ([`connection`]), what masters of which version understand ([`version`]), the
//! messages ([`wire`]), their framing ([`record_io`]), what can be taken out of an
//! offer ([`resources`]), where a task may run ([`constraint`]), which offer is used for which
//! worker ([`matching`]), and the scheduler itself as a pure state machine ([`scheduler`]).
//! Never knows Flink. Only `connection` and `detection` do I/O.
//!
//! ```
//! use flugs_mesos::constraint::parse_list;
//! use flugs_mesos::master_address::MasterAddress;
//!
//! let address = MasterAddress::parse("zk://zk1:2181,zk2:2181/mesos")?;
//! assert!(matches!(address, MasterAddress::ZooKeeper { servers, .. } if servers.len() == 2));
//! assert_eq!(parse_list("hostname:UNIQUE")?.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(unused_crate_dependencies)]

pub mod connection;
pub mod constraint;
pub mod detection;
pub mod master_address;
pub mod matching;
pub mod record_io;
pub mod resources;
pub mod scheduler;
pub mod version;
pub mod wire;
