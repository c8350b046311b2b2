//! Sizes of memory: no text panics, and what is read reads back from its bytes.
#![no_main]

use flugs::flink::memory::MemorySize;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(size) = MemorySize::parse(text) {
        assert!(size <= MemorySize::MAX);
        assert_eq!(MemorySize::parse(&format!("{}b", size.bytes())), Ok(size));
        assert!(size.to_flink_text().contains(&size.bytes().to_string()));
    }
});
