//! The OCI layout (opencontainers/image-spec, "Image Layout"): blobs first, then the index in one
//! step, so that a reader never sees an image with a blob missing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use super::Remark;
use crate::image::ImageError;
use crate::image::blobs::Blobs;
use crate::image::content::Content;
use crate::image::oci::{self, CONTAINERD_NAME, Descriptor, Index, REFERENCE_NAME};

/// The content of the file `oci-layout`.
pub(super) const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Puts an image into a layout. One under the same tag and name is replaced.
pub(super) fn write(
    path: &Path,
    content: &Content,
    blobs: &Blobs,
) -> Result<Vec<Remark>, ImageError> {
    let shelf = path.join("blobs").join("sha256");
    fs::create_dir_all(&shelf).map_err(|error| ImageError::write(&shelf, error))?;
    for descriptor in content.blobs() {
        let target = shelf.join(descriptor.digest.0.to_string());
        put_blob(&target, &descriptor, content, blobs)?;
    }
    let path_of_index = path.join("index.json");
    let mut index = match fs::read(&path_of_index) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| ImageError::damaged(path_of_index.display(), error))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Index::of(Vec::new()),
        Err(error) => return Err(ImageError::read(&path_of_index, error)),
    };
    let remarks = enter(
        &mut index.manifests,
        entry(content),
        &format!("oci:{}", path.display()),
    );
    replace(&path.join("oci-layout"), MARKER)?;
    replace(&path_of_index, &oci::to_json(&index))?;
    Ok(remarks)
}

/// Enters an image into an index: in place of the one of the same name, beside all others. An image
/// that is there under another name keeps it.
fn enter(entries: &mut Vec<Descriptor>, own: Descriptor, layout: &str) -> Vec<Remark> {
    let mut remarks = Vec::new();
    entries.retain(|old| {
        let is_same = names(old) == names(&own);
        if is_same && old.digest != own.digest && own.annotations.contains_key(CONTAINERD_NAME) {
            remarks.push(Remark::Renamed {
                layout: layout.to_owned(),
                name: names(&own).1.unwrap_or_default().to_owned(),
                before: old.digest,
            });
        }
        // What has no name is found by its digest alone.
        !(is_same && (names(&own) != (None, None) || old.digest == own.digest))
    });
    remarks.extend(shared_tag(entries, &own, layout));
    entries.push(own);
    entries.sort_by(|one, other| one.annotations.cmp(&other.annotations));
    remarks
}

/// The tag and the whole name of an entry.
fn names(entry: &Descriptor) -> (Option<&str>, Option<&str>) {
    let annotation = |name: &str| entry.annotations.get(name).map(String::as_str);
    (annotation(REFERENCE_NAME), annotation(CONTAINERD_NAME))
}

fn shared_tag(entries: &[Descriptor], own: &Descriptor, layout: &str) -> Option<Remark> {
    let tag = names(own).0?;
    let others = entries
        .iter()
        .filter(|entry| names(entry).0 == Some(tag) && entry.digest != own.digest);
    let mut all: Vec<String> = others
        .chain([own])
        .map(|entry| names(entry).1.unwrap_or(tag).to_owned())
        .collect();
    if all.len() < 2 {
        return None;
    }
    all.sort_unstable();
    Some(Remark::SharedTag {
        layout: layout.to_owned(),
        tag: tag.to_owned(),
        names: all,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use flugs_base::Sha256Digest;

    fn named(content: &str, name: &str, tag: &str) -> Descriptor {
        let mut entry = Descriptor::of(oci::MANIFEST, content.as_bytes());
        let annotations = &mut entry.annotations;
        annotations.insert(REFERENCE_NAME.to_owned(), tag.to_owned());
        annotations.insert(CONTAINERD_NAME.to_owned(), format!("{name}:{tag}"));
        entry
    }

    #[test]
    fn a_layout_keeps_every_name_of_a_digest_and_says_what_a_name_stood_for() {
        let mut entries = Vec::new();
        assert_eq!(enter(&mut entries, named("x", "a", "1"), "l"), []);
        assert_eq!(enter(&mut entries, named("x", "a", "2"), "l"), []);
        assert_eq!(enter(&mut entries, named("x", "a", "1"), "l"), []);
        assert_eq!(entries, [named("x", "a", "1"), named("x", "a", "2")]);
        let remarks = enter(&mut entries, named("y", "a", "2"), "l");
        assert_eq!(entries, [named("x", "a", "1"), named("y", "a", "2")]);
        let expected = Remark::Renamed {
            layout: "l".to_owned(),
            name: "a:2".to_owned(),
            before: oci::BlobDigest(Sha256Digest::of(b"x")),
        };
        assert_eq!(remarks, [expected]);
    }

    #[test]
    fn two_images_of_one_tag_stay_and_are_remarked_on() {
        let mut entries = vec![named("x", "a", "1")];
        let remarks = enter(&mut entries, named("y", "b", "1"), "l");
        assert_eq!(entries.len(), 2);
        let text = remarks.iter().map(ToString::to_string).collect::<String>();
        assert!(text.contains("the tag 1: a:1, b:1"), "{text}");
        let nameless = Descriptor::of(oci::MANIFEST, b"z");
        assert_eq!(enter(&mut entries, nameless.clone(), "l"), []);
        assert_eq!(enter(&mut entries, nameless, "l"), []);
        assert_eq!(entries.len(), 3);
    }
}
