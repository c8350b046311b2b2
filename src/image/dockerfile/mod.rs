//! Builds with a Docker engine, from the Dockerfiles: for those who want its way. The engine is
//! given a context that is the same for the same inputs, byte for byte.

mod context;

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::query_parameters::BuildImageOptions;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc::{Sender, channel};

use super::{Epoch, ImageError};
use context::write_context;

/// So many pieces may wait for the engine.
const AHEAD: usize = 8;

/// The two Dockerfiles.
const APPMASTER: &str = include_str!("../../../Dockerfile.appmaster");
const WORKER: &str = include_str!("../../../Dockerfile.worker");

/// Which of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageRole {
    /// The image of JobManagers.
    Appmaster,
    /// The image of TaskManagers.
    Worker,
}

/// What is built.
#[derive(Debug, Clone)]
pub struct EngineBuild {
    /// Which of the images.
    pub role: ImageRole,
    /// The base's name with the engine; the Dockerfile's own unless given.
    pub base: Option<String>,
    /// A Flink home, or a release tarball.
    pub flink: PathBuf,
    /// The binary.
    pub binary: PathBuf,
    /// The name that the image gets.
    pub name: String,
    /// Whether the image's JVM is trained.
    pub train: bool,
}

impl ImageRole {
    /// The role as people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appmaster => "appmaster",
            Self::Worker => "worker",
        }
    }

    const fn dockerfile(self) -> &'static str {
        match self {
            Self::Appmaster => APPMASTER,
            Self::Worker => WORKER,
        }
    }
}

impl EngineBuild {
    fn options(&self) -> BuildImageOptions {
        let mut arguments = HashMap::new();
        if let Some(base) = &self.base {
            arguments.insert("BASE".to_owned(), base.clone());
        }
        if !self.train {
            arguments.insert("FLUGS_TRAIN".to_owned(), "no".to_owned());
        }
        arguments.insert("VERSION".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        BuildImageOptions {
            dockerfile: "Dockerfile".to_owned(),
            t: Some(self.name.clone()),
            buildargs: Some(arguments),
            rm: true,
            forcerm: true,
            ..BuildImageOptions::default()
        }
    }

    /// Writes the context, as the engine is given it.
    ///
    /// # Errors
    /// If an input cannot be read, or `sink` not be written to.
    pub fn context(&self, epoch: Epoch, sink: &mut dyn Write) -> Result<(), ImageError> {
        write_context(
            self.role.dockerfile(),
            &self.flink,
            &self.binary,
            epoch,
            sink,
        )
    }

    /// Builds the image. `progress` is told each step; what the engine said is part of the error
    /// if the build fails.
    pub async fn run(
        &self,
        epoch: Epoch,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), ImageError> {
        let engine = Docker::connect_with_defaults().map_err(|error| unreachable_engine(&error))?;
        let (sender, mut receiver) = channel(AHEAD);
        let build = self.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let mut pieces = io::BufWriter::with_capacity(1 << 18, Pieces(sender));
            build.context(epoch, &mut pieces)?;
            pieces
                .flush()
                .map_err(|source| ImageError::write(Path::new("the build context"), source))
        });
        let pieces = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        let body = bollard::body_stream(pieces);
        let mut log = String::new();
        let mut refusal = None;
        let mut answers = Box::pin(engine.build_image(self.options(), None, Some(body)));
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(info) => {
                    if let Some(text) = info.stream {
                        if text.starts_with("Step ") {
                            progress(text.trim());
                        }
                        log.push_str(&text);
                    }
                    let detail = info.error_detail.and_then(|detail| detail.message);
                    refusal = detail.or(refusal);
                }
                Err(error) => refusal = Some(error.to_string()),
            }
        }
        drop(answers);
        // An input that could not be read is the cause of whatever the engine says.
        match writing.await {
            Ok(Err(error @ ImageError::Read { .. })) => return Err(error),
            Ok(_) => {}
            Err(error) => {
                refusal.get_or_insert(error.to_string());
            }
        }
        match refusal {
            None => Ok(()),
            Some(reason) => Err(ImageError::Engine {
                reason: format!("{reason}\nwhat it said:\n{}", log.trim_end()),
            }),
        }
    }
}

fn unreachable_engine(error: &bollard::errors::Error) -> ImageError {
    ImageError::Engine {
        reason: format!("{error}; does it run, and may this user talk to it?"),
    }
}

/// Hands pieces to the connection; an engine that hung up is a broken pipe.
struct Pieces(Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Bytes::copy_from_slice(bytes))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_those_that_the_dockerfiles_know() {
        let build = EngineBuild {
            role: ImageRole::Worker,
            base: Some("debian-java:17".into()),
            flink: "flink".into(),
            binary: "flugs".into(),
            name: "flugs-worker".into(),
            train: false,
        };
        let arguments = build.options().buildargs.unwrap();
        for role in [ImageRole::Appmaster, ImageRole::Worker] {
            for name in arguments.keys() {
                let declared = format!("ARG {name}");
                assert!(role.dockerfile().contains(&declared), "{declared}");
            }
        }
        assert_eq!(arguments["BASE"], "debian-java:17");
    }
}
