//! RecordIO streams: the same records and the same error, however the bytes are cut.

use flugs_mesos::record_io::RecordDecoder;
use flugs_mesos::wire::Event;

pub(crate) fn run(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else {
        return;
    };
    let mut whole = Vec::new();
    let at_once = RecordDecoder::new(1024).decode(stream, &mut whole);
    let (mut decoder, mut pieces) = (RecordDecoder::new(1024), Vec::new());
    let piecewise = stream
        .chunks(usize::from(*cut).max(1))
        .try_for_each(|piece| decoder.decode(piece, &mut pieces));
    assert_eq!(at_once, piecewise);
    assert_eq!(whole, pieces);
    for record in whole {
        assert!(record.len() <= 1024);
        if let Ok(event) = serde_json::from_slice::<Event>(&record) {
            serde_json::to_vec(&event).expect("an event that was read can be written");
        }
    }
}
