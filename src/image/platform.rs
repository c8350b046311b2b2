//! What machine an image is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A processor architecture, in the names of Go's GOARCH that image manifests use
/// (opencontainers/image-spec, "Image Index").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 64-bit ARM.
    Arm64,
}

/// Text that names no architecture that images are built for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no platform that images are built for: expected linux/amd64 or linux/arm64")]
pub struct PlatformError(String);

impl Architecture {
    /// The architecture that this program runs on.
    pub const fn own() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Arm64
        } else {
            Self::Amd64
        }
    }

    /// The name in manifests, which is Debian's name too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The machine of an ELF program, from its header (`e_machine`, System V gABI): `None` for
    /// what is no 64-bit little-endian ELF, or is for another machine.
    pub fn of_elf(header: &[u8]) -> Option<Self> {
        let starts_right = header.starts_with(b"\x7fELF\x02\x01");
        match header.get(18..20) {
            Some([62, 0]) if starts_right => Some(Self::Amd64),
            Some([183, 0]) if starts_right => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Architecture {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        match text.strip_prefix("linux/").unwrap_or(text) {
            "amd64" => Ok(Self::Amd64),
            "arm64" | "arm64/v8" => Ok(Self::Arm64),
            _ => Err(PlatformError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_header_says_which_machine_it_is_for() {
        let header = |machine: [u8; 2]| {
            let mut header = b"\x7fELF\x02\x01".to_vec();
            header.resize(18, 0);
            header.extend(machine);
            header
        };
        assert_eq!(
            Architecture::of_elf(&header([62, 0])),
            Some(Architecture::Amd64)
        );
        assert_eq!(
            Architecture::of_elf(&header([183, 0])),
            Some(Architecture::Arm64)
        );
        assert_eq!(Architecture::of_elf(&header([3, 0])), None);
        assert_eq!(Architecture::of_elf(b"#!/bin/sh\n"), None);
    }
}
