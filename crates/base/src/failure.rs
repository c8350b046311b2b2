//! What every error that can end the program has in common: an exit code.

use crate::ExitCode;

/// An error that knows the exit code it ends the program with. Each room's error type implements
/// it, so that the command line needs no table of its own.
pub trait Failure: std::error::Error {
    /// The code of the table in [`ExitCode`] that fits.
    fn exit_code(&self) -> ExitCode;
}
