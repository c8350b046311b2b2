//! The OCI layout (opencontainers/image-spec, "Image Layout"): blobs first, then the index in one
//! step, so that a reader never sees an image with a blob missing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::image::ImageError;
use crate::image::blobs::Blobs;
use crate::image::content::Content;
use crate::image::oci::{self, CONTAINERD_NAME, Descriptor, Index, REFERENCE_NAME};

/// The content of the file `oci-layout`.
pub(super) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Puts an image into a layout. One under the same tag and name is replaced.
pub(super) fn write(path: &Path, content: &Content, blobs: &Blobs) -> Result<(), ImageError> {
    let shelf = path.join("blobs").join("sha256");
    fs::create_dir_all(&shelf).map_err(|error| ImageError::write(&shelf, error))?;
    for descriptor in content.blobs() {
        let target = shelf.join(descriptor.digest.0.to_string());
        put_blob(&target, &descriptor, content, blobs)?;
    }
    let index = path.join("index.json");
    let mut entries = match fs::read(&index) {
        Ok(bytes) => {
            let old: Index = serde_json::from_slice(&bytes)
                .map_err(|error| ImageError::damaged(index.display(), error))?;
            old.manifests
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(ImageError::read(&index, error)),
    };
    let own = entry(content);
    entries.retain(|old| old.annotations != own.annotations && old.digest != own.digest);
    entries.push(own);
    entries.sort_by(|one, other| one.annotations.cmp(&other.annotations));
    replace(&path.join("oci-layout"), MARKER)?;
    replace(&index, &oci::to_json(&Index::of(entries)))
}

/// An image in an index, under its names: the tag for those who look for the OCI's annotation,
/// the whole name for containerd.
pub(super) fn entry(content: &Content) -> Descriptor {
    let mut entry = content.root.clone();
    if let Some(reference) = &content.reference {
        entry
            .annotations
            .insert(REFERENCE_NAME.to_owned(), reference.tag.clone());
        entry
            .annotations
            .insert(CONTAINERD_NAME.to_owned(), full_name(reference));
    }
    entry
}

/// The name with the registry that Docker means when none is named.
fn full_name(reference: &crate::image::Reference) -> String {
    match &reference.registry {
        Some(_) => reference.to_string(),
        None if reference.repository.contains('/') => format!("docker.io/{reference}"),
        None => format!("docker.io/library/{reference}"),
    }
}

fn put_blob(
    target: &Path,
    descriptor: &Descriptor,
    content: &Content,
    blobs: &Blobs,
) -> Result<(), ImageError> {
    if fs::metadata(target).is_ok_and(|there| there.len() == descriptor.size) {
        return Ok(());
    }
    if let Some(bytes) = content.document(descriptor) {
        return replace(target, bytes);
    }
    if let Blobs::Store(store) = blobs {
        store.place(&descriptor.digest.0, target, 0o444)?;
        return Ok(());
    }
    let region = blobs.region(descriptor)?;
    let mut reader = region
        .open()
        .map_err(|error| ImageError::read(&region.path, error))?;
    into_place(target, |file| io::copy(&mut reader, file).map(drop))
}

fn replace(target: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    into_place(target, |file| file.write_all(bytes))
}

/// Writes beside the target and renames: the target is the old file or the new one, whole.
fn into_place(
    target: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ImageError> {
    let unwritable = |error| ImageError::write(target, error);
    let directory = target.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)
        .map_err(unwritable)?;
    write(temporary.as_file_mut()).map_err(unwritable)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    temporary
        .as_file()
        .set_permissions(mode)
        .map_err(unwritable)?;
    temporary
        .persist(target)
        .map_err(|error| unwritable(error.error))
        .map(drop)
}
