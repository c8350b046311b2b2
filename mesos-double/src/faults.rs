//! What a double does wrong on purpose.

use std::time::Duration;

/// How an event stream's bytes are cut into HTTP chunks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Chunking {
    /// One record, one chunk, as a real master writes.
    #[default]
    Record,
    /// Each byte alone.
    Bytes,
    /// Cut anywhere, also within a record's length and within a character.
    Random,
    /// All records that wait in one chunk.
    Merged,
}

/// Everything that goes wrong while it is set.
#[expect(
    clippy::struct_excessive_bools,
    reason = "faults come in any combination"
)]
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    /// How an event stream is cut.
    pub chunking: Chunking,
    /// Chunks carry an extension, which HTTP allows and nobody expects.
    pub chunk_extensions: bool,
    /// No HEARTBEAT is sent.
    pub mute_heartbeats: bool,
    /// New connections are taken and never answered.
    pub mute_connections: bool,
    /// Each UPDATE comes twice.
    pub duplicate_updates: bool,
    /// How late each UPDATE comes.
    pub update_delay: Duration,
    /// Of a hundred calls so many are answered with 503.
    pub refused_calls: u8,
    /// Of a hundred launches so many fail before they run.
    pub failed_launches: u8,
    /// Of a hundred OFFERS so many are void before they arrive, and no RESCIND tells.
    pub stale_offers: u8,
    /// What tells of an agent's loss comes in any order.
    pub shuffle_agent_loss: bool,
    /// A framework that comes back is offered resources before it is told what it missed.
    pub offers_before_updates: bool,
    /// The first OFFERS come before the first HEARTBEAT.
    pub offers_before_heartbeat: bool,
    /// How long each pull of an image takes at least.
    pub pull_delay: Duration,
    /// `Location` with a scheme, as masters before 0.23 wrote it.
    pub absolute_locations: bool,
}
