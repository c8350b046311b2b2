//! Loading a bundle: verified whole, planned, then done; if one step fails, those before are
//! taken back.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use super::BundleError;
use super::manifest::{BundledFile, BundledImage};
use super::opened::Opened;
use super::undo::Undo;
use crate::image::blobs::Blobs;
use crate::image::content::Content;
use crate::image::sink::{Remark, engine, registry};
use crate::image::{Reference, Sink};

/// Where a bundle is loaded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadTarget {
    /// Images to an OCI layout.
    Oci(PathBuf),
    /// Images to the local Docker engine.
    Docker,
    /// Images to Mesos's image directory, as `NAME:TAG.tar`.
    Mesos(PathBuf),
    /// Images to a registry, below this prefix of their names: `HOST` or `HOST/PREFIX`.
    Registry(String),
    /// Flink, jars and configuration to a directory.
    Files(PathBuf),
}

/// Text that names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" is no place to load to: expected oci:DIR, docker, mesos:DIR, registry:HOST[/PREFIX] or files:DIR"
)]
pub struct LoadTargetError(String);

impl FromStr for LoadTarget {
    type Err = LoadTargetError;

    fn from_str(text: &str) -> Result<Self, LoadTargetError> {
        match text.split_once(':') {
            Some((_, "")) => Err(LoadTargetError(text.to_owned())),
            Some(("oci", path)) => Ok(Self::Oci(path.into())),
            Some(("mesos", path)) => Ok(Self::Mesos(path.into())),
            Some(("files", path)) => Ok(Self::Files(path.into())),
            Some(("registry", host)) => Ok(Self::Registry(host.trim_end_matches('/').to_owned())),
            None if text == "docker" => Ok(Self::Docker),
            _ => Err(LoadTargetError(text.to_owned())),
        }
    }
}

impl fmt::Display for LoadTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(path) => write!(formatter, "oci:{}", path.display()),
            Self::Docker => formatter.write_str("docker"),
            Self::Mesos(path) => write!(formatter, "mesos:{}", path.display()),
            Self::Registry(host) => write!(formatter, "registry:{host}"),
            Self::Files(path) => write!(formatter, "files:{}", path.display()),
        }
    }
}

/// What a load does, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoadPlan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What is worth a remark, now that they are done.
    #[serde(skip)]
    pub remarks: Vec<Remark>,
}

/// One step of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What is loaded: an image's name or a file's path.
    pub what: String,
    /// Where it goes.
    pub to: String,
}

/// One step, with what it takes to do it.
enum Task<'a> {
    Image(&'a BundledImage, Sink),
    File(&'a BundledFile, PathBuf),
}

/// Verifies the bundle, plans, and does what was planned unless `dry_run` says to stop there.
pub async fn load(
    bundle: &Opened,
    targets: &[LoadTarget],
    dry_run: bool,
) -> Result<LoadPlan, BundleError> {
    bundle.verify()?;
    let tasks = tasks(bundle, targets)?;
    let steps = tasks.iter().map(Task::step).collect();
    if dry_run {
        return Ok(LoadPlan {
            steps,
            remarks: Vec::new(),
        });
    }
    let blobs = bundle.blobs();
    check_engine(&tasks, &blobs).await?;
    let mut undo = Undo::default();
    let done = run(&tasks, &blobs, &mut undo).await;
    match done {
        Ok(remarks) => {
            undo.forget();
            Ok(LoadPlan { steps, remarks })
        }
        Err((what, source)) => Err(BundleError::RolledBack {
            what,
            undone: undo.run().await,
            source: Box::new(source),
        }),
    }
}

/// Refuses what the engine would refuse, before anything is changed anywhere.
async fn check_engine(tasks: &[Task<'_>], blobs: &Blobs) -> Result<(), BundleError> {
    let mut for_engine = false;
    let mut zstd = false;
    for task in tasks {
        if let Task::Image(image, Sink::Docker) = task {
            for_engine = true;
            zstd |= read(blobs, image)?.has_zstd();
        }
    }
    if for_engine {
        engine::check(zstd).await?;
    }
    Ok(())
}

fn tasks<'a>(bundle: &'a Opened, targets: &[LoadTarget]) -> Result<Vec<Task<'a>>, BundleError> {
    let manifest = bundle.manifest();
    let mut tasks = Vec::new();
    for target in targets {
        match target {
            LoadTarget::Files(directory) => {
                let place =
                    |file: &'a BundledFile| Task::File(file, directory.join(file.path.to_string()));
                tasks.extend(manifest.files.iter().map(place));
            }
            LoadTarget::Oci(directory) => {
                let to = |image| Task::Image(image, Sink::Oci(directory.clone()));
                tasks.extend(manifest.images.iter().map(to));
            }
            LoadTarget::Docker => tasks.extend(
                manifest
                    .images
                    .iter()
                    .map(|image| Task::Image(image, Sink::Docker)),
            ),
            LoadTarget::Mesos(directory) => {
                let to = |image: &'a BundledImage| {
                    Task::Image(
                        image,
                        Sink::Archive(directory.join(format!("{}.tar", image.name))),
                    )
                };
                tasks.extend(manifest.images.iter().map(to));
            }
            LoadTarget::Registry(prefix) => {
                for image in &manifest.images {
                    tasks.push(Task::Image(
                        image,
                        Sink::Registry(in_registry(prefix, &image.name)?),
                    ));
                }
            }
        }
    }
    // Nothing outside can be taken back there, so a registry's tags come last.
    tasks.sort_by_key(|task| matches!(task, Task::Image(_, Sink::Registry(_))));
    Ok(tasks)
}

