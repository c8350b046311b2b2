//! Looking at images: what is in one, how two differ, whether one is whole.
//!
//! Only reads.

mod difference;
mod flat;
mod inspection;
mod verification;

pub use difference::{Change, ChangeKind, Difference, difference};
pub use inspection::{Inspected, InspectedLayer, inspect};
pub use verification::{Verification, verify};
