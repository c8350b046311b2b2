//! A tar archive of arbitrary bytes: refused or listed, in bounded time and memory.

use flugs_artifact::unpack::{Limits, probe_tar};

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits {
        entries: 1000,
        total_bytes: 16 << 20,
        file_bytes: 16 << 20,
        ratio_floor: 1 << 20,
        ..Limits::default()
    };
    if let Ok(entries) = probe_tar(bytes, &limits) {
        assert!(entries <= limits.entries);
    }
}
