//! Images: from a definition to layers to an OCI image, built without any daemon and without a
//! network, and handed to a layout, an archive, an engine or a registry.
//!
//! The same definition and the same inputs give the same bytes, on whatever machine, whenever and
//! by whomever. The formats are those of opencontainers/image-spec 1.1 and of Docker's archives.
//! Never needs a daemon unless one is named as source or sink. Of an image it runs one thing, and
//! only where that is asked for: its own `flugs artifact train`, shut off from machine and network.

mod base;
mod blobs;
mod build;
pub mod bundle;
mod cache;
mod content;
mod definition;
mod dockerfile;
mod epoch;
mod error;
mod examine;
mod ground;
mod layer;
mod oci;
mod packing;
mod plan;
mod platform;
mod reference;
mod sink;
mod source;
mod training;

pub use base::{BaseRecipe, MadeBase};
pub use build::{BuildInputs, BuiltImage, BuiltLayer, build};
pub use definition::{
    Added, AddedFile, BaseInput, BaseWay, Definition, DefinitionError, Flink, Healthcheck,
    ImagePath, Java, Mode, Owner, Port, Span, StopSignal, User, VariableName,
};
pub use dockerfile::{EngineBuild, ImageRole};
pub use epoch::Epoch;
pub use error::ImageError;
pub use examine::{
    Change, ChangeKind, Difference, Inspected, InspectedLayer, Verification, difference, inspect,
    verify,
};
pub use layer::{Compression, CompressionError};
pub use oci::{BlobDigest, Descriptor, HealthConfig, Platform, RunConfig};
pub use platform::{Architecture, PlatformError};
pub use reference::{Reference, ReferenceError};
pub use sink::{Remark, Sink, SinkError};
pub use source::{SourceName, SourceNameError};
pub use training::{
    ENTER, OVERSEE, TrainingError, UNPACK, enter as enter_training, oversee as oversee_training,
    unpack as unpack_training,
};
