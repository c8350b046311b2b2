//! Sizes of memory: no text panics, and what is read reads back from its bytes.

use flugs_flink::memory::MemorySize;

pub(crate) fn run(bytes: &[u8]) {
    let text = crate::text(bytes);
    if let Ok(size) = MemorySize::parse(text) {
        assert!(size <= MemorySize::MAX);
        assert_eq!(MemorySize::parse(&format!("{}b", size.bytes())), Ok(size));
        assert!(size.to_flink_text().contains(&size.bytes().to_string()));
    }
}
