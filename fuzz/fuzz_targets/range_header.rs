//! A `Range` header of arbitrary bytes: what is served always lies within the file.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u64, &[u8])| {
    let (size, header) = input;
    if let Some((start, length)) = flugs::artifact::server::probe_range(header, size) {
        assert!(length > 0);
        assert!(start.checked_add(length).is_some_and(|end| end <= size));
    }
});
