//! The bundle's manifest: everything that is in it, by digest. It is what is signed.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::BundleError;
use crate::image::Reference;
use crate::image::oci::Descriptor;
use flugs_base::{RelativePath, Sha256Digest};

/// The format's version. A newer minor version only adds what older readers may skip; there is
/// none yet. A newer major version is refused.
pub(super) const MAJOR: u32 = 1;
pub(super) const MINOR: u32 = 0;

/// The document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BundleManifest {
    /// The format's version.
    pub version: BundleVersion,
    /// What the bundle is called.
    pub name: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The bundle that it builds on, if it is a delta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
    /// The bill of materials.
    pub sbom: Sha256Digest,
    /// The images.
    pub images: Vec<BundledImage>,
    /// Everything else.
    pub files: Vec<BundledFile>,
    /// Every blob that images and files are made of: its length, and whether it is here.
    pub blobs: BTreeMap<Sha256Digest, BundledBlob>,
}

/// The format's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleVersion {
    /// Differs where older readers would go wrong.
    pub major: u32,
    /// Differs where something was added.
    pub minor: u32,
}

/// The bundle that a delta builds on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// Its name.
    pub name: String,
    /// The digest of its manifest.
    pub manifest: Sha256Digest,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledImage {
    /// Its name.
    pub name: Reference,
    /// Its manifest or index.
    pub root: Descriptor,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledFile {
    /// What it is.
    pub kind: FileKind,
    /// Where it goes, below the directory that files are loaded to.
    pub path: RelativePath,
    /// Its digest.
    pub sha256: Sha256Digest,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileKind {
    /// A Flink distribution.
    Flink,
    /// A user's jar.
    Jar,
    /// Configuration.
    Configuration,
}

/// A blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledBlob {
    /// Its length.
    pub size: u64,
    /// Whether it is in the earlier bundle and not in this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub earlier: bool,
}

#[derive(Deserialize)]
struct OnlyVersion {
    version: BundleVersion,
}

impl BundleManifest {
    /// Reads a manifest. The version is judged first: a newer one may look quite different.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, BundleError> {
        let unreadable = |error: serde_json::Error| {
            BundleError::damaged(path, format!("its manifest cannot be read: {error}"))
        };
        let only: OnlyVersion = serde_json::from_slice(bytes).map_err(unreadable)?;
        let version = only.version;
        if version.major != MAJOR || version.minor > MINOR {
            return Err(BundleError::TooNew {
                path: path.to_owned(),
                found: format!("{}.{}", version.major, version.minor),
                known: format!("{MAJOR}.{MINOR}"),
            });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(unreadable)?;
        match manifest.unlisted() {
            Some(what) => Err(BundleError::damaged(
                path,
                format!("its manifest lists no blob for {what}"),
            )),
            None => Ok(manifest),
        }
    }

    /// The first thing whose blob is not listed.
    fn unlisted(&self) -> Option<String> {
        let file = self
            .files
            .iter()
            .find(|file| !self.blobs.contains_key(&file.sha256));
        let image = self
            .images
            .iter()
            .find(|image| !self.blobs.contains_key(&image.root.digest.0));
        file.map(|file| file.path.to_string())
            .or_else(|| image.map(|image| image.name.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest() -> BundleManifest {
        BundleManifest {
            version: BundleVersion {
                major: MAJOR,
                minor: MINOR,
            },
            name: "n".into(),
            created: "2023-11-14T22:13:20Z".into(),
            earlier: None,
            sbom: Sha256Digest::of(b"sbom"),
            images: Vec::new(),
            files: vec![BundledFile {
                kind: FileKind::Jar,
                path: "jars/a.jar".parse().unwrap(),
                sha256: Sha256Digest::of(b"a"),
            }],
            blobs: BTreeMap::from([(
                Sha256Digest::of(b"a"),
                BundledBlob {
                    size: 1,
                    earlier: false,
                },
            )]),
        }
    }

    fn parse(text: &str) -> Result<BundleManifest, BundleError> {
        BundleManifest::parse(text.as_bytes(), Path::new("b"))
    }

    #[test]
    fn a_manifest_reads_back() {
        let text = serde_json::to_string(&manifest()).unwrap();
        assert_eq!(parse(&text).unwrap(), manifest());
    }

    #[test]
    fn a_newer_version_is_refused_before_anything_else_is_looked_at() {
        for version in [r#"{"major":2,"minor":0}"#, r#"{"major":1,"minor":1}"#] {
            let text = format!(r#"{{"version":{version},"somethingNew":[]}}"#);
            assert!(
                matches!(parse(&text), Err(BundleError::TooNew { .. })),
                "{version}"
            );
        }
    }

    #[test]
    fn unknown_fields_unlisted_blobs_and_paths_that_climb_are_refused() {
        let text = serde_json::to_string(&manifest()).unwrap();
        assert!(parse(&text.replacen("\"name\"", "\"nmae\":1,\"name\"", 1)).is_err());
        assert!(parse(&text.replace("jars/a.jar", "../a.jar")).is_err());
        assert!(parse(&text.replace("jars/a.jar", "/etc/passwd")).is_err());
        let mut unlisted = manifest();
        unlisted.blobs.clear();
        let message = parse(&serde_json::to_string(&unlisted).unwrap())
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            "b is damaged: its manifest lists no blob for jars/a.jar"
        );
    }

    proptest! {
        #[test]
        fn no_text_panics_the_parser(text in "\\PC{0,100}") {
            let _ = parse(&text);
        }
    }
}
