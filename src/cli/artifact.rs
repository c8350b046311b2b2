//! `flugs artifact`: the store, fetching and unpacking.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use clap::Subcommand;
use serde::Serialize;

use super::{Ending, output};
use flugs_artifact::Store;
use flugs_artifact::fetch::Stamps;
use flugs_artifact::store::{Eviction, StoredObject, Verified};
use flugs_artifact::unpack::{self, Limits};
use flugs_base::{ExitCode, PathError, Sha256Digest};
use flugs_model::{Artifact, ArtifactKind};

/// Where the store is unless told otherwise.
pub(super) const DEFAULT_STORE: &str = ".flugs/artifacts";

/// Keep, fetch and unpack artifacts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs artifact add lib/*.jar
  flugs artifact ls --json
  flugs artifact gc --max-size 20000000000
  flugs artifact fetch https://a.example/x.jar https://b.example/x.jar --sha256 HEX --to lib
  flugs artifact fetch oci://registry.example/flink/usrlib --sha256 HEX --to . --extract
  flugs artifact add --tree /opt/flink
  flugs artifact fetch http://master:8085/sha256/HEX --sha256 HEX --tree --to flink
  flugs artifact stamp /opt/flink
  flugs artifact unpack job.tar.gz job --sha256 HEX")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add files to the store; prints their digests.
    #[command(after_help = "Examples:
  flugs artifact add job.jar
  flugs artifact add --tree /opt/flink
  flugs artifact add --secret keystore.p12 --store /var/lib/flugs/artifacts --json")]
    Add {
        /// The files.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// FILE is a directory: add all files below it, and a list of them. Prints the list's
        /// digest, for `fetch --tree`.
        #[arg(long, conflicts_with = "secret")]
        tree: bool,
        /// Only the owner may read them, and they are served over TLS only.
        #[arg(long)]
        secret: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// List what the store holds.
    #[command(after_help = "Examples:
  flugs artifact ls
  flugs artifact ls --store /var/lib/flugs/artifacts --json")]
    Ls {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Rehash everything; what is damaged is removed.
    #[command(after_help = "Examples:
  flugs artifact verify
  flugs artifact verify --store /var/lib/flugs/artifacts --json

Exit code: 0, or 86 if something was damaged.")]
    Verify {
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Remove what was used least recently, until the rest fits. What running launches hold stays.
    #[command(after_help = "Examples:
  flugs artifact gc --max-size 10000000000
  flugs artifact gc --max-size 0 --store /var/lib/flugs/artifacts")]
    Gc {
        /// So many bytes may stay.
        #[arg(long, value_name = "BYTES")]
        max_size: u64,
        #[command(flatten)]
        store: StoreArgs,
    },
    Train(super::train::Args),
    Fetch(Box<super::artifact_fetch::Args>),
    /// Note the digests of all files below a directory in a file there, so that a fetch which needs
    /// one of them takes it from there. For the last step of building an image.
    #[command(after_help = "Examples:
  flugs artifact stamp /opt/flink")]
    Stamp {
        /// The directory.
        directory: PathBuf,
    },
    /// Unpack an archive into a new directory, or refuse it.
    #[command(after_help = "Examples:
  flugs artifact unpack job.tar.gz job
  flugs artifact unpack job.tar.gz job --sha256 HEX")]
    Unpack {
        /// The archive: tar, tar.gz, tar.zst or zip.
        file: PathBuf,
        /// The directory; it must not exist or be empty.
        directory: PathBuf,
        /// The digest that the archive must have.
        #[arg(long, value_name = "HEX")]
        sha256: Option<Sha256Digest>,
    },
}

#[derive(Debug, clap::Args)]
struct StoreArgs {
    /// The store's directory.
    #[arg(long = "store", value_name = "DIR", default_value = DEFAULT_STORE)]
    directory: PathBuf,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Listed {
    sha256: String,
    size: u64,
    secret: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    match &args.command {
        Command::Add {
            files,
            tree: true,
            store,
            ..
        } => add_trees(files, store),
        Command::Add {
            files,
            secret,
            store,
            ..
        } => add(files, *secret, store),
        Command::Ls { store } => {
            list(&Store::open(&store.directory)?.list()?, store.json);
            Ok(ProcessExit::SUCCESS)
        }
        Command::Verify { store } => verify(store),
        Command::Gc { max_size, store } => gc(*max_size, store),
        Command::Train(args) => super::train::run(args),
        Command::Fetch(args) => super::artifact_fetch::run(args),
        Command::Stamp { directory } => stamp(directory),
        Command::Unpack {
            file,
            directory,
            sha256,
        } => extract(file, directory, sha256.as_ref()),
    }
}

fn add(files: &[PathBuf], secret: bool, args: &StoreArgs) -> Result<ProcessExit, Ending> {
    let store = Store::open(&args.directory)?;
    let objects = files
        .iter()
        .map(|path| {
            if secret {
                store.add_secret_file(path)
            } else {
                store.add_file(path)
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    list(&objects, args.json);
    Ok(ProcessExit::SUCCESS)
}

fn list(objects: &[StoredObject], json: bool) {
    let listed = objects.iter().map(|object| Listed {
        sha256: object.digest.to_string(),
        size: object.size,
        secret: object.secret,
    });
    if json {
        return output::json(&listed.collect::<Vec<_>>());
    }
    for one in listed {
        let secret = if one.secret { "  secret" } else { "" };
        output::line(&format!("{}  {:>12}{secret}", one.sha256, one.size));
    }
}

fn verify(args: &StoreArgs) -> Result<ProcessExit, Ending> {
    let store = Store::open(&args.directory)?;
    let mut damaged = Vec::new();
    let objects = store.list()?;
    for object in &objects {
        if let Verified::Damaged { found } = store.verify(object)? {
            output::note(&format!(
                "flugs: {} was damaged (its bytes had sha256:{found}) and has been removed",
                object.digest
            ));
            damaged.push(object.clone());
        }
    }
    list(&damaged, args.json);
    output::note(&format!(
        "flugs: {} artifacts verified, {} damaged",
        objects.len(),
        damaged.len()
    ));
    Ok(if damaged.is_empty() {
        ProcessExit::SUCCESS
    } else {
        ProcessExit::from(ExitCode::ArtifactDigest.code())
    })
}

fn gc(max_bytes: u64, args: &StoreArgs) -> Result<ProcessExit, Ending> {
    let evicted = Store::open(&args.directory)?.evict(Eviction { max_bytes })?;
    list(&evicted.removed, args.json);
    output::note(&format!(
        "flugs: {} artifacts removed, {} bytes stay, {} of them in use",
        evicted.removed.len(),
        evicted.kept_bytes,
        evicted.held_bytes
    ));
    Ok(ProcessExit::SUCCESS)
}

fn stamp(directory: &Path) -> Result<ProcessExit, Ending> {
    let stamps = Stamps::bake(directory).map_err(|error| Ending {
        code: ExitCode::of_io(&error),
        message: format!("cannot stamp {}: {error}", directory.display()),
    })?;
    output::note(&format!("flugs: {} files stamped", stamps.len()));
    Ok(ProcessExit::SUCCESS)
}

fn extract(
    file: &Path,
    directory: &Path,
    sha256: Option<&Sha256Digest>,
) -> Result<ProcessExit, Ending> {
    let limits = Limits::default();
    let unpacked = match sha256 {
        Some(sha256) => unpack::unpack_verified(file, sha256, directory, &limits)?,
        None => unpack::unpack(file, directory, &limits)?,
    };
    output::note(&format!(
        "flugs: {} entries, {} bytes",
        unpacked.entries, unpacked.bytes
    ));
    Ok(ProcessExit::SUCCESS)
}

/// Adds every file below each directory, and for each directory a list of them in the format of a
/// launch manifest's artifacts.
fn add_trees(directories: &[PathBuf], args: &StoreArgs) -> Result<ProcessExit, Ending> {
    let store = Store::open(&args.directory)?;
    let mut lists = Vec::new();
    for directory in directories {
        let mut artifacts = Vec::new();
        for (path, dest, executable) in files_below(directory)? {
            let object = store.add_file(&path)?;
            artifacts.push(Artifact {
                name: dest.clone(),
                urls: vec![object.digest.to_string()],
                sha256: object.digest,
                size: object.size,
                dest: dest.parse().map_err(|error: PathError| Ending {
                    code: ExitCode::InputOutput,
                    message: error.to_string(),
                })?,
                kind: ArtifactKind::File,
                mode: if executable { 0o555 } else { 0o444 },
                cache: true,
            });
        }
        // A list of strings and numbers has no way to fail to be written.
        let document = serde_json::to_vec(&artifacts).unwrap_or_default();
        lists.push(store.add_bytes(&document)?);
    }
    list(&lists, args.json);
    Ok(ProcessExit::SUCCESS)
}

/// The regular files below a directory, sorted: path, path below the directory, whether they are
/// executable. Links and whatever else there is are an error: a list cannot hold them.
fn files_below(directory: &Path) -> Result<Vec<(PathBuf, String, bool)>, Ending> {
    let failed = |path: &Path, reason: &dyn std::fmt::Display| Ending {
        code: ExitCode::InputOutput,
        message: format!("cannot add {}: {reason}", path.display()),
    };
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(parent) = pending.pop() {
        for entry in std::fs::read_dir(&parent).map_err(|error| failed(&parent, &error))? {
            let path = entry.map_err(|error| failed(&parent, &error))?.path();
            let metadata = path
                .symlink_metadata()
                .map_err(|error| failed(&path, &error))?;
            if metadata.is_dir() {
                pending.push(path);
            } else if metadata.is_file() {
                let below = path.strip_prefix(directory).unwrap_or(&path);
                let dest = below
                    .to_str()
                    .ok_or_else(|| failed(&path, &"its name is not UTF-8"))?;
                let executable = metadata.permissions().mode() & 0o111 != 0;
                found.push((path.clone(), dest.to_owned(), executable));
            } else {
                return Err(failed(&path, &"it is neither a file nor a directory"));
            }
        }
    }
    found.sort();
    Ok(found)
}
