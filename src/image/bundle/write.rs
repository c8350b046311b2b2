//! Writing a bundle: the manifest, its signature, the bill, then the blobs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::Path;

use super::create::{BundleInputs, CreatedBundle, Gathered};
use super::manifest::{BundleManifest, BundleVersion, BundledBlob, Earlier, MAJOR, MINOR};
use super::{BLOBS, BundleError, MANIFEST, SBOM, SIGNATURE, sbom};
use crate::image::Epoch;
use crate::image::layer::Hashed;
use flugs_base::Sha256Digest;
use flugs_base::destination::Destination;

/// The entries before the blobs.
struct Documents {
    manifest: BundleManifest,
    manifest_bytes: Vec<u8>,
    signature: Option<Vec<u8>>,
    bill: Vec<u8>,
}

/// Writes the bundle to `target`, whole or not at all.
pub(super) fn write(
    inputs: &BundleInputs,
    gathered: &Gathered,
    target: &Path,
) -> Result<CreatedBundle, BundleError> {
    let documents = documents(inputs, gathered);
    let unwritable = |error| BundleError::write(target, error);
    let destination = Destination::create(target).map_err(unwritable)?;
    entries(
        destination.file(),
        target,
        &documents,
        gathered,
        inputs.epoch,
    )?;
    let size = destination.file().metadata().map_err(unwritable)?.len();
    destination.commit(0o644).map_err(unwritable)?;
    let blobs = &documents.manifest.blobs;
    let blobs_earlier = blobs.values().filter(|blob| blob.earlier).count();
    Ok(CreatedBundle {
        manifest: Sha256Digest::of(&documents.manifest_bytes),
        size,
        blobs: blobs.len() - blobs_earlier,
        blobs_earlier,
        signed: documents.signature.is_some(),
    })
}

fn documents(inputs: &BundleInputs, gathered: &Gathered) -> Documents {
    let created = inputs.epoch.rfc3339();
    let bill = sbom::document(&inputs.name, &created, &gathered.bill);
    let earlier = inputs.earlier.as_ref();
    let blob = |digest: &Sha256Digest, size: u64| BundledBlob {
        size,
        earlier: earlier.is_some_and(|earlier| earlier.manifest().blobs.contains_key(digest)),
    };
    let blobs: BTreeMap<Sha256Digest, BundledBlob> = gathered
        .blobs
        .iter()
        .map(|(digest, (_, size))| (*digest, blob(digest, *size)))
        .collect();
    let manifest = BundleManifest {
        version: BundleVersion {
            major: MAJOR,
            minor: MINOR,
        },
        name: inputs.name.clone(),
        created,
        earlier: earlier.map(|earlier| Earlier {
            name: earlier.manifest().name.clone(),
            manifest: earlier.manifest_digest(),
        }),
        sbom: Sha256Digest::of(&bill),
        images: gathered.images.clone(),
        files: gathered.files.clone(),
        blobs,
    };
    // Strings and numbers have no way to fail to be written.
    let manifest_bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    let sign = |key: &super::SigningKey| {
        serde_json::to_vec(&key.sign(&manifest_bytes)).unwrap_or_default()
    };
    let signature = inputs.key.as_ref().map(sign);
    Documents {
        manifest,
        manifest_bytes,
        signature,
        bill,
    }
}

fn entries(
    file: &File,
    target: &Path,
    documents: &Documents,
    gathered: &Gathered,
    epoch: Epoch,
) -> Result<(), BundleError> {
    let unwritable = |error| BundleError::write(target, error);
    let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 20, file));
    let first = [
        (MANIFEST, Some(&documents.manifest_bytes)),
        (SIGNATURE, documents.signature.as_ref()),
        (SBOM, Some(&documents.bill)),
    ];
    for (name, bytes) in first
        .into_iter()
        .filter_map(|(name, bytes)| Some((name, bytes?)))
    {
        put(
            &mut builder,
            name,
            bytes.len() as u64,
            bytes.as_slice(),
            epoch,
        )
        .map_err(unwritable)?;
    }
    for (digest, blob) in documents
        .manifest
        .blobs
        .iter()
        .filter(|(_, blob)| !blob.earlier)
    {
        let Some((region, _)) = gathered.blobs.get(digest) else {
            continue;
        };
        let content = region
            .open()
            .map_err(|error| BundleError::read(&region.path, error))?;
        let mut content = Hashed::new(content);
        put(
            &mut builder,
            &format!("{BLOBS}{digest}"),
            blob.size,
            &mut content,
            epoch,
        )
        .map_err(unwritable)?;
        // A damaged input must not become a bundle that is refused far away.
        if content.finish().1.0 != *digest {
            return Err(BundleError::Unfit {
                what: format!("sha256:{digest}"),
                reason: format!("its bytes in {} are others", region.path.display()),
            });
        }
    }
    builder
        .into_inner()
        .and_then(|mut writer| writer.flush())
        .map_err(unwritable)
}

fn put<W: io::Write>(
    builder: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    content: impl Read,
    epoch: Epoch,
) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch.seconds());
    header.set_size(size);
    builder.append_data(&mut header, name, content)
}
