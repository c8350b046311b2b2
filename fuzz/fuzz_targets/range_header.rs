//! A `Range` header of arbitrary bytes: what is served always lies within the file.

pub(crate) fn run(input: &[u8]) {
    let Some((size, header)) = input.split_first_chunk() else {
        return;
    };
    let size = u64::from_le_bytes(*size);
    if let Some((start, length)) = flugs_artifact::server::probe_range(header, size) {
        assert!(length > 0);
        assert!(start.checked_add(length).is_some_and(|end| end <= size));
    }
}
