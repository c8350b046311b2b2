//! Where images go: an OCI layout, an archive, the local engine, a registry. The same bytes
//! everywhere.

mod archive;
pub(in crate::image) mod engine;
mod layout;
pub(in crate::image) mod registry;
mod remark;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::blobs::Blobs;
use super::content::Content;
use super::layer::Compression;
use super::{ImageError, Reference};
use flugs_base::destination::refuse_terminal;

pub use remark::Remark;

/// A place that takes images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// An OCI layout's directory; images that are in it stay.
    Oci(PathBuf),
    /// A file: OCI layout and Docker's archive in one tar.
    Archive(PathBuf),
    /// The local Docker engine.
    Docker,
    /// A registry, under this name; its tag included.
    Registry(Reference),
}

/// Text that names no sink.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{found}\" takes no image: {reason}")]
pub struct SinkError {
    found: String,
    reason: String,
}

impl FromStr for Sink {
    type Err = SinkError;

    fn from_str(text: &str) -> Result<Self, SinkError> {
        let refuse = |reason: String| SinkError {
            found: text.to_owned(),
            reason,
        };
        match text.split_once(':') {
            Some(("oci", path)) if !path.is_empty() => Ok(Self::Oci(path.into())),
            Some(("archive", path)) if !path.is_empty() => Ok(Self::Archive(path.into())),
            Some(("registry", name)) => {
                let reference: Reference =
                    name.parse().map_err(|error| refuse(format!("{error}")))?;
                if reference.registry.is_none() {
                    return Err(refuse(
                        "the registry's host is missing: registry:HOST/NAME:TAG".to_owned(),
                    ));
                }
                Ok(Self::Registry(reference))
            }
            None if text == "docker" => Ok(Self::Docker),
            _ => Err(refuse(
                "expected oci:DIR, archive:FILE, docker or registry:NAME".to_owned(),
            )),
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(path) => write!(formatter, "oci:{}", path.display()),
            Self::Archive(path) => write!(formatter, "archive:{}", path.display()),
            Self::Docker => formatter.write_str("docker"),
            Self::Registry(reference) => write!(formatter, "registry:{reference}"),
        }
    }
}

impl Sink {
    /// Refuses, before there is an image, what cannot end well: an engine that is not there, or
    /// that cannot read such layers; a terminal, which no archive is for.
    pub async fn check(&self, compression: Compression) -> Result<(), ImageError> {
        match self {
            Self::Docker => engine::check(compression == Compression::Zstd).await,
            Self::Archive(path) => {
                refuse_terminal(path).map_err(|error| ImageError::write(path, error))
            }
            Self::Oci(_) | Self::Registry(_) => Ok(()),
        }
    }

    /// Takes an image, and says what is worth a remark.
    pub(in crate::image) async fn take(
        &self,
        content: &Content,
        blobs: &Blobs,
    ) -> Result<Vec<Remark>, ImageError> {
        match self {
            Self::Oci(path) => layout::write(path, content, blobs),
            Self::Archive(path) => {
                archive::write_file(path, content, blobs)?;
                let archive = path.display().to_string();
                let remark = content.has_zstd().then_some(Remark::NotForAll { archive });
                Ok(remark.into_iter().collect())
            }
            Self::Docker => {
                engine::load(content, blobs).await?;
                Ok(Vec::new())
            }
            Self::Registry(reference) => registry::push(reference, content, blobs).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_read_back_and_the_rest_is_refused() {
        for text in [
            "oci:a/b",
            "archive:x.tar",
            "docker",
            "registry:localhost:5000/a/b:1",
        ] {
            assert_eq!(text.parse::<Sink>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "oci:",
            "tar:x",
            "docker:x",
            "registry:flink",
            "registry:",
        ] {
            assert!(text.parse::<Sink>().is_err(), "{text}");
        }
    }
}
