//! Files read whole up to a bound, and private files that appear whole.
//!
//! Owns the two ways in which a file that holds little goes wrong: read cut off because it was longer
//! than anybody thought, and found empty because its writer died between making and filling it.
//! Never decides what is in a file.

mod bounded;
mod private;

pub use bounded::{read_bounded, read_bounded_text};
pub use private::write_private;
