//! Training an image's JVM without an engine: the image's own root is unpacked into a directory,
//! entered with namespaces of the kernel, and left with class-data archives.
//!
//! Three processes of this program take part, each the parent of the next:
//!
//! - the build, which writes down what is to be done and makes a layer of what came of it;
//! - the overseer ([`oversee`]), which alone knows the directory, and removes it however things
//!   end, the build's own end included;
//! - the one inside ([`unpack`], then [`enter`]), which sees nothing but the image's root, and
//!   becomes the image's own flugs. It is the first process of a namespace of processes: when it
//!   ends, the kernel ends all that it started and takes away all that it mounted.
//!
//! Never decides what an archive is good for: that is `flugs artifact train`'s, in the image.

mod error;
mod inside;
mod loopback;
mod mounts;
mod order;
mod oversee;
mod unpack;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;
use tokio::process::Command;

use super::cache::{Cache, Key};
use super::content::Layer;
use super::definition::{Definition, Owner};
use super::ground::Ground;
use super::layer::{self, Entry, Node, Tree};
use super::oci::RunConfig;
use super::{Architecture, BuildInputs, ImageError};
use order::Order;

pub use error::TrainingError;
pub use inside::enter;
pub use oversee::oversee;
pub use unpack::unpack;

/// What the layer holds, in a word.
pub(super) const LAYER: &str = "class-data";

/// The words of the command line, behind `flugs image`, that start the overseer. Its directory
/// follows.
pub const OVERSEE: &str = "oversee-training";
/// As [`OVERSEE`], for the process that unpacks.
pub const UNPACK: &str = "unpack-training";
/// As [`OVERSEE`], for the process that goes inside.
pub const ENTER: &str = "enter-training";

/// Of a directory in training: what is to be done, who is there, the image's root, and what comes
/// of it.
const ORDER: &str = "order.json";
const LOCK: &str = "lock";
const ROOT: &str = "root";
const ARCHIVES: &str = "archives";

/// Lines of what was said that an error repeats.
const LAST_WORDS: usize = 30;

/// An image whose JVM is to be trained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) definition: &'a Definition,
    /// How the image is run.
    pub(super) run: &'a RunConfig,
    /// The directories that it has so far.
    pub(super) ground: &'a Ground,
    /// The layers that there are so far.
    pub(super) layers: &'a [&'a Layer],
}

/// Refuses what cannot be trained, before anything is done.
pub(super) fn check(definition: &Definition, inputs: &BuildInputs) -> Result<(), ImageError> {
    if inputs.trainer.is_none() {
        return Ok(());
    }
    if !definition.flink.baked {
        return Err(ImageError::Untrainable {
            reason: "it fetches its Flink when a container starts, and an archive is good for one \
                     Flink only; `flugs launch` finds archives of its own in FLUGS_CLASS_DATA"
                .to_owned(),
        });
    }
    let own = Architecture::own();
    let foreign = inputs.architectures.iter().find(|one| **one != own);
    foreign.map_or(Ok(()), |foreign| {
        Err(ImageError::Untrainable {
            reason: format!(
                "its JVM is for linux/{foreign}, and this machine is linux/{own}: build it there, \
                 or without training"
            ),
        })
    })
}

/// The layer with the archives: the one that was made before of the same layers, or a new one.
/// Also says whether it was there.
pub(super) async fn layer(
    cache: &Cache,
    inputs: &BuildInputs,
    trainer: &Path,
    subject: Subject<'_>,
) -> Result<(Layer, bool), ImageError> {
    let key = key(inputs, subject);
    if let Some(layer) = cache.layer(&key) {
        return Ok((layer, true));
    }
    let place = Place::make(&cache.trainings())?;
    let order = order(cache, subject)?;
    place.write(&order)?;
    run(trainer, &place).await?;
    let tree = archives(&place, subject)?;
    let layer = cache.make_layer(&key, inputs.compression, inputs.threads, |to| {
        layer::tar(&tree, inputs.epoch, to)
    })?;
    Ok((layer, false))
}

/// JVM, class path and binary are files of the layers; their digests stand for all of them.
fn key(inputs: &BuildInputs, subject: Subject<'_>) -> flugs_base::Sha256Digest {
    let definition = subject.definition;
    let key = Key::of("class-data 2")
        .with(inputs.compression.recipe())
        .with(inputs.epoch.seconds().to_le_bytes())
        .with(definition.binary.as_str())
        .with(definition.flink.home.as_str())
        .with(definition.user.uid.to_le_bytes())
        .with(definition.user.gid.to_le_bytes());
    let key = subject.run.env.iter().fold(key, Key::with);
    let layers = subject.layers.iter();
    layers
        .fold(key, |key, layer| key.with(layer.diff_id.0.as_bytes()))
        .finish()
}

