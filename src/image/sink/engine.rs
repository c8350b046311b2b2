//! The local Docker engine: takes the very archive that a file would get, and gives archives.

use std::io::{self, Write};

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::SystemVersion;
use bollard::query_parameters::ImportImageOptionsBuilder;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc::{Sender, channel};

use crate::image::ImageError;
use crate::image::blobs::Blobs;
use crate::image::content::Content;
use crate::image::source::Source;

/// So many pieces may wait for the engine.
const AHEAD: usize = 8;

fn engine() -> Result<Docker, ImageError> {
    Docker::connect_with_defaults().map_err(|error| refused(&error))
}

/// What an engine that may not have been reached at all is said to have said.
fn refused(error: &Error) -> ImageError {
    let mut reason = error.to_string();
    if !matches!(error, Error::DockerResponseServerError { .. }) {
        reason.push_str("; does it run, and may this user talk to it?");
    }
    ImageError::Engine { reason }
}

/// What an engine that has answered before is said to have said.
fn broke_off(error: &Error) -> ImageError {
    let reason = match error {
        Error::DockerResponseServerError { message, .. }
        | Error::DockerStreamError { error: message } => {
            format!("it refuses the image: {message}")
        }
        error => format!("it broke off while it read the image: {error}; its log may say why"),
    };
    ImageError::Engine { reason }
}

/// Whether the engine is there, and reads zstd if that is needed.
pub(in crate::image) async fn check(zstd: bool) -> Result<(), ImageError> {
    let version = engine()?.version().await;
    let version = version.map_err(|error| refused(&error))?;
    match Engine::of(&version) {
        Engine::Docker(found) if zstd && !reads_zstd(&found) => {
            Err(ImageError::EngineReadsNoZstd { version: found })
        }
        _ => Ok(()),
    }
}

/// What answers under Docker's interface.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Engine {
    /// Docker itself, of this version.
    Docker(String),
    /// Something else: podman, which numbers its versions in its own way.
    Other,
}

impl Engine {
    fn of(version: &SystemVersion) -> Self {
        let components = version.components.iter().flatten();
        let is_podman = components
            .map(|component| component.name.to_ascii_lowercase())
            .any(|name| name.contains("podman"));
        match &version.version {
            Some(version) if !is_podman => Self::Docker(version.clone()),
            _ => Self::Other,
        }
    }
}

/// Docker's reader of layers knows zstd from 23.0 on (moby/moby, `pkg/archive`). What has no number
/// (a build of its sources) is given the chance.
fn reads_zstd(version: &str) -> bool {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    major.is_none_or(|major: u32| major >= 23)
}

/// Loads an image.
pub(in crate::image) async fn load(content: &Content, blobs: &Blobs) -> Result<(), ImageError> {
    // Once more, if it was asked before: a base may have brought such layers along.
    check(content.has_zstd()).await?;
    let engine = engine()?;
    let (sender, mut receiver) = channel(AHEAD);
    let (content, blobs) = (content.clone(), blobs.clone());
    let writing = tokio::task::spawn_blocking(move || {
        super::archive::write(
            io::BufWriter::with_capacity(1 << 18, Pieces(sender)),
            &content,
            &blobs,
        )
    });
    let pieces = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
    let pieces = pieces.map(Ok::<Bytes, io::Error>);
    let options = ImportImageOptionsBuilder::default().quiet(true).build();
    let mut answers = Box::pin(engine.import_image_stream(options, pieces, None));
    let mut refusal = None;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(info) => {
                if let Some(detail) = info.error_detail.and_then(|detail| detail.message) {
                    refusal = Some(ImageError::Engine { reason: detail });
                }
            }
            Err(error) => refusal = Some(broke_off(&error)),
        }
    }
    drop(answers);
    let written = writing.await.map_err(|error| ImageError::Engine {
        reason: format!("the archive could not be written: {error}"),
    })?;
    match refusal {
        // Why the engine hung up says more than that it did.
        Some(refusal) => Err(refusal),
        None => written,
    }
}

/// Hands what is written to the connection.
struct Pieces(Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Bytes::copy_from_slice(bytes))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the engine hung up"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes an image out of the engine, to a file that goes away with what is given.
pub(in crate::image) async fn export(name: &str) -> Result<Source, ImageError> {
    let engine = engine()?;
    engine
        .inspect_image(name)
        .await
        .map_err(|error| refused(&error))?;
    let mut file = tempfile::NamedTempFile::new()
        .map_err(|error| ImageError::write(&std::env::temp_dir(), error))?;
    let mut pieces = Box::pin(engine.export_image(name));
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| refused(&error))?;
        file.write_all(&piece)
            .map_err(|error| ImageError::write(file.path(), error))?;
    }
    Source::temporary_archive(file.into_temp_path())
}
/// The ID that the engine knows an image by, or `None` if it knows none of that name.
pub(in crate::image) async fn id_of(name: &str) -> Result<Option<String>, ImageError> {
    match engine()?.inspect_image(name).await {
        Ok(found) => Ok(found.id),
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(None),
        Err(error) => Err(refused(&error)),
    }
}

/// Takes a name away from the engine again, and the image if nothing else names it.
pub(in crate::image) async fn remove(name: &str) -> Result<(), ImageError> {
    let options = None::<bollard::query_parameters::RemoveImageOptions>;
    engine()?
        .remove_image(name, options, None)
        .await
        .map(drop)
        .map_err(|error| refused(&error))
}

/// Gives a name to the image with this ID.
pub(in crate::image) async fn tag(id: &str, name: &str) -> Result<(), ImageError> {
    let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
    let options = bollard::query_parameters::TagImageOptionsBuilder::default()
        .repo(repository)
        .tag(tag)
        .build();
    engine()?
        .tag_image(id, Some(options))
        .await
        .map_err(|error| refused(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::SystemVersionComponents;

    fn answer(version: &str, component: &str) -> SystemVersion {
        SystemVersion {
            version: Some(version.to_owned()),
            components: Some(vec![SystemVersionComponents {
                name: component.to_owned(),
                version: version.to_owned(),
                details: None,
            }]),
            ..SystemVersion::default()
        }
    }

    #[test]
    fn docker_reads_zstd_from_23_on_and_podman_is_no_old_docker() {
        for (version, reads) in [
            ("20.10.24+dfsg1", false),
            ("19.03.13", false),
            ("23.0.0", true),
            ("28.2.2", true),
            ("dev", true),
        ] {
            assert_eq!(reads_zstd(version), reads, "{version}");
        }
        let docker = Engine::of(&answer("20.10.24", "Engine"));
        assert_eq!(docker, Engine::Docker("20.10.24".to_owned()));
        assert_eq!(Engine::of(&answer("4.3.1", "Podman Engine")), Engine::Other);
    }
}
