//! What a load has done so far, so that it can be taken back: all of it, the last first.

use std::fs;
use std::path::{Path, PathBuf};

use crate::image::ImageError;
use crate::image::sink::engine;

/// One thing that was done.
enum Done {
    /// A file was put where none was.
    Created(PathBuf),
    /// A directory was made.
    MadeDirectory(PathBuf),
    /// A file was put in place of another, which was kept.
    Replaced { path: PathBuf, kept: PathBuf },
    /// The engine was given an image under this name; it had another under it, or none.
    Loaded {
        name: String,
        before: Option<String>,
    },
}

/// What was done, in order.
#[derive(Default)]
pub(super) struct Undo {
    done: Vec<Done>,
}

impl Undo {
    /// Before a file is put at `path`: keeps what is there.
    pub(super) fn will_write(&mut self, path: &Path) -> std::io::Result<()> {
        // Only what was there before the first change counts.
        if self.done.iter().any(|done| done.is_of(path)) {
            return Ok(());
        }
        if !path.exists() {
            self.done.push(Done::Created(path.to_owned()));
            return Ok(());
        }
        let mut kept = path.as_os_str().to_owned();
        kept.push(format!(".before-load-{}", std::process::id()));
        let kept = PathBuf::from(kept);
        // The old file stays in place until the new one is renamed over it.
        fs::hard_link(path, &kept).or_else(|_| fs::copy(path, &kept).map(drop))?;
        self.done.push(Done::Replaced {
            path: path.to_owned(),
            kept,
        });
        Ok(())
    }

    /// Makes a directory and those above it.
    pub(super) fn make_directory(&mut self, path: &Path) -> std::io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.make_directory(above)?;
        }
        fs::create_dir(path)?;
        self.done.push(Done::MadeDirectory(path.to_owned()));
        Ok(())
    }

    /// Before the engine is given an image.
    pub(super) async fn will_load(&mut self, name: &str) -> Result<(), ImageError> {
        let before = engine::id_of(name).await?;
        let name = name.to_owned();
        self.done.push(Done::Loaded { name, before });
        Ok(())
    }

    /// It went well: what was kept is not needed any more.
    pub(super) fn forget(self) {
        for done in self.done {
            if let Done::Replaced { kept, .. } = done {
                let _ = fs::remove_file(kept);
            }
        }
    }

    /// Takes everything back. Gives the first reason why something could not be.
    pub(super) async fn run(self) -> Option<String> {
        let mut failed = None;
        for done in self.done.into_iter().rev() {
            if let Err(reason) = done.take_back().await {
                failed.get_or_insert(reason);
            }
        }
        failed
    }
}

impl Done {
    fn is_of(&self, wanted: &Path) -> bool {
        match self {
            Self::Created(path) | Self::Replaced { path, .. } => path == wanted,
            Self::MadeDirectory(_) | Self::Loaded { .. } => false,
        }
    }

    async fn take_back(self) -> Result<(), String> {
        let about = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        match self {
            Self::Created(path) => match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(about(&path, error))
                }
                _ => Ok(()),
            },
            Self::MadeDirectory(path) => fs::remove_dir(&path).map_err(|error| about(&path, error)),
            Self::Replaced { path, kept } => {
                fs::rename(&kept, &path).map_err(|error| about(&path, error))
            }
            Self::Loaded { name, before } => {
                let now = engine::id_of(&name)
                    .await
                    .map_err(|error| error.to_string())?;
                match before {
                    _ if now == before => Ok(()),
                    Some(id) => engine::tag(&id, &name)
                        .await
                        .map_err(|error| error.to_string()),
                    None => engine::remove(&name)
                        .await
                        .map_err(|error| error.to_string()),
                }
            }
        }
    }
}
