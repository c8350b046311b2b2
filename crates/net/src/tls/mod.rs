//! TLS: whom to trust, and who to be, as files say it.
//!
//! Owns the reading of PEM files, the authorities of a system, and certificates that are judged
//! otherwise than by authorities. Never decides whether TLS is spoken.

mod judged;
mod pem;

pub use judged::{Judge, JudgedVerifier};
pub use pem::{PemError, authorities, certificates, private_key};
