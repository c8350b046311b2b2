//! `flugs artifact fetch`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode as ProcessExit;

use url::Url;

use super::fetching::FetchProgress;
use super::{Ending, output};
use flugs_artifact::fetch::Fingerprint;
use flugs_artifact::token::TokenError;
use flugs_artifact::{FetchOptions, Fetcher, Store, Token};
use flugs_base::destination::{Destination, is_plain};
use flugs_base::{ExitCode, Sha256Digest};
use flugs_model::{Artifact, ArtifactKind};

/// A list of artifacts may be this long, in bytes.
const LONGEST_LIST: u64 = 16 << 20;

/// What stands for standard output.
const STREAM: &str = "-";

/// Fetch a file from the first URL that has it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  flugs artifact fetch https://master:8085/sha256/HEX --sha256 HEX --to lib --token-file token
  flugs artifact fetch https://repo.example/flink.tgz https://mirror.example/flink.tgz \\
      --sha256 HEX --to . --name flink --extract
  flugs artifact fetch https://repo.example/job.jar --sha256 HEX --to - | sha256sum
  flugs artifact fetch https://master:8085/sha256/HEX --sha256 HEX --tree --to flink

A link, a device, a pipe or a mounted file that has the name already is written to, with what has
been verified; --tree and --extract replace what is there.")]
pub(super) struct Args {
    /// Where the file can be had, tried in order: http, https, file or oci URLs.
    #[arg(required = true, value_name = "URL")]
    urls: Vec<Url>,
    /// The digest that it must have.
    #[arg(long, value_name = "HEX")]
    sha256: Sha256Digest,
    /// The directory to put it in, or - for standard output.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Its name there; the last part of the first URL unless given.
    #[arg(long)]
    name: Option<String>,
    /// Its length in bytes; asked of the server unless given.
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// Unpack it; the name is then that of the directory.
    #[arg(long)]
    extract: bool,
    /// It is a list from `add --tree`: fetch every file that it names.
    #[arg(long, conflicts_with_all = ["extract", "name", "size"])]
    tree: bool,
    /// The file (mode 0600) with the token for the first URL's server; or set FLUGS_TOKEN.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A store to look into first and to keep the file in.
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// That store may take so many bytes: what was used least recently makes room.
    #[arg(long, value_name = "BYTES", requires = "cache")]
    cache_size: Option<u64>,
    /// A directory of the image that `stamp` has seen; what is there already is not fetched
    /// (repeatable).
    #[arg(long, value_name = "DIR")]
    image: Vec<PathBuf>,
    /// Names and passwords for OCI registries, as `docker login` writes them (mode 0600); or set
    /// REGISTRY_AUTH_FILE.
    #[arg(long, value_name = "FILE")]
    registry_auth: Option<PathBuf>,
    /// Trust the authorities in this file (PEM) instead of the system's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Trust only a server whose certificate has this SHA-256.
    #[arg(long, value_name = "HEX")]
    pin: Option<Fingerprint>,
    /// Certificate chain (PEM) to show to the server.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Print what happens as one JSON document a line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ProcessExit, Ending> {
    let Some(first) = args.urls.first() else {
        return Ok(ProcessExit::SUCCESS);
    };
    let token = match &args.token_file {
        Some(path) => Some(Token::from_file(path)?),
        None => token_from_environment()?,
    };
    let fetcher = Fetcher::new(FetchOptions {
        token,
        cache: args.cache.as_deref().map(Store::open).transpose()?,
        cache_bytes: args.cache_size,
        baked: args.image.clone(),
        registry_auth: super::registry_auth(args.registry_auth.as_ref()),
        authority: args.ca.clone(),
        pin: args.pin,
        client_identity: args.cert.clone().zip(args.key.clone()),
        ..FetchOptions::default()
    })?;
    super::runtime()?.block_on(fetch(args, first, &fetcher))?;
    Ok(ProcessExit::SUCCESS)
}

