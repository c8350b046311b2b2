//! One artifact from wherever it is to its destination.

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use url::Url;

use super::download::Attempt;
use super::error::AttemptError;
use super::partial::Partial;
use super::present::Stamps;
use super::source::{self, Place, Source};
use super::{FetchError, FetchEvent, FetchSummary, Fetcher, Origin};
use crate::store::{Eviction, Lease, Store, copy_hashed};
use crate::unpack;
use flugs_model::{Artifact, ArtifactKind, artifact_time};

/// Where partial downloads of a launch without a cache live, below its sandbox.
const PARTIALS: &str = ".flugs-fetch";

/// One call of [`Fetcher::fetch_all`].
pub(super) struct Run<'a> {
    fetcher: &'a Fetcher,
    base: &'a Url,
    sandbox: &'a Path,
    progress: &'a dyn Fn(FetchEvent),
    deadline: Instant,
    stamps: RefCell<Stamps>,
    image: Vec<(PathBuf, Stamps)>,
    summary: RefCell<FetchSummary>,
    lease: Option<Lease>,
    changed: std::cell::Cell<bool>,
}

impl<'a> Run<'a> {
    pub(super) fn begin(
        fetcher: &'a Fetcher,
        base: &'a Url,
        sandbox: &'a Path,
        progress: &'a dyn Fn(FetchEvent),
        artifacts: &[Artifact],
    ) -> Result<Self, FetchError> {
        let options = &fetcher.options;
        let kept: Vec<_> = artifacts
            .iter()
            .filter(|artifact| artifact.cache)
            .map(|artifact| artifact.sha256)
            .collect();
        // The lease comes first: what is found in the cache must still be there when it is linked.
        let lease = match &options.cache {
            Some(cache) if !kept.is_empty() => {
                Some(cache.lease(&kept).map_err(|source| FetchError::Cache {
                    name: "the launch's artifacts".to_owned(),
                    source,
                })?)
            }
            _ => None,
        };
        let stamped = |directory: &PathBuf| (directory.clone(), Stamps::read(directory));
        Ok(Self {
            deadline: Instant::now() + options.retry.budget,
            stamps: RefCell::new(Stamps::read(sandbox)),
            image: options.baked.iter().map(stamped).collect(),
            summary: RefCell::default(),
            lease,
            changed: std::cell::Cell::new(false),
            fetcher,
            base,
            sandbox,
            progress,
        })
    }

    /// Whether the artifact is in place already. Costs a stat or two.
    pub(super) fn take_present(&mut self, artifact: &Artifact) -> bool {
        let dest = artifact.dest.below(self.sandbox);
        let linked = || {
            let cache = self.cache_for(artifact)?;
            let object = cache.look(&artifact.sha256)?;
            Some(Store::is_placed(&object, &dest, artifact.mode))
        };
        let symbolic = || Some(fs::read_link(&dest).ok()? == self.in_image(artifact)?);
        let present = self.stamps.borrow().vouch_for(artifact, self.sandbox)
            || (artifact.kind == ArtifactKind::File
                && (linked().unwrap_or(false) || symbolic().unwrap_or(false)));
        if present {
            self.finished(artifact, Origin::Present);
        }
        present
    }

    /// Gets the artifact and puts it in place.
    pub(super) async fn obtain(&self, artifact: &Artifact) -> Result<(), FetchError> {
        let from = match self.cache_for(artifact) {
            Some(cache) if cache.look(&artifact.sha256).is_some() => {
                self.place_cached(artifact, cache).await?;
                Origin::Cache
            }
            cache => match self.in_image(artifact) {
                Some(path) => {
                    self.place_baked(artifact, &path).await?;
                    Origin::Image
                }
                None => self.fetch(artifact, cache).await?,
            },
        };
        if from == Origin::Image && artifact.mode & 0o222 == 0 {
            // A symbolic link is recognised by where it leads.
            self.finished(artifact, from);
            return Ok(());
        }
        self.changed.set(true);
        self.stamps
            .borrow_mut()
            .note(artifact, self.sandbox)
            .map_err(|error| writing(artifact, self.sandbox, error))?;
        self.finished(artifact, from);
        Ok(())
    }

    /// Writes down what is in place now, whether all of it is or not.
    pub(super) fn end(
        self,
        failure: Option<FetchError>,
        started: Instant,
    ) -> Result<FetchSummary, FetchError> {
        let written = if self.changed.get() {
            self.stamps.borrow_mut().write(self.sandbox)
        } else {
            Ok(())
        };
        if let Some(error) = failure {
            return Err(error);
        }
        written.map_err(|source| FetchError::Write {
            name: "the list of what is verified".to_owned(),
            path: self.sandbox.join(super::STAMP_FILE),
            source,
        })?;
        if let (Some(cache), Some(max_bytes)) = (
            &self.fetcher.options.cache,
            self.fetcher.options.cache_bytes,
        ) {
            let evicted = cache.evict(Eviction { max_bytes });
            evicted.map_err(|source| FetchError::Cache {
                name: "the launch's artifacts".to_owned(),
                source,
            })?;
        }
        // Gone only if it is empty; what another artifact left there is of use to a later call.
        let _ = fs::remove_dir(self.sandbox.join(PARTIALS));
        let mut summary = self.summary.into_inner();
        summary.elapsed = started.elapsed();
        summary.lease = self.lease;
        Ok(summary)
    }