fn order(cache: &Cache, subject: Subject<'_>) -> Result<Order, ImageError> {
    let definition = subject.definition;
    let mut layers = Vec::new();
    for layer in subject.layers {
        let mut region = cache.blobs().region(&layer.descriptor)?;
        region.path = std::path::absolute(&region.path)
            .map_err(|error| ImageError::read(&region.path, error))?;
        layers.push((layer.descriptor.digest.to_string(), region));
    }
    let variable = |line: &String| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(Order {
        layers,
        environment: subject.run.env.iter().filter_map(variable).collect(),
        program: definition.binary.to_string(),
        flink_home: definition.flink.home.to_string(),
        user: definition.user.uid,
        group: definition.user.gid,
        mapped: !Uid::effective().is_root(),
    })
}

/// A directory for one training. It is locked, by the build and by the overseer, for as long as
/// somebody may use it.
struct Place {
    directory: tempfile::TempDir,
    _lock: Flock<File>,
}

impl Place {
    fn make(below: &Path) -> Result<Self, ImageError> {
        let unwritable = |error| ImageError::write(below, error);
        fs::create_dir_all(below).map_err(unwritable)?;
        let below = std::path::absolute(below).map_err(unwritable)?;
        remove_deserted(&below);
        let directory = tempfile::tempdir_in(&below).map_err(unwritable)?;
        let lock = lock(directory.path()).map_err(unwritable)?;
        for name in [ROOT, ARCHIVES] {
            fs::create_dir(directory.path().join(name)).map_err(unwritable)?;
        }
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, order: &Order) -> Result<(), ImageError> {
        let path = self.path(ORDER);
        fs::write(&path, order.to_json()).map_err(|error| ImageError::write(&path, error))
    }
}

/// Joins those who use a directory.
fn lock(directory: &Path) -> std::io::Result<Flock<File>> {
    let file = File::options()
        .create(true)
        .append(true)
        .open(directory.join(LOCK))?;
    Flock::lock(file, FlockArg::LockShared).map_err(|(_, errno)| errno.into())
}

/// Removes what trainings left whose processes were all killed at once. What cannot be removed
/// is in nobody's way.
fn remove_deserted(below: &Path) {
    let entries = fs::read_dir(below).into_iter().flatten().flatten();
    for directory in entries.map(|entry| entry.path()) {
        let Ok(file) = File::open(directory.join(LOCK)) else {
            continue;
        };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            let _ = fs::remove_dir_all(&directory);
        }
    }
}

/// Has the overseer do it.
async fn run(trainer: &Path, place: &Place) -> Result<(), ImageError> {
    let failed = |reason: String| ImageError::Untrained { reason };
    let mut child = Command::new(trainer)
        .args(["image", OVERSEE])
        .arg(place.directory.path())
        // The overseer sees it close when this process ends, however it does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("{} cannot be run: {error}", trainer.display())))?;
    let held = child.stdin.take();
    let output = child.wait_with_output().await;
    drop(held);
    let output = output.map_err(|error| failed(format!("its output is lost: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let from = lines.len().saturating_sub(LAST_WORDS);
    let last = lines.get(from..).unwrap_or_default().join("\n");
    Err(failed(if last.is_empty() {
        format!("the training ended with {} and said nothing", output.status)
    } else {
        last
    }))
}

/// The archives of both roles as a tree: files of root's, for everybody to read.
fn archives(place: &Place, subject: Subject<'_>) -> Result<Tree, ImageError> {
    let directory = place.path(ARCHIVES);
    let unreadable = |error| ImageError::read(&directory, error);
    let below = format!("{}/class-data", subject.definition.flink.home.in_layer());
    let mut tree = Tree::default();
    let mut roles = Vec::new();
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // What is no plain file is not an archive, and might lead anywhere.
        let is_file = entry.file_type().map_err(unreadable)?.is_file();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_file && is_archive(name)) else {
            continue;
        };
        roles.extend(name.split_once('-').map(|(role, _)| role.to_owned()));
        let node = Node::File(entry.path());
        let entry = Entry::new(0o644, Owner::default(), node);
        tree.put(&format!("{below}/{name}"), entry);
    }
    subject.ground.clone().lay(&mut tree);
    roles.sort_unstable();
    if roles == ["jobmanager", "taskmanager"] {
        return Ok(tree);
    }
    Err(ImageError::Untrained {
        reason: format!(
            "the image's flugs left archives for [{}] instead of one for a JobManager and one for \
             a TaskManager",
            roles.join(", ")
        ),
    })
}

fn is_archive(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "jsa")
}