async fn fetch(args: &Args, first: &Url, fetcher: &Fetcher) -> Result<(), Ending> {
    if args.tree {
        refuse_stream(args)?;
        let artifacts = tree(args, first, fetcher).await?;
        return put(args, first, fetcher, &artifacts, &args.to).await;
    }
    let mut artifact = artifact(args, first)?;
    let is_stream = args.to == Path::new(STREAM);
    let dest = if is_stream {
        args.to.clone()
    } else {
        artifact.dest.below(&args.to)
    };
    // Before anything is fetched that nothing would take.
    let through = match artifact.kind {
        ArtifactKind::Archive => {
            refuse_stream(args)?;
            None
        }
        ArtifactKind::File if is_plain(&dest) => None,
        ArtifactKind::File => Some(Destination::create(&dest).map_err(unwritable(&dest))?),
    };
    artifact.size = match args.size {
        Some(size) => size,
        None => fetcher.size_of(&artifact, first).await?,
    };
    let Some(through) = through else {
        return put(args, first, fetcher, &[artifact], &args.to).await;
    };
    let directory = tempfile::tempdir().map_err(unwritable(&std::env::temp_dir()))?;
    let whole = artifact.dest.below(directory.path());
    let mode = artifact.mode;
    put(args, first, fetcher, &[artifact], directory.path()).await?;
    let copied = File::open(&whole)
        .and_then(|mut file| io::copy(&mut file, &mut through.file()))
        .and_then(|_| through.commit(mode));
    copied.map_err(unwritable(&dest))
}

/// Brings artifacts to their places below a directory, and shows how that goes.
async fn put(
    args: &Args,
    first: &Url,
    fetcher: &Fetcher,
    artifacts: &[Artifact],
    directory: &Path,
) -> Result<(), Ending> {
    let report = output::beside(&args.to);
    let progress = FetchProgress::new(args.json.then_some(report));
    let show = |event| progress.show(&event);
    fetcher
        .fetch_all(artifacts, first, directory, &show)
        .await?;
    Ok(())
}

/// Standard output takes one file.
fn refuse_stream(args: &Args) -> Result<(), Ending> {
    if args.to == Path::new(STREAM) {
        return Err(Ending {
            code: ExitCode::Usage,
            message: "--to - takes one file: --tree and --extract need a directory".to_owned(),
        });
    }
    Ok(())
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> Ending {
    move |error| Ending {
        code: ExitCode::of_io(&error),
        message: format!("cannot write {}: {error}", path.display()),
    }
}

/// Fetches a list of artifacts and reads it.
async fn tree(args: &Args, url: &Url, fetcher: &Fetcher) -> Result<Vec<Artifact>, Ending> {
    let document = fetcher
        .fetch_document(url, &args.sha256, LONGEST_LIST)
        .await?;
    let malformed = |reason: String| Ending {
        code: ExitCode::ManifestMalformed,
        message: format!(
            "the list of artifacts sha256:{} is not usable: {reason}",
            args.sha256
        ),
    };
    let artifacts: Vec<Artifact> =
        serde_json::from_slice(&document).map_err(|error| malformed(error.to_string()))?;
    for artifact in &artifacts {
        artifact
            .validate()
            .map_err(|error| malformed(error.to_string()))?;
    }
    Ok(artifacts)
}

fn artifact(args: &Args, first: &Url) -> Result<Artifact, Ending> {
    let last = first.path().rsplit('/').next().unwrap_or_default();
    let dest = args.name.as_deref().unwrap_or(last);
    let dest = dest.parse().map_err(|error| Ending {
        code: ExitCode::Usage,
        message: format!("{error}; name the file with --name"),
    })?;
    Ok(Artifact {
        name: args.name.clone().unwrap_or_else(|| last.to_owned()),
        urls: args.urls.iter().map(Url::to_string).collect(),
        sha256: args.sha256,
        size: 0,
        dest,
        kind: if args.extract {
            ArtifactKind::Archive
        } else {
            ArtifactKind::File
        },
        mode: if args.cache.is_some() { 0o444 } else { 0o644 },
        cache: true,
    })
}

/// The token in `FLUGS_TOKEN`, if it is set.
pub(super) fn token_from_environment() -> Result<Option<Token>, TokenError> {
    match Token::from_env("FLUGS_TOKEN") {
        Ok(token) => Ok(Some(token)),
        Err(TokenError::NoVariable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