    async fn fetch(
        &self,
        artifact: &Artifact,
        cache: Option<&Store>,
    ) -> Result<Origin, FetchError> {
        let token = self.fetcher.options.token.as_ref();
        let sources = artifact
            .urls
            .iter()
            .map(|url| source::resolve(url, self.base, &artifact.name, &artifact.sha256, token))
            .collect::<Result<Vec<_>, _>>()?;
        let directory = self.partials(artifact, cache)?;
        let mut partial = Partial::open(&directory, &artifact.sha256, artifact.size)
            .await
            .map_err(|error| writing(artifact, &directory, error))?;
        // Another worker of this host may have finished it while this one waited for the lock.
        if let Some(cache) = cache
            && cache.look(&artifact.sha256).is_some()
        {
            partial.discard();
            self.place_cached(artifact, cache).await?;
            return Ok(Origin::Cache);
        }
        let attempt = async |source: &Source| self.attempt(artifact, source, &mut partial).await;
        let (name, sha256) = (&artifact.name, &artifact.sha256);
        self.fetcher
            .retry(
                name,
                sha256,
                &sources,
                self.deadline,
                self.progress,
                attempt,
            )
            .await?;
        match cache {
            Some(cache) => {
                cache
                    .publish_verified(&partial.file, &partial.path, sha256)
                    .map_err(|source| cache_error(artifact, source))?;
                partial.forget();
                self.place_cached(artifact, cache).await?;
            }
            None => self.place_partial(artifact, partial).await?,
        }
        Ok(Origin::Url)
    }

    async fn attempt(
        &self,
        artifact: &Artifact,
        source: &Source,
        partial: &mut Partial,
    ) -> Result<(), AttemptError> {
        let local = |path: &Path, error| AttemptError::Local(writing(artifact, path, error));
        let received = |bytes| {
            (self.progress)(FetchEvent::Received {
                name: artifact.name.clone(),
                bytes,
            });
        };
        match &source.place {
            Place::File(path) => copy_file(artifact, path, partial)?,
            Place::Http(place) => {
                let attempt = Attempt {
                    fetcher: self.fetcher,
                    name: &artifact.name,
                    size: artifact.size,
                    place,
                    shown: &source.shown,
                    received: &received,
                };
                if !partial.is_complete() || artifact.size == 0 {
                    let outcome = attempt.run(partial).await;
                    if let Err(AttemptError::Wrong(_)) = &outcome {
                        let path = partial.path.clone();
                        partial.reset().map_err(|error| local(&path, error))?;
                    }
                    outcome?;
                }
            }
        }
        let path = partial.path.clone();
        let found = partial
            .digest()
            .await
            .map_err(|error| local(&path, error))?;
        if found == artifact.sha256 {
            return Ok(());
        }
        partial.reset().map_err(|error| local(&path, error))?;
        Err(AttemptError::Wrong(format!("its bytes are sha256:{found}")))
    }

