//! Brings a launch's files into its sandbox: fetches the manifest, then everything it names.

use std::path::Path;

use url::Url;

use crate::artifact::{FetchEvent, FetchSummary, Fetcher};
use crate::spec::{LaunchManifest, Sha256Digest};

use super::LaunchError;

/// No manifest of a real cluster comes near this: three hundred artifacts take 100 kB.
const MANIFEST_LIMIT: u64 = 16 * 1024 * 1024;

/// Where a manifest is and what it must be.
#[derive(Debug, Clone)]
pub struct ManifestSource {
    /// Its URL; relative artifact URLs are resolved against it.
    pub url: Url,
    /// The digest it must have.
    pub sha256: Sha256Digest,
}

/// A manifest whose artifacts are in place.
#[derive(Debug)]
pub struct Prepared {
    /// The manifest.
    pub manifest: LaunchManifest,
    /// What fetching took.
    pub summary: FetchSummary,
}

/// Fetches the manifest and its artifacts. Every byte is verified before it is parsed or placed.
pub async fn fetch(
    source: &ManifestSource,
    fetcher: &Fetcher,
    sandbox: &Path,
    progress: &(dyn Fn(FetchEvent) + Sync),
) -> Result<Prepared, LaunchError> {
    let json = fetcher
        .fetch_document(&source.url, &source.sha256, MANIFEST_LIMIT)
        .await
        .map_err(LaunchError::FetchManifest)?;
    let manifest = LaunchManifest::parse(&json, source.url.as_str())?;
    let summary = fetcher
        .fetch_all(&manifest.artifacts, &source.url, sandbox, progress)
        .await?;
    Ok(Prepared { manifest, summary })
}
