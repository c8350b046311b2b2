//! A bundle's file, opened and verified: all that is wrong with it is said at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::manifest::BundleManifest;
use super::signature::{self, TrustedKey};
use super::{BLOBS, BundleError, MANIFEST, SBOM, SIGNATURE};
use crate::image::blobs::{Blobs, Region};
use crate::image::content::Content;
use crate::image::layer::Hashed;
use flugs_base::Sha256Digest;

/// A manifest or signature longer than this is none.
const LONGEST_DOCUMENT: u64 = 64 << 20;

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Any of these keys; without a signature of theirs a bundle is refused.
    Keys(Vec<TrustedKey>),
    /// Nobody's is asked for: digests alone are checked. For those who know where a file is from.
    Anybody,
}

/// A bundle whose manifest has been read.
#[derive(Debug)]
pub struct Opened {
    path: PathBuf,
    manifest: BundleManifest,
    manifest_digest: Sha256Digest,
    members: BTreeMap<String, Region>,
    /// The blobs of the bundles that it builds on.
    below: BTreeMap<Sha256Digest, Region>,
}

impl Opened {
    /// Opens a bundle: finds its entries, checks the signature over its manifest, and reads that.
    /// Blobs are not looked at yet.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, BundleError> {
        let members = members(path)?;
        let region = members.get(MANIFEST).ok_or_else(|| {
            BundleError::damaged(path, format!("{MANIFEST} is not in it: is it a bundle?"))
        })?;
        let bytes = document(path, region)?;
        // The version is judged before the signature: a newer one may be signed in another way.
        let manifest = BundleManifest::parse(&bytes, path)?;
        if let Trust::Keys(keys) = trust {
            let untrusted = |reason| BundleError::Signature {
                path: path.to_owned(),
                reason,
            };
            let region = members
                .get(SIGNATURE)
                .ok_or_else(|| untrusted("it is not signed".to_owned()))?;
            signature::check(&document(path, region)?, &bytes, keys).map_err(untrusted)?;
        }
        Ok(Self {
            path: path.to_owned(),
            manifest,
            manifest_digest: Sha256Digest::of(&bytes),
            members,
            below: BTreeMap::new(),
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// The manifest's digest: what a delta names the bundle by that it builds on.
    pub fn manifest_digest(&self) -> Sha256Digest {
        self.manifest_digest
    }

    /// Puts the bundle below that this delta builds on.
    pub fn build_on(&mut self, earlier: &Self) -> Result<(), BundleError> {
        let wanted = self
            .manifest
            .earlier
            .as_ref()
            .map(|earlier| earlier.manifest);
        if wanted != Some(earlier.manifest_digest) {
            let wanted =
                wanted.map_or_else(|| "nothing".to_owned(), |wanted| format!("sha256:{wanted}"));
            return Err(BundleError::damaged(
                &self.path,
                format!(
                    "it builds on {wanted}, and {} is sha256:{}",
                    earlier.path.display(),
                    earlier.manifest_digest
                ),
            ));
        }
        self.below = earlier.regions();
        Ok(())
    }

    /// Opens the bundle and those that it builds on, each given by its file, in any order.
    pub fn open_with(path: &Path, earlier: &[PathBuf], trust: &Trust) -> Result<Self, BundleError> {
        let mut opened = Self::open(path, trust)?;
        let mut given = earlier
            .iter()
            .map(|path| Self::open(path, trust))
            .collect::<Result<Vec<_>, _>>()?;
        let mut chain: Vec<Self> = Vec::new();
        loop {
            let lowest = chain.last().unwrap_or(&opened);
            let Some(wanted) = lowest
                .manifest
                .earlier
                .as_ref()
                .map(|earlier| earlier.manifest)
            else {
                break;
            };
            let Some(at) = given.iter().position(|one| one.manifest_digest == wanted) else {
                return Err(BundleError::Incomplete {
                    path: lowest.path.clone(),
                    manifest: wanted,
                });
            };
            chain.push(given.swap_remove(at));
        }
        let mut below: Option<Self> = None;
        while let Some(mut one) = chain.pop() {
            if let Some(below) = &below {
                one.build_on(below)?;
            }
            below = Some(one);
        }
        if let Some(below) = &below {
            opened.build_on(below)?;
        }
        Ok(opened)
    }

    fn regions(&self) -> BTreeMap<Sha256Digest, Region> {
        let mut regions = self.below.clone();
        for (name, region) in &self.members {
            if let Some(digest) = name.strip_prefix(BLOBS).and_then(|name| name.parse().ok()) {
                regions.insert(digest, region.clone());
            }
        }
        regions
    }

    /// The blobs of this bundle and of those below.
    pub(super) fn blobs(&self) -> Blobs {
        Blobs::Archive {
            path: self.path.clone(),
            regions: self.regions(),
            made: BTreeMap::new(),
        }
    }

    /// Reads everything and checks every length, every digest, and that images are complete. Says
    /// all that is wrong.
    pub fn verify(&self) -> Result<Verified, BundleError> {
        let mut problems = Vec::new();
        let regions = self.regions();
        let mut bytes = 0;
        for (digest, blob) in &self.manifest.blobs {
            let Some(region) = regions.get(digest) else {
                problems.push(format!(
                    "sha256:{digest} is missing ({})",
                    self.used_by(digest)
                ));
                continue;
            };
            bytes += blob.size;
            if region.size != blob.size {
                problems.push(format!(
                    "sha256:{digest} is {} bytes long, and should be {}",
                    region.size, blob.size
                ));
                continue;
            }
            let found = hash(region).map_err(|error| BundleError::read(&region.path, error))?;
            if found != *digest {
                problems.push(format!(
                    "sha256:{digest} was altered: its bytes have sha256:{found} ({})",
                    self.used_by(digest)
                ));
            }
        }
        self.check_members(&mut problems)?;
        if problems.is_empty() {
            self.check_images(&mut problems);
        }
        if problems.is_empty() {
            return Ok(Verified {
                images: self.manifest.images.len(),
                files: self.manifest.files.len(),
                blobs: self.manifest.blobs.len(),
                bytes,
            });
        }
        Err(BundleError::Damaged {
            path: self.path.clone(),
            problems,
        })
    }

    /// What nothing lists has no business here; the bill must be the one that was signed for.
    fn check_members(&self, problems: &mut Vec<String>) -> Result<(), BundleError> {
        for name in self.members.keys() {
            let listed = match name.strip_prefix(BLOBS) {
                Some(digits) => digits
                    .parse::<Sha256Digest>()
                    .is_ok_and(|digest| self.manifest.blobs.contains_key(&digest)),
                None => [MANIFEST, SIGNATURE, SBOM].contains(&name.as_str()),
            };
            if !listed {
                problems.push(format!(
                    "{name} is in it, and the manifest does not list it"
                ));
            }
        }
        match self.members.get(SBOM) {
            None => problems.push(format!("{SBOM} is missing")),
            Some(region) => {
                let found = hash(region).map_err(|error| BundleError::read(&self.path, error))?;
                if found != self.manifest.sbom {
                    problems.push(format!("{SBOM} was altered: its bytes have sha256:{found}"));
                }
            }
        }
        Ok(())
    }

    fn check_images(&self, problems: &mut Vec<String>) {
        let blobs = self.blobs();
        for image in &self.manifest.images {
            let content = match Content::read(&blobs, &image.root, Some(image.name.clone())) {
                Ok(content) => content,
                Err(error) => {
                    problems.push(error.to_string());
                    continue;
                }
            };
            for descriptor in content.blobs() {
                if !self.manifest.blobs.contains_key(&descriptor.digest.0) {
                    problems.push(format!(
                        "{} of {} is not listed",
                        descriptor.digest, image.name
                    ));
                }
            }
        }
    }

    /// What a blob is for, in words.
    fn used_by(&self, digest: &Sha256Digest) -> String {
        let file = self
            .manifest
            .files
            .iter()
            .find(|file| file.sha256 == *digest);
        match file {
            Some(file) => file.path.to_string(),
            None => "part of an image".to_owned(),
        }
    }
}

/// What was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Images.
    pub images: usize,
    /// Files.
    pub files: usize,
    /// Blobs that were read.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
}

fn hash(region: &Region) -> io::Result<Sha256Digest> {
    let mut content = Hashed::new(region.open()?);
    io::copy(&mut content, &mut io::sink())?;
    Ok(content.finish().1.0)
}

fn document(path: &Path, region: &Region) -> Result<Vec<u8>, BundleError> {
    if region.size > LONGEST_DOCUMENT {
        return Err(BundleError::damaged(path, "its manifest is absurdly long"));
    }
    let mut bytes = Vec::new();
    region
        .open()
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| BundleError::read(path, error))?;
    Ok(bytes)
}

