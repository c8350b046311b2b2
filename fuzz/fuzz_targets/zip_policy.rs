//! A zip archive of arbitrary bytes: refused or listed, in bounded time and memory.
#![no_main]

use flugs::artifact::unpack::{Limits, probe_zip};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        entries: 1000,
        total_bytes: 16 << 20,
        file_bytes: 16 << 20,
        ratio_floor: 1 << 20,
        ..Limits::default()
    };
    if let Ok(entries) = probe_zip(bytes, &limits) {
        assert!(entries <= limits.entries);
    }
});
