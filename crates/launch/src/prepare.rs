//! The manifest of a launch: where it is, and how it is fetched.

use url::Url;

use flugs_artifact::Fetcher;
use flugs_base::Sha256Digest;
use flugs_model::LaunchManifest;

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

/// Fetches the manifest; it is verified before it is parsed.
pub async fn fetch_manifest(
    source: &ManifestSource,
    fetcher: &Fetcher,
) -> Result<LaunchManifest, LaunchError> {
    let json = fetcher
        .fetch_document(&source.url, &source.sha256, MANIFEST_LIMIT)
        .await
        .map_err(LaunchError::FetchManifest)?;
    Ok(LaunchManifest::parse(&json, source.url.as_str())?)
}
