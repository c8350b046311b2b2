//! Whether images are whole: every digest, every length, every diffID. Looks at everything, and
//! says all that is wrong.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::image::base;
use crate::image::blobs::Blobs;
use crate::image::build::open_all;
use crate::image::content::{Content, Layer};
use crate::image::{ImageError, SourceName};
use flugs_base::Failure as _;

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Images that were looked at.
    pub images: usize,
    /// Blobs that were read.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What is wrong.
    pub problems: Vec<String>,
}

/// Verifies every image of a place.
pub async fn verify(name: &SourceName) -> Result<Verification, ImageError> {
    let mut found = Verification::default();
    let (source, contents) = match open_all(name).await {
        Ok(opened) => opened,
        // What cannot be read as images at all is one problem; that it is not there is none of it.
        Err(error) if error.exit_code() == flugs_base::ExitCode::ImageRefused => {
            found.problems.push(error.to_string());
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    let mut seen = BTreeSet::new();
    for content in &contents {
        found.images += content.images.len();
        found.check(content, &source.blobs, &mut seen);
    }
    Ok(found)
}

impl Verification {
    fn check(
        &mut self,
        content: &Content,
        blobs: &Blobs,
        seen: &mut BTreeSet<flugs_base::Sha256Digest>,
    ) {
        for descriptor in content.blobs() {
            if !seen.insert(descriptor.digest.0) {
                continue;
            }
            self.blobs += 1;
            self.bytes += descriptor.size;
            let checked = match content.document(&descriptor) {
                Some(_) => Ok(()),
                None => blobs.verify(&descriptor),
            };
            self.note(checked);
        }
        for image in &content.images {
            for layer in image.layers() {
                // The pair: a blob may be a layer under two diffIDs, one of them wrong.
                let pair = format!("{} {}", layer.descriptor.digest, layer.diff_id);
                if seen.insert(flugs_base::Sha256Digest::of(pair.as_bytes())) {
                    self.note(check_diff_id(blobs, &layer));
                }
            }
        }
    }

    fn note(&mut self, checked: Result<(), ImageError>) {
        if let Err(error) = checked {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            if !self.problems.contains(&text) {
                self.problems.push(text);
            }
        }
    }
}

fn check_diff_id(blobs: &Blobs, layer: &Layer) -> Result<(), ImageError> {
    let region = blobs.region(&layer.descriptor)?;
    let place = format!("{}: {}", blobs.place(), layer.descriptor.digest);
    let found = base::diff_id(&region).map_err(|error| {
        ImageError::damaged(&place, format!("it cannot be decompressed: {error}"))
    })?;
    if found == layer.diff_id.0 {
        return Ok(());
    }
    Err(ImageError::damaged(
        place,
        format!(
            "its tar has sha256:{found}, and the configuration says {}",
            layer.diff_id
        ),
    ))
}
