//! Bundles: images, Flink distributions, user jars and configuration in one file that crosses an
//! air gap, with a manifest of digests, a bill of materials, and a signature over the manifest.
//!
//! The file is a tar; the order of its entries is fixed, so that the manifest is read first:
//!
//! ```text
//! flugs-bundle.json     the manifest
//! flugs-bundle.sig      an Ed25519 signature over the manifest's bytes, if it is signed
//! sbom.spdx.json        the bill of materials; its digest is in the manifest
//! blobs/sha256/HEX      everything, sorted; a delta leaves out what an earlier bundle has
//! ```
//!
//! Nothing of a bundle is used before all of it was verified.

mod crates;
mod create;
mod difference;
mod error;
mod load;
mod manifest;
mod materials;
mod opened;
mod sbom;
mod signature;
mod undo;
mod write;

pub use create::{BundleInputs, CreatedBundle, create};
pub use difference::{BundleDifference, difference};
pub use error::BundleError;
pub use load::{LoadPlan, LoadTarget, LoadTargetError, Step, load};
pub use manifest::{
    BundleManifest, BundleVersion, BundledBlob, BundledFile, BundledImage, Earlier, FileKind,
};
pub use opened::{Opened, Trust};
pub use signature::{SigningKey, TrustedKey};

const MANIFEST: &str = "flugs-bundle.json";
const SIGNATURE: &str = "flugs-bundle.sig";
const SBOM: &str = "sbom.spdx.json";
const BLOBS: &str = "blobs/sha256/";
