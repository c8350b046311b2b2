//! Archives of images: what is in the tar, and which of its forms it has.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::{Component, Path, PathBuf};

use super::docker;
use crate::image::ImageError;
use crate::image::blobs::{Blobs, Region};
use crate::image::oci::{Descriptor, Index};
use crate::image::packing::{self, Packing};
use flugs_base::files::read_bounded;

/// A document longer than this is none.
const LONGEST_DOCUMENT: u64 = 8 << 20;
/// Links from one member to the next, at most.
const LONGEST_CHAIN: usize = 16;
/// What is at the top of a root file system and never of an archive of images.
const OF_ROOTS: [&str; 6] = ["bin", "etc", "lib", "sbin", "usr", "var"];

/// The members of an archive that are files, by their names.
pub(super) type Members = BTreeMap<String, Region>;

/// A file to read an archive from that cannot be read where it is: because it is packed, or is no
/// file that could be read twice.
pub(super) fn unpacked(path: &Path) -> Result<Option<tempfile::TempPath>, ImageError> {
    let unreadable = |error| ImageError::read(path, error);
    let file = File::open(path).map_err(unreadable)?;
    let is_file = file.metadata().map_err(unreadable)?.is_file();
    let mut content = BufReader::with_capacity(1 << 18, file);
    let packing = Packing::ahead(&mut content).map_err(unreadable)?;
    if is_file && packing == Packing::Plain {
        return Ok(None);
    }
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::Unsupported => ImageError::damaged(path.display(), error),
        _ => ImageError::read(path, error),
    };
    let mut content = packing.unpacked(content).map_err(refused)?;
    let mut temporary = tempfile::NamedTempFile::new()
        .map_err(|error| ImageError::write(&std::env::temp_dir(), error))?;
    io::copy(&mut content, &mut temporary).map_err(|error| {
        let reason = format!("it cannot be unpacked: {error}");
        ImageError::damaged(path.display(), reason)
    })?;
    Ok(Some(temporary.into_temp_path()))
}

/// Reads which images are in an archive. `path` is its name, `file` what it is read from.
pub(super) fn read(path: &Path, file: &Path) -> Result<(Blobs, Vec<Descriptor>), ImageError> {
    let members = members(path, file)?;
    let mut regions = BTreeMap::new();
    for (name, region) in &members {
        let digest = name.strip_prefix("blobs/sha256/");
        if let Some(digest) = digest.and_then(|name| name.parse().ok()) {
            regions.insert(digest, region.clone());
        }
    }
    let mut made = BTreeMap::new();
    let entries = if let Some(region) = members.get("index.json") {
        document::<Index>(path, "index.json", region)?.manifests
    } else if let Some(region) = members.get("manifest.json") {
        let listed: Vec<docker::Listed> = document(path, "manifest.json", region)?;
        let mut entries = Vec::new();
        for image in &listed {
            let archive = docker::Archive {
                path,
                members: &members,
            };
            entries.extend(archive.image(image, &mut regions, &mut made)?);
        }
        entries
    } else {
        let reason = if members.contains_key("repositories") {
            "it has Docker's first format alone; `docker load` and `docker save` make a newer one of it"
        } else {
            "neither index.json nor manifest.json is in it: it is no archive of images"
        };
        return Err(ImageError::damaged(path.display(), reason));
    };
    let path = path.to_owned();
    let blobs = Blobs::Archive {
        path,
        regions,
        made,
    };
    Ok((blobs, entries))
}

/// Whether a tar is an archive of images and no root file system: by what is in it.
pub(in crate::image) fn is_archive(path: &Path) -> Result<bool, ImageError> {
    let unreadable = |error| ImageError::read(path, error);
    let region = Region::whole(path).map_err(unreadable)?;
    let part = region.open().map_err(unreadable)?;
    let packing = packing::of_part(part).map_err(unreadable)?;
    if packing == Packing::Plain {
        let mut archive = tar::Archive::new(File::open(path).map_err(unreadable)?);
        return Ok(has_images(archive.entries_with_seek().map_err(unreadable)?));
    }
    let part = region.open().map_err(unreadable)?;
    let Ok(content) = packing::open(part) else {
        return Ok(false);
    };
    let mut archive = tar::Archive::new(content);
    Ok(has_images(archive.entries().map_err(unreadable)?))
}

/// Looks no further than is needed: what is packed has to be unpacked for it.
fn has_images<R: io::Read>(entries: tar::Entries<'_, R>) -> bool {
    for entry in entries {
        let Ok(entry) = entry else {
            return false;
        };
        let name = normal(Path::new(&*String::from_utf8_lossy(&entry.path_bytes())));
        if matches!(&*name, "manifest.json" | "oci-layout" | "index.json") {
            return true;
        }
        let top = name.split('/').next().unwrap_or_default();
        if OF_ROOTS.contains(&top) {
            return false;
        }
    }
    false
}

/// Where the members of an archive are. Links among them count as what they lead to.
fn members(path: &Path, file: &Path) -> Result<Members, ImageError> {
    let unreadable = |error| ImageError::read(path, error);
    let mut opened = File::open(file).map_err(unreadable)?;
    let mut start = Vec::new();
    opened
        .by_ref()
        .take(512)
        .read_to_end(&mut start)
        .map_err(unreadable)?;
    if !packing::is_tar(&start) {
        return Err(ImageError::damaged(path.display(), "it is no tar"));
    }
    let mut archive = tar::Archive::new(File::open(file).map_err(unreadable)?);
    let mut members = Members::new();
    let mut links = BTreeMap::new();
    for entry in archive.entries_with_seek().map_err(unreadable)? {
        // What the library says of it repeats the bytes.
        let entry = entry.map_err(|_| {
            let reason = format!("it is damaged behind its {}. member", members.len());
            ImageError::damaged(path.display(), reason)
        })?;
        let name = normal(Path::new(&*String::from_utf8_lossy(&entry.path_bytes())));
        let kind = entry.header().entry_type();
        if kind.is_file() {
            let region = Region {
                path: file.to_owned(),
                offset: entry.raw_file_position(),
                size: entry.size(),
            };
            members.insert(name, region);
        } else if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name_bytes().unwrap_or_default();
            let target = PathBuf::from(&*String::from_utf8_lossy(&target));
            let base = Path::new(&name).parent().unwrap_or(Path::new(""));
            let target = if kind.is_symlink() {
                base.join(target)
            } else {
                target
            };
            links.insert(name, normal(&target));
        }
    }
    for name in links.keys() {
        let mut at = name;
        for _ in 0..LONGEST_CHAIN {
            let Some(next) = links.get(at) else {
                break;
            };
            at = next;
        }
        if let Some(region) = members.get(at).cloned() {
            members.insert(name.clone(), region);
        }
    }
    Ok(members)
}

/// The path without `.` and with `..` resolved by name.
pub(super) fn normal(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

fn document<T: serde::de::DeserializeOwned>(
    path: &Path,
    name: &str,
    region: &Region,
) -> Result<T, ImageError> {
    let bytes = bytes(region)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ImageError::damaged(format!("{}: {name}", path.display()), error))
}

pub(super) fn bytes(region: &Region) -> Result<Vec<u8>, ImageError> {
    region
        .open()
        .and_then(|file| read_bounded(file, LONGEST_DOCUMENT))
        .map_err(|error| ImageError::read(&region.path, error))
}
