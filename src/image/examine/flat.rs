//! The file system that an image's layers make together.

use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::image::ImageError;
use crate::image::base;
use crate::image::blobs::Blobs;
use crate::image::content::Layer;
use crate::image::layer::Hashed;
use flugs_base::Sha256Digest;

/// One file, link or directory of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) kind: u8,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) size: u64,
    pub(super) content: Option<Sha256Digest>,
    pub(super) target: Option<Vec<u8>>,
}

/// An image's files by path, without a slash in front.
pub(super) type Files = BTreeMap<String, File>;

/// Lays a layer over what is there (opencontainers/image-spec, "Image Layer Filesystem
/// Changeset").
pub(super) fn add(files: &mut Files, blobs: &Blobs, layer: &Layer) -> Result<(), ImageError> {
    let region = blobs.region(&layer.descriptor)?;
    base::open(&region)
        .and_then(|tar| add_tar(files, tar))
        .map_err(|error| ImageError::read(&region.path, error))
}

fn add_tar(files: &mut Files, tar: impl Read) -> io::Result<()> {
    let mut archive = tar::Archive::new(tar);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.trim_start_matches("./").trim_matches('/').to_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        if let Some(hidden) = name.strip_prefix(".wh.") {
            let above = path.strip_suffix(name).unwrap_or_default();
            if hidden == ".wh..opq" {
                remove_below(files, above);
            } else {
                let gone = format!("{above}{hidden}");
                remove_below(files, &format!("{gone}/"));
                files.remove(&gone);
            }
            continue;
        }
        if path.is_empty() {
            continue;
        }
        let file = file(files, &mut entry)?;
        if file.kind != tar::EntryType::Directory.as_byte() {
            remove_below(files, &format!("{path}/"));
        }
        files.insert(path, file);
    }
    Ok(())
}

fn file<R: Read>(files: &Files, entry: &mut tar::Entry<'_, R>) -> io::Result<File> {
    let header = entry.header();
    let kind = header.entry_type();
    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
    if kind.is_hard_link() {
        // Another name of a file that is there.
        let of = String::from_utf8_lossy(target.as_deref().unwrap_or_default()).into_owned();
        if let Some(same) = files.get(of.trim_start_matches("./").trim_start_matches('/')) {
            return Ok(same.clone());
        }
    }
    let mut file = File {
        kind: if kind.is_file() {
            tar::EntryType::Regular.as_byte()
        } else {
            kind.as_byte()
        },
        mode: header.mode()? & 0o7777,
        owner: (header.uid()?, header.gid()?),
        size: 0,
        content: None,
        target: target.filter(|_| kind.is_symlink() || kind.is_hard_link()),
    };
    if kind.is_file() {
        let mut content = Hashed::new(entry);
        io::copy(&mut content, &mut io::sink())?;
        let (_, (digest, size)) = content.finish();
        file.size = size;
        file.content = Some(digest);
    }
    Ok(file)
}

fn remove_below(files: &mut Files, prefix: &str) {
    let below: Vec<String> = files
        .range(prefix.to_owned()..)
        .take_while(|(path, _)| path.starts_with(prefix))
        .map(|(path, _)| path.clone())
        .collect();
    for path in below {
        files.remove(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(content.len() as u64);
            builder
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn whiteouts_hide_what_is_below() {
        let mut files = Files::new();
        let below = tar(&[
            ("./a/x", "1"),
            ("a/y", "2"),
            ("a-b", "3"),
            ("b/z/deep", "4"),
            ("c", "5"),
        ]);
        add_tar(&mut files, below.as_slice()).unwrap();
        let above = tar(&[
            ("a/.wh..wh..opq", ""),
            ("b/.wh.z", ""),
            (".wh.c", ""),
            ("a/new", "6"),
        ]);
        add_tar(&mut files, above.as_slice()).unwrap();
        let paths: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["a-b", "a/new"]);
    }

    #[test]
    fn a_file_in_place_of_a_directory_takes_what_was_in_it_away() {
        let mut files = Files::new();
        add_tar(&mut files, tar(&[("a/x", "1")]).as_slice()).unwrap();
        add_tar(&mut files, tar(&[("a", "2")]).as_slice()).unwrap();
        assert_eq!(files.len(), 1);
    }
}
