//! flugs runs Apache Flink at once: on one machine, on Docker, on Apache Mesos.
//!
//! The rooms follow the flow of a worker's life (see `ARCHITECTURE.md`): what a launch needs is
//! gathered ([`overlay`]), written down as one launch manifest ([`spec`]), served and fetched
//! ([`artifact`]), turned into configuration ([`conf`]) and a JVM command ([`flink`]) by the
//! pipeline ([`launch`]), and kept alive ([`supervise`]); [`entrypoint`] reads the
//! words of older scripts as such launches. Above it, the application master
//! ([`appmaster`]) decides how many workers there should be ([`fleet`]), starts them
//! ([`provider`]), and remembers them ([`store`]). [`cli`] turns arguments into calls; what it is
//! asked to write goes to a [`destination`].

pub mod appmaster;
pub mod artifact;
pub mod cli;
pub mod conf;
pub mod destination;
pub mod entrypoint;
pub mod files;
pub mod fleet;
pub mod flink;
pub mod image;
pub mod install;
pub mod keystore;
pub mod launch;
pub mod mesos;
pub mod overlay;
pub mod provider;
pub mod spec;
pub mod store;
pub mod supervise;
