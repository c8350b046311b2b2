//! One tar that everybody takes: an OCI layout, Docker's `manifest.json` (moby/docker-image-spec
//! v1.2) whose layers are the layout's blobs, and Docker's first format, which Mesos reads from
//! its local image directory: `repositories`, and for each layer a directory with `json` and
//! `layer.tar`, here a link to the blob.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde::Serialize;

use super::layout;
use crate::image::ImageError;
use crate::image::blobs::Blobs;
use crate::image::content::{Content, Image};
use crate::image::oci::{self, Index, RunConfig};
use flugs_base::Sha256Digest;
use flugs_base::destination::Destination;

/// Writes the archive to a file, whole or not at all; `-` is standard output.
pub(super) fn write_file(path: &Path, content: &Content, blobs: &Blobs) -> Result<(), ImageError> {
    let unwritable = |error| ImageError::write(path, error);
    let destination = Destination::create(path).map_err(unwritable)?;
    // From file to file the kernel copies, so nothing may be kept back in a buffer of ours.
    write(destination.file(), content, blobs)?;
    destination.commit(0o644).map_err(unwritable)
}

/// Writes the archive. Every byte follows from the image.
pub(in crate::image) fn write(
    to: impl Write,
    content: &Content,
    blobs: &Blobs,
) -> Result<(), ImageError> {
    let mut builder = tar::Builder::new(BufWriter::with_capacity(1 << 20, to));
    let stream = Path::new("the archive");
    let unwritable = |error| ImageError::write(stream, error);
    for (name, bytes) in documents(content) {
        put(&mut builder, &name, bytes.len() as u64, bytes.as_slice()).map_err(unwritable)?;
    }
    for descriptor in content.blobs() {
        let name = format!("blobs/sha256/{}", descriptor.digest.0);
        if let Some(bytes) = content.document(&descriptor) {
            put(&mut builder, &name, descriptor.size, bytes).map_err(unwritable)?;
            continue;
        }
        let region = blobs.region(&descriptor)?;
        let reader = region
            .open()
            .map_err(|error| ImageError::read(&region.path, error))?;
        put(&mut builder, &name, descriptor.size, reader).map_err(unwritable)?;
    }
    // Docker's formats know one platform; those of this machine are most likely meant.
    if let Some(image) = docker_image(content) {
        for layer in first_format(image) {
            layer.put(&mut builder).map_err(unwritable)?;
        }
    }
    builder
        .into_inner()
        .and_then(|mut writer| writer.flush())
        .map_err(unwritable)
}

fn docker_image(content: &Content) -> Option<&Image> {
    let own = crate::image::Architecture::own().name();
    let fits = |image: &&Image| image.config.architecture == own;
    content.images.iter().find(fits).or(content.images.first())
}

fn documents(content: &Content) -> Vec<(String, Vec<u8>)> {
    let mut documents = vec![
        ("oci-layout".to_owned(), layout::MARKER.to_vec()),
        (
            "index.json".to_owned(),
            oci::to_json(&Index::of(vec![layout::entry(content)])),
        ),
    ];
    let Some(image) = docker_image(content) else {
        return documents;
    };
    let blob = |digest: &Sha256Digest| format!("blobs/sha256/{digest}");
    let listed = DockerImage {
        config: blob(&image.manifest.config.digest.0),
        repo_tags: content.reference.iter().map(ToString::to_string).collect(),
        layers: image
            .manifest
            .layers
            .iter()
            .map(|layer| blob(&layer.digest.0))
            .collect(),
    };
    documents.push(("manifest.json".to_owned(), oci::to_json(&[listed])));
    if let (Some(reference), Some(top)) = (&content.reference, first_format(image).last()) {
        let tags = BTreeMap::from([(reference.tag.clone(), top.id.clone())]);
        let repositories = BTreeMap::from([(reference.name(), tags)]);
        documents.push(("repositories".to_owned(), oci::to_json(&repositories)));
    }
    documents
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// A layer in Docker's first format (moby/docker-image-spec v1). The topmost says how the image
/// is run.
struct FirstFormatLayer {
    id: String,
    json: Vec<u8>,
    blob: String,
}

#[derive(Serialize)]
struct FirstFormatJson<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    created: Option<&'a str>,
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a RunConfig>,
}

/// The IDs follow from everything below and, for the topmost, from the configuration: whoever
/// keeps unpacked layers by ID (Mesos does) never takes another one for it.
fn first_format(image: &Image) -> Vec<FirstFormatLayer> {
    let mut layers: Vec<FirstFormatLayer> = Vec::new();
    let count = image.manifest.layers.len();
    for (at, layer) in image.layers().enumerate() {
        let is_top = at + 1 == count;
        let parent = layers.last().map(|below| below.id.clone());
        let config = if is_top {
            image.manifest.config.digest.to_string()
        } else {
            String::new()
        };
        let id = format!(
            "{} {} {config}",
            parent.as_deref().unwrap_or_default(),
            layer.diff_id
        );
        let id = Sha256Digest::of(id.as_bytes()).to_string();
        let json = oci::to_json(&FirstFormatJson {
            id: &id,
            parent: parent.as_deref(),
            created: image.config.created.as_deref(),
            architecture: &image.config.architecture,
            os: &image.config.os,
            config: is_top.then_some(&image.config.config),
        });
        layers.push(FirstFormatLayer {
            id,
            json,
            blob: layer.descriptor.digest.0.to_string(),
        });
    }
    layers
}

impl FirstFormatLayer {
    fn put<W: Write>(&self, builder: &mut tar::Builder<W>) -> io::Result<()> {
        put(
            builder,
            &format!("{}/VERSION", self.id),
            3,
            b"1.0".as_slice(),
        )?;
        put(
            builder,
            &format!("{}/json", self.id),
            self.json.len() as u64,
            self.json.as_slice(),
        )?;
        let mut header = header();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        builder.append_link(
            &mut header,
            format!("{}/layer.tar", self.id),
            format!("../blobs/sha256/{}", self.blob),
        )
    }
}

fn put<W: Write>(
    builder: &mut tar::Builder<W>,
    name: &str,
    size: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = header();
    header.set_size(size);
    builder.append_data(&mut header, name, content)
}

fn header() -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}
