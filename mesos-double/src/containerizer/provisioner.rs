//! The provisioner: a root file system for a task of the Mesos containerizer from an archive as
//! `docker save` writes it, and how a command gets into it.

use super::docker_arguments::SANDBOX;
use crate::executor::Launch;
use serde_json::Value;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// What mounts the task's world into its root, in a mount namespace of its own, and enters it:
/// the root, the sandbox, the directory to start in, then the command.
const ENTER: &str = r#"
set -e
root=$0 sandbox=$1 start=$2
shift 2
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc" "$root/mnt/mesos/sandbox"
for name in proc sys dev; do mount --rbind "/$name" "$root/$name"; done
for name in resolv.conf hosts hostname; do
  if [ -e "/etc/$name" ]; then
    [ -e "$root/etc/$name" ] || : >"$root/etc/$name"
    mount --bind "/etc/$name" "$root/etc/$name"
  fi
done
mount --bind "$sandbox" "$root/mnt/mesos/sandbox"
exec unshare --root="$root" --wd="$start" -- "$@"
"#;

/// An image that was unpacked for one task.
#[derive(Clone, Debug)]
pub(super) struct Root {
    path: PathBuf,
    /// The image's `Config`: environment, working directory, entry point and command.
    config: Value,
}

/// The name of the task's image, if it has one.
fn image(launch: &Launch) -> Option<&str> {
    launch
        .part("container")?
        .get("mesos")?
        .get("image")?
        .get("docker")?
        .get("name")?
        .as_str()
}

/// Unpacks the task's image; `None` if it needs none. The error is the text of the launch's failure.
pub(super) async fn provision(launch: &Launch) -> Result<Option<Root>, String> {
    let Some(image) = image(launch) else {
        return Ok(None);
    };
    let tagged = image
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains(':'));
    let file = if tagged {
        format!("{image}.tar")
    } else {
        format!("{image}:latest.tar")
    };
    let archive = launch.options.image_directory.join(file);
    if !archive.exists() {
        return Err(format!(
            "Failed to find archive for image '{image}' at '{}'",
            archive.display()
        ));
    }
    let place = launch
        .work_dir
        .join("provisioner/containers")
        .join(launch.container.to_string());
    unpack(&archive, &place)
        .await
        .map(Some)
        .map_err(|error| format!("Failed to provision image '{image}': {error}"))
}

async fn unpack(archive: &Path, place: &Path) -> io::Result<Root> {
    let (store, path) = (place.join("store"), place.join("rootfs"));
    fs::create_dir_all(&store)?;
    fs::create_dir_all(&path)?;
    tar(archive, &store).await?;
    let read = |name: &str| -> io::Result<Value> {
        let bytes = fs::read(store.join(name))?;
        serde_json::from_slice(&bytes).map_err(io::Error::from)
    };
    let manifest = read("manifest.json")?;
    let field = |name: &str| manifest.get(0).and_then(|image| image.get(name));
    let config = field("Config").and_then(Value::as_str).unwrap_or_default();
    let config = read(config)?;
    for layer in field("Layers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(layer) = layer.as_str() {
            tar(&store.join(layer), &path).await?;
            remove_whiteouts(&path)?;
        }
    }
    fs::remove_dir_all(&store)?;
    Ok(Root {
        path,
        config: config.get("config").cloned().unwrap_or_default(),
    })
}

async fn tar(archive: &Path, into: &Path) -> io::Result<()> {
    let output = Command::new("tar")
        .arg("-C")
        .arg(into)
        .arg("-xf")
        .arg(archive)
        .kill_on_drop(true)
        .output()
        .await?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// `.wh.name` takes away what a lower layer brought, and is no file itself.
fn remove_whiteouts(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(gone) = name.to_str().and_then(|name| name.strip_prefix(".wh.")) {
            fs::remove_file(entry.path())?;
            let gone = directory.join(gone);
            if gone.is_dir() {
                fs::remove_dir_all(gone)?;
            } else if gone.exists() {
                fs::remove_file(gone)?;
            }
        } else if entry.file_type()?.is_dir() {
            remove_whiteouts(&entry.path())?;
        }
    }
    Ok(())
}

impl Root {
    /// The image's own variables.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        self.texts("Env")
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Entry point and command, as far as the task does not replace them.
    pub(super) fn command(&self, value: &str, arguments: &[String]) -> Vec<String> {
        if !value.is_empty() {
            // `arguments[0]` is the name, which is lost on the way in.
            let rest = arguments.iter().skip(1).cloned();
            return std::iter::once(value.to_owned()).chain(rest).collect();
        }
        let mut words = self.texts("Entrypoint");
        words.extend(if arguments.is_empty() {
            self.texts("Cmd")
        } else {
            arguments.to_vec()
        });
        words
    }

    /// What enters the root and becomes these words.
    pub(super) fn enter(&self, sandbox: &Path, words: &[String]) -> Command {
        let start = self
            .config
            .get("WorkingDir")
            .and_then(Value::as_str)
            .filter(|directory| !directory.is_empty())
            .unwrap_or(SANDBOX);
        let mut program = Command::new("unshare");
        program
            .args(["--mount", "--propagation", "slave", "--", "sh", "-c", ENTER])
            .arg(&self.path)
            .arg(sandbox)
            .arg(start)
            .args(words);
        program
    }

    /// Takes the unpacked image away.
    pub(super) fn remove(&self) {
        if let Some(place) = self.path.parent() {
            // What a dying process still holds goes with the working directory.
            let _ = fs::remove_dir_all(place);
        }
    }

    fn texts(&self, field: &str) -> Vec<String> {
        self.config
            .get(field)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    }
}
