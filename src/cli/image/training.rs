//! The steps of a training in processes of their own. `flugs image build --train` calls them; they
//! are not for people.

use std::path::PathBuf;
use std::process::ExitCode as ProcessExit;

use crate::cli::Ending;
use crate::image;

/// A step, and the directory that the build has made for it.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Step {
    /// Train in a directory that the build has prepared.
    #[command(name = image::OVERSEE, hide = true)]
    Oversee { directory: PathBuf },
    /// Unpack the image's layers.
    #[command(name = image::UNPACK, hide = true)]
    Unpack { directory: PathBuf },
    /// Enter the image's root and run its flugs.
    #[command(name = image::ENTER, hide = true)]
    Enter { directory: PathBuf },
}

pub(super) fn run(step: &Step) -> Result<ProcessExit, Ending> {
    match step {
        Step::Oversee { directory } => Ok(image::oversee_training(directory)?.into()),
        Step::Unpack { directory } => {
            image::unpack_training(directory)?;
            Ok(ProcessExit::SUCCESS)
        }
        Step::Enter { directory } => match image::enter_training(directory)? {},
    }
}