    fn cache_for(&self, artifact: &Artifact) -> Option<&'a Store> {
        let cache = self.fetcher.options.cache.as_ref();
        cache.filter(|_| artifact.cache)
    }

    fn in_image(&self, artifact: &Artifact) -> Option<PathBuf> {
        self.image
            .iter()
            .find_map(|(directory, stamps)| stamps.find(&artifact.sha256, directory))
    }

    /// Partial downloads are on the file system where the file will be, so that it gets there by
    /// a rename.
    fn partials(&self, artifact: &Artifact, cache: Option<&Store>) -> Result<PathBuf, FetchError> {
        if let Some(cache) = cache {
            return Ok(cache.temporary_directory());
        }
        let directory = self.sandbox.join(PARTIALS);
        make_directories(&directory, 0o700)
            .map_err(|error| writing(artifact, &directory, error))?;
        Ok(directory)
    }

    async fn place_cached(&self, artifact: &Artifact, cache: &Store) -> Result<(), FetchError> {
        let missing = || crate::StoreError::Missing {
            digest: artifact.sha256,
            root: cache.root().to_owned(),
        };
        match artifact.kind {
            ArtifactKind::File => {
                let dest = self.destination(artifact)?;
                cache
                    .place(&artifact.sha256, &dest, artifact.mode)
                    .map_err(|source| cache_error(artifact, source))?;
                Ok(())
            }
            ArtifactKind::Archive => {
                let object = cache
                    .get(&artifact.sha256)
                    .ok_or_else(|| cache_error(artifact, missing()))?;
                self.unpack(artifact, object.path).await
            }
        }
    }

    /// A file of the image is linked if that is possible. Across file systems (an image's layers
    /// always are another) a read-only file becomes a symbolic link: no bytes move.
    async fn place_baked(&self, artifact: &Artifact, path: &Path) -> Result<(), FetchError> {
        if artifact.kind == ArtifactKind::Archive {
            return self.unpack(artifact, path.to_owned()).await;
        }
        let dest = self.destination(artifact)?;
        let place = || {
            let _ = fs::remove_file(&dest);
            if artifact.mode & 0o222 == 0 {
                return std::os::unix::fs::symlink(path, &dest);
            }
            fs::copy(path, &dest)?;
            fs::set_permissions(&dest, Permissions::from_mode(artifact.mode))
        };
        place().map_err(|error| writing(artifact, &dest, error))
    }

    async fn place_partial(&self, artifact: &Artifact, partial: Partial) -> Result<(), FetchError> {
        if artifact.kind == ArtifactKind::Archive {
            self.unpack(artifact, partial.path.clone()).await?;
            partial.discard();
            return Ok(());
        }
        let dest = self.destination(artifact)?;
        let mode = Permissions::from_mode(artifact.mode);
        partial
            .file
            .set_permissions(mode)
            .and_then(|()| partial.file.set_modified(artifact_time()))
            .and_then(|()| fs::rename(&partial.path, &dest))
            .map_err(|error| writing(artifact, &dest, error))?;
        partial.forget();
        Ok(())
    }

    async fn unpack(&self, artifact: &Artifact, archive: PathBuf) -> Result<(), FetchError> {
        let dest = self.destination(artifact)?;
        let limits = self.fetcher.options.unpack_limits;
        let unpacked =
            tokio::task::spawn_blocking(move || unpack::unpack(&archive, &dest, &limits)).await;
        let failed = |source| FetchError::Archive {
            name: artifact.name.clone(),
            source,
        };
        match unpacked {
            Ok(unpacked) => unpacked.map(drop).map_err(failed),
            Err(error) => Err(writing(artifact, self.sandbox, io::Error::other(error))),
        }
    }

    /// The place of an artifact, its parent directory made. Where a parent is a symbolic link
    /// (an archive may have brought one), it is refused: nothing is written through links.
    fn destination(&self, artifact: &Artifact) -> Result<PathBuf, FetchError> {
        let dest = artifact.dest.below(self.sandbox);
        let mut parent = self.sandbox.to_owned();
        let failed = |path: &Path, error| Err(writing(artifact, path, error));
        if let Err(error) = make_directories(&parent, 0o755) {
            return failed(&parent, error);
        }
        let components = artifact.dest.as_path().components();
        let directories = artifact.dest.as_path().components().count() - 1;
        for component in components.take(directories) {
            parent.push(component);
            match fs::symlink_metadata(&parent) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return failed(&parent, io::ErrorKind::NotADirectory.into()),
                Err(_) => {
                    if let Err(error) = make_directories(&parent, 0o755) {
                        return failed(&parent, error);
                    }
                }
            }
        }
        Ok(dest)
    }

    fn finished(&self, artifact: &Artifact, from: Origin) {
        let mut summary = self.summary.borrow_mut();
        match from {
            Origin::Present => summary.present += 1,
            Origin::Cache => summary.cached += 1,
            Origin::Image => summary.baked += 1,
            Origin::Url => {
                summary.fetched += 1;
                summary.fetched_bytes += artifact.size;
            }
        }
        drop(summary);
        (self.progress)(FetchEvent::Finished {
            name: artifact.name.clone(),
            bytes: artifact.size,
            from,
        });
    }
}

/// Copies a file of this host into the partial file.
fn copy_file(artifact: &Artifact, path: &Path, partial: &mut Partial) -> Result<(), AttemptError> {
    let local = |path: &Path, error| AttemptError::Local(writing(artifact, path, error));
    let refused = |error: io::Error| AttemptError::Refused(error.to_string());
    let target = partial.path.clone();
    partial.reset().map_err(|error| local(&target, error))?;
    let source = File::open(path).map_err(refused)?;
    let metadata = source.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(AttemptError::Refused("it is not a regular file".to_owned()));
    }
    if metadata.len() != artifact.size {
        let (given, due) = (metadata.len(), artifact.size);
        return Err(AttemptError::Wrong(format!(
            "it has {given} bytes, {due} were due"
        )));
    }
    let (found, _) = copy_hashed(&source, &partial.file).map_err(|error| local(&target, error))?;
    if found == artifact.sha256 {
        return Ok(());
    }
    partial.reset().map_err(|error| local(&target, error))?;
    Err(AttemptError::Wrong(format!("its bytes are sha256:{found}")))
}

fn make_directories(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

fn writing(artifact: &Artifact, path: &Path, error: io::Error) -> FetchError {
    FetchError::writing(&artifact.name, path, artifact.size, error)
}

fn cache_error(artifact: &Artifact, source: crate::StoreError) -> FetchError {
    use flugs_base::{ExitCode, Failure as _};
    match source {
        crate::StoreError::Place { dest, source, .. }
        | crate::StoreError::Write { path: dest, source }
            if ExitCode::of_io(&source) == ExitCode::NoSpace =>
        {
            writing(artifact, &dest, source)
        }
        source => {
            debug_assert_ne!(source.exit_code(), ExitCode::NoSpace);
            FetchError::Cache {
                name: artifact.name.clone(),
                source,
            }
        }
    }
}