fn in_registry(prefix: &str, name: &Reference) -> Result<Reference, BundleError> {
    let text = format!("{prefix}/{}:{}", name.repository, name.tag);
    text.parse().map_err(|error| BundleError::Unfit {
        what: text.clone(),
        reason: format!("{error}"),
    })
}

impl Task<'_> {
    fn step(&self) -> Step {
        let (what, to) = match self {
            Self::Image(image, sink) => (format!("image {}", image.name), sink.to_string()),
            Self::File(file, path) => (file.path.to_string(), path.display().to_string()),
        };
        Step { what, to }
    }
}

type Failed = (String, BundleError);

async fn run(tasks: &[Task<'_>], blobs: &Blobs, undo: &mut Undo) -> Result<Vec<Remark>, Failed> {
    let mut remarks = Vec::new();
    // Registries get all bytes before any gets a tag: most of what can fail fails before that.
    for task in tasks {
        if let Task::Image(image, Sink::Registry(reference)) = task {
            let pushed = match read(blobs, image) {
                Ok(content) => registry::push_untagged(reference, &content, blobs)
                    .await
                    .map_err(BundleError::from),
                Err(error) => Err(error),
            };
            let pushed =
                pushed.map_err(|error| (format!("{} to {reference}", image.name), error))?;
            remarks.extend(pushed);
        }
    }
    for task in tasks {
        let step = task.step();
        let done = do_one(task, blobs, undo).await;
        let done = done.map_err(|error| (format!("{} to {}", step.what, step.to), error))?;
        remarks.extend(done);
    }
    Ok(remarks)
}

fn read(blobs: &Blobs, image: &BundledImage) -> Result<Content, BundleError> {
    Ok(Content::read(blobs, &image.root, Some(image.name.clone()))?)
}

async fn do_one(
    task: &Task<'_>,
    blobs: &Blobs,
    undo: &mut Undo,
) -> Result<Vec<Remark>, BundleError> {
    match task {
        Task::File(file, path) => {
            put_file(file, path, blobs, undo)?;
            Ok(Vec::new())
        }
        Task::Image(image, sink) => {
            let content = read(blobs, image)?;
            prepare(sink, &content, undo).await?;
            Ok(sink.take(&content, blobs).await?)
        }
    }
}

/// Notes what the sink is about to change.
async fn prepare(sink: &Sink, content: &Content, undo: &mut Undo) -> Result<(), BundleError> {
    match sink {
        Sink::Archive(path) => {
            let unwritable = |error| BundleError::write(path, error);
            undo.make_directory(path.parent().unwrap_or(Path::new(".")))
                .map_err(unwritable)?;
            undo.will_write(path).map_err(unwritable)
        }
        Sink::Oci(directory) => {
            let unwritable = |error| BundleError::write(directory, error);
            let shelf = directory.join("blobs").join("sha256");
            undo.make_directory(&shelf).map_err(unwritable)?;
            for blob in content.blobs() {
                let path = shelf.join(blob.digest.0.to_string());
                if !path.exists() {
                    undo.will_write(&path).map_err(unwritable)?;
                }
            }
            undo.will_write(&directory.join("oci-layout"))
                .map_err(unwritable)?;
            undo.will_write(&directory.join("index.json"))
                .map_err(unwritable)
        }
        Sink::Docker => {
            let name = content
                .reference
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            Ok(undo.will_load(&name).await?)
        }
        Sink::Registry(_) => Ok(()),
    }
}

fn put_file(
    file: &BundledFile,
    path: &Path,
    blobs: &Blobs,
    undo: &mut Undo,
) -> Result<(), BundleError> {
    let unwritable = |error| BundleError::write(path, error);
    let directory = path.parent().unwrap_or(Path::new("."));
    undo.make_directory(directory).map_err(unwritable)?;
    let region = blobs
        .find(&file.sha256)
        .ok_or_else(|| BundleError::damaged(path, format!("sha256:{} is missing", file.sha256)))?;
    let temporary = tempfile::Builder::new()
        .prefix(".load-")
        .tempfile_in(directory)
        .map_err(unwritable)?;
    let mut content = region
        .open()
        .map_err(|error| BundleError::read(&region.path, error))?;
    std::io::copy(&mut content, &mut temporary.as_file()).map_err(unwritable)?;
    let mode: fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary
        .as_file()
        .set_permissions(mode)
        .map_err(unwritable)?;
    undo.will_write(path).map_err(unwritable)?;
    temporary
        .persist(path)
        .map_err(|error| unwritable(error.error))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_and_the_rest_is_refused() {
        for text in [
            "oci:a",
            "docker",
            "mesos:/images",
            "registry:localhost:5000",
            "registry:h.example/flink",
            "files:x",
        ] {
            assert_eq!(text.parse::<LoadTarget>().unwrap().to_string(), text);
        }
        for text in ["", "oci:", "oci", "docker:", "tar:x"] {
            assert!(text.parse::<LoadTarget>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_image_keeps_its_name_below_a_registrys_prefix() {
        let name = "quay.example/flugs/worker:1".parse().unwrap();
        assert_eq!(
            in_registry("localhost:5000", &name).unwrap().to_string(),
            "localhost:5000/flugs/worker:1"
        );
        assert_eq!(
            in_registry("r.example/air", &name).unwrap().to_string(),
            "r.example/air/flugs/worker:1"
        );
        assert!(in_registry("r.example/Air", &name).is_err());
    }
}