/// Where the entries are. The file has to end as a tar ends: one that was cut off does not.
fn members(path: &Path) -> Result<BTreeMap<String, Region>, BundleError> {
    let unreadable = |error| BundleError::read(path, error);
    let damaged = |problem: String| BundleError::damaged(path, problem);
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut archive = tar::Archive::new(&file);
    let mut members = BTreeMap::new();
    let mut end = 0;
    for entry in archive.entries_with_seek().map_err(unreadable)? {
        let entry = entry.map_err(|error| {
            damaged(format!(
                "it cannot be read behind byte {end}: {error}; was it cut off?"
            ))
        })?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !entry.header().entry_type().is_file() {
            return Err(damaged(format!("{name} is no file")));
        }
        let region = Region {
            path: path.to_owned(),
            offset: entry.raw_file_position(),
            size: entry.size(),
        };
        end = region
            .offset
            .saturating_add(region.size)
            .next_multiple_of(512);
        if end > length {
            return Err(damaged(format!(
                "{name} is cut off: {length} bytes are there, and {end} are needed"
            )));
        }
        if members.insert(name.clone(), region).is_some() {
            return Err(damaged(format!("{name} is in it twice")));
        }
    }
    if length < end + 1024 {
        return Err(damaged(format!(
            "its end is missing: {length} bytes are there, and {} are needed",
            end + 1024
        )));
    }
    Ok(members)
}
