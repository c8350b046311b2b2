//! What images stand on: made of Debian packages, or taken from where it is.

mod facts;
mod import;
mod keystore;
mod make;
mod traces;

pub(super) use facts::Facts;
pub(super) use import::{Base, Making, architecture_of, demand, diff_id, image, open, rootfs};
pub use make::{BaseRecipe, MadeBase};
