//! The fetcher: URIs of a command into the sandbox, on the host, one after the other.
//!
//! With `curl` and the archive tools of the machine, as agents did before they had libraries for it.

use crate::call::{objects, text};
use crate::executor::Launch;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Mutex;

const ARCHIVES: [&str; 7] = [
    ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz",
];

/// URIs that were fetched for the cache, and where they are. They are never looked at again.
static CACHE: LazyLock<Mutex<BTreeMap<(PathBuf, String), PathBuf>>> = LazyLock::new(Mutex::default);

/// Why a URI could not be fetched; only written to the sandbox's `stderr`, as the agent does.
#[derive(thiserror::Error, Debug)]
enum FetchError {
    #[error("{0}")]
    Refused(String),
    #[error("'{0}' failed: {1}")]
    Tool(String, String),
    #[error("{0}: {1}")]
    Io(PathBuf, std::io::Error),
}

/// Fetches all of them. The error is the text of the launch's failure.
pub(crate) async fn fetch_all(launch: &Launch, sandbox: &Path) -> Result<(), String> {
    let uris: Vec<Map<String, Value>> = launch
        .part("command")
        .map(|command| objects(command, "uris").cloned().collect())
        .unwrap_or_default();
    for uri in uris {
        if let Err(error) = fetch(launch, &uri, sandbox).await {
            let line = format!("Failed to fetch '{}': {error}\n", value(&uri));
            let log = tokio::fs::OpenOptions::new()
                .append(true)
                .open(sandbox.join("stderr"))
                .await;
            if let Ok(mut log) = log {
                let _ = log.write_all(line.as_bytes()).await;
            }
            return Err(format!(
                "Failed to fetch all URIs for container '{}': exited with status 1",
                launch.container
            ));
        }
    }
    Ok(())
}

fn value(uri: &Map<String, Value>) -> &str {
    text(uri, "value").unwrap_or_default()
}

fn flag(uri: &Map<String, Value>, name: &str) -> bool {
    uri.get(name).and_then(Value::as_bool).unwrap_or(false)
}

async fn fetch(
    launch: &Launch,
    uri: &Map<String, Value>,
    sandbox: &Path,
) -> Result<(), FetchError> {
    let source = value(uri);
    if source.contains(['\\', '\'', '\0']) {
        return Err(FetchError::Refused("illegal characters".to_owned()));
    }
    let basename = source.rsplit('/').next().unwrap_or_default();
    let output = text(uri, "output_file").unwrap_or(basename);
    if output.is_empty() || output.starts_with('/') || output.split('/').any(|part| part == "..") {
        return Err(FetchError::Refused(format!(
            "'{output}' is no name within the sandbox"
        )));
    }
    let target = sandbox.join(output);
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent).map_err(|error| FetchError::Io(parent.into(), error))?;
    }
    let executable = flag(uri, "executable");
    let extract = uri.get("extract").and_then(Value::as_bool).unwrap_or(true) && !executable;
    if flag(uri, "cache") {
        let cached = cached(launch, source, basename).await?;
        // The cached file's own suffix counts, and an archive is not kept.
        if extract && unpack(&cached, basename, sandbox).await? {
            return Ok(());
        }
        std::fs::copy(&cached, &target).map_err(|error| FetchError::Io(cached.clone(), error))?;
    } else {
        download(launch, source, &target).await?;
        if extract {
            unpack(&target, output, sandbox).await?;
        }
    }
    if executable {
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o755))
            .map_err(|error| FetchError::Io(target.clone(), error))?;
    }
    Ok(())
}

/// A file of the cache, fetched if it is not there yet.
async fn cached(launch: &Launch, source: &str, basename: &str) -> Result<PathBuf, FetchError> {
    let directory = launch.work_dir.join("fetch");
    let key = (directory.clone(), source.to_owned());
    // One at a time, so that two tasks do not fetch the same.
    let mut cache = CACHE.lock().await;
    if let Some(file) = cache.get(&key) {
        return Ok(file.clone());
    }
    std::fs::create_dir_all(&directory)
        .map_err(|error| FetchError::Io(directory.clone(), error))?;
    let file = directory.join(format!("c{}-{basename}", cache.len() + 1));
    download(launch, source, &file).await?;
    cache.insert(key, file.clone());
    Ok(file)
}

async fn download(launch: &Launch, source: &str, target: &Path) -> Result<(), FetchError> {
    let local = source.strip_prefix("file://").unwrap_or(source);
    if local.starts_with('/') {
        // A fetched file is new and belongs to the task, whatever mode the original has.
        std::fs::copy(local, target).map_err(|error| FetchError::Io(local.into(), error))?;
        return std::fs::set_permissions(target, std::fs::Permissions::from_mode(0o644))
            .map_err(|error| FetchError::Io(target.into(), error));
    }
    if !["http://", "https://", "ftp://", "ftps://"]
        .iter()
        .any(|scheme| source.starts_with(scheme))
    {
        return Err(FetchError::Refused(format!(
            "no fetcher for '{source}': expected a path, file, http, https, ftp or ftps"
        )));
    }
    let mut words: Vec<&OsStr> = [
        "--silent",
        "--show-error",
        "--fail",
        "--location",
        "--speed-limit",
        "1",
        "--speed-time",
        "60",
    ]
    .map(OsStr::new)
    .into();
    if let Some(authorities) = &launch.options.fetcher_authorities {
        words.extend([OsStr::new("--cacert"), authorities.as_os_str()]);
    }
    words.extend([
        OsStr::new("--output"),
        target.as_os_str(),
        OsStr::new("--"),
        OsStr::new(source),
    ]);
    run("curl", words).await
}

/// Extracts what has the suffix of an archive into the sandbox's root. Whether it was one.
async fn unpack(file: &Path, name: &str, sandbox: &Path) -> Result<bool, FetchError> {
    if ARCHIVES.iter().any(|suffix| has_suffix(name, suffix)) {
        let arguments = [
            OsStr::new("-C"),
            sandbox.as_os_str(),
            OsStr::new("-xf"),
            file.as_os_str(),
        ];
        run("tar", arguments).await?;
        return Ok(true);
    }
    if has_suffix(name, ".zip") {
        let arguments = [
            OsStr::new("-o"),
            OsStr::new("-q"),
            OsStr::new("-d"),
            sandbox.as_os_str(),
            file.as_os_str(),
        ];
        run("unzip", arguments).await?;
        return Ok(true);
    }
    if let Some(plain) = name.strip_suffix(".gz") {
        let target = sandbox.join(plain);
        let output = std::fs::File::create(&target)
            .map_err(|error| FetchError::Io(target.clone(), error))?;
        let status = Command::new("gunzip")
            .arg("-c")
            .arg(file)
            .stdout(output)
            .status()
            .await
            .map_err(|error| FetchError::Io("gunzip".into(), error))?;
        return if status.success() {
            Ok(true)
        } else {
            Err(FetchError::Tool("gunzip".to_owned(), status.to_string()))
        };
    }
    Ok(false)
}

/// Suffixes are told apart by case, as the agent does.
fn has_suffix(name: &str, suffix: &str) -> bool {
    name.ends_with(suffix)
}

async fn run<'a>(
    tool: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<(), FetchError> {
    let output = Command::new(tool)
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| FetchError::Io(tool.into(), error))?;
    if output.status.success() {
        return Ok(());
    }
    Err(FetchError::Tool(
        tool.to_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}
