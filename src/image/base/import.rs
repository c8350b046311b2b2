//! A base becomes layers in the cache, verified, and never changed where it is layers already: a
//! layer that was compressed anew would have another digest than the same one upstream.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;

use super::facts::Facts;
use crate::image::blobs::{Blobs, Region};
use crate::image::cache::{Cache, Key};
use crate::image::content::{Image, Layer};
use crate::image::layer::{Compression, Hashed};
use crate::image::oci::ImageConfig;
use crate::image::{Architecture, ImageError, packing};
use flugs_base::Sha256Digest;

/// A base, ready to be built on.
#[derive(Debug, Clone)]
pub(in crate::image) struct Base {
    pub(in crate::image) layers: Vec<Layer>,
    pub(in crate::image) config: ImageConfig,
    pub(in crate::image) facts: Facts,
}

/// How layers are made.
#[derive(Debug, Clone, Copy)]
pub(in crate::image) struct Making {
    pub(in crate::image) compression: Compression,
    pub(in crate::image) threads: NonZeroUsize,
}

/// A root file system's tar as the one layer of a base.
pub(in crate::image) fn rootfs(
    cache: &Cache,
    path: &Path,
    demanded: Option<Sha256Digest>,
    making: Making,
) -> Result<Base, ImageError> {
    let (digest, size) = cache.store().digest_of(path)?;
    if size == 0 {
        return Err(no_root(path));
    }
    demand(&path.display().to_string(), demanded, digest)?;
    let region = Region::whole(path).map_err(|error| ImageError::read(path, error))?;
    let layer = compressed(cache, &region, digest, making)?;
    with_facts(cache, vec![layer], ImageConfig::default())
}

/// An image as a base.
pub(in crate::image) fn image(
    cache: &Cache,
    blobs: &Blobs,
    image: &Image,
    making: Making,
) -> Result<Base, ImageError> {
    let mut layers = Vec::new();
    for layer in image.layers() {
        let found = layer.descriptor.layer_compression().ok_or_else(|| {
            ImageError::damaged(
                format!("{}: {}", blobs.place(), layer.descriptor.digest),
                format!("{} is no layer of files", layer.descriptor.media_type),
            )
        })?;
        let made = if found == Compression::None && making.compression != Compression::None {
            let region = blobs.region(&layer.descriptor)?;
            let made = compressed(cache, &region, layer.descriptor.digest.0, making)?;
            blobs.check(&layer.descriptor, made.diff_id.0)?;
            made
        } else {
            taken(cache, blobs, &layer)?
        };
        layers.push(made);
    }
    with_facts(cache, layers, image.config.clone())
}

pub(in crate::image) fn demand(
    what: &str,
    demanded: Option<Sha256Digest>,
    found: Sha256Digest,
) -> Result<(), ImageError> {
    match demanded {
        Some(expected) if expected != found => Err(ImageError::Digest {
            what: what.to_owned(),
            expected,
            found,
        }),
        _ => Ok(()),
    }
}

/// A tar, perhaps compressed, as a layer of our own compression.
fn compressed(
    cache: &Cache,
    region: &Region,
    digest: Sha256Digest,
    making: Making,
) -> Result<Layer, ImageError> {
    let key = Key::of("rootfs 1")
        .with(making.compression.recipe())
        .with(digest.as_bytes())
        .finish();
    if let Some(layer) = cache.layer(&key) {
        return Ok(layer);
    }
    let reader = open(region).map_err(|error| ImageError::read(&region.path, error))?;
    let mut tar = BufReader::with_capacity(1 << 18, checked_tar(reader, &region.path)?);
    cache.make_layer(&key, making.compression, making.threads, |to| {
        io::copy(&mut tar, &mut Chunked(to)).map(drop)
    })
}

/// `io::copy` flushes through small pieces; the layer's writer wants whole ones.
struct Chunked<'a>(&'a mut dyn Write);

impl Write for Chunked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What is read from here, if it can be a tar.
fn checked_tar(mut content: impl Read, path: &Path) -> Result<impl Read, ImageError> {
    let mut start = Vec::new();
    content
        .by_ref()
        .take(512)
        .read_to_end(&mut start)
        .map_err(|error| ImageError::read(path, error))?;
    // A layer may well be empty.
    if packing::is_tar(&start) {
        return Ok(io::Cursor::new(start).chain(content));
    }
    Err(no_root(path))
}

fn no_root(path: &Path) -> ImageError {
    ImageError::Unfit {
        path: path.to_owned(),
        reason: "it is no tar of a root file system, plain or compressed with gzip or zstd"
            .to_owned(),
    }
}

/// A layer as it is, once its digest and its diffID are verified.
fn taken(cache: &Cache, blobs: &Blobs, layer: &Layer) -> Result<Layer, ImageError> {
    let key = Key::of("taken 1")
        .with(layer.descriptor.digest.0.as_bytes())
        .with(layer.diff_id.0.as_bytes())
        .finish();
    if let Some(known) = cache.layer(&key) {
        return Ok(known);
    }
    let region = blobs.region(&layer.descriptor)?;
    let unreadable = |error| ImageError::read(&region.path, error);
    let temporary = cache.store().temporary()?;
    let mut content = Hashed::new(region.open().map_err(unreadable)?);
    io::copy(&mut content, &mut temporary.as_file())
        .map_err(|error| ImageError::write(temporary.path(), error))?;
    blobs.check(&layer.descriptor, content.finish().1.0)?;
    let found = diff_id(&region).map_err(unreadable)?;
    if found != layer.diff_id.0 {
        return Err(ImageError::damaged(
            format!("{}: {}", blobs.place(), layer.descriptor.digest),
            format!(
                "its tar has sha256:{found}, and the configuration says {}",
                layer.diff_id
            ),
        ));
    }
    cache
        .store()
        .publish(temporary, &layer.descriptor.digest.0)?;
    cache.remember_layer(&key, layer);
    Ok(layer.clone())
}

/// The digest of the tar in a layer.
pub(in crate::image) fn diff_id(region: &Region) -> io::Result<Sha256Digest> {
    let mut content = Hashed::new(open(region)?);
    io::copy(&mut content, &mut io::sink())?;
    Ok(content.finish().1.0)
}

/// The tar in a layer or file, decompressed if need be. What it is, its first bytes say.
pub(in crate::image) fn open(region: &Region) -> io::Result<packing::Unpacked> {
    packing::open(region.open()?)
}

fn with_facts(cache: &Cache, layers: Vec<Layer>, config: ImageConfig) -> Result<Base, ImageError> {
    let key = layers
        .iter()
        .fold(Key::of("facts 2"), |key, layer| {
            key.with(layer.diff_id.0.as_bytes())
        })
        .finish();
    if let Some(facts) = cache.recall("facts", &key) {
        return Ok(Base {
            layers,
            config,
            facts,
        });
    }
    let mut facts = Facts::default();
    for layer in &layers {
        let region = cache.blobs().region(&layer.descriptor)?;
        open(&region)
            .and_then(|tar| facts.add_layer(tar))
            .map_err(|error| ImageError::read(&region.path, error))?;
    }
    cache.remember("facts", &key, &facts);
    Ok(Base {
        layers,
        config,
        facts,
    })
}

/// The architecture that a program is for, by its first bytes.
pub(in crate::image) fn architecture_of(path: &Path) -> Result<Option<Architecture>, ImageError> {
    let mut first = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut first))
        .map_err(|error| ImageError::read(path, error))?;
    Ok(Architecture::of_elf(&first))
}
