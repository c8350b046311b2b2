//! Random UUIDs: stream ids, container ids, masters, status updates.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

/// A version 4 UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Uuid([u8; 16]);

impl Uuid {
    /// A new one. Without a source of randomness, which Linux always has, all are alike.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 16];
        let _ = getrandom::fill(&mut bytes);
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// As a status update carries it: its 16 bytes in Base64.
    pub(crate) fn base64(self) -> String {
        STANDARD.encode(self.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A number below `bound` (0 if that is 0), for the faults that come at random.
pub(crate) fn random_below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
}
