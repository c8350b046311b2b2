//! RecordIO: how the master frames the events of a stream.
//!
//! A record is its length in ASCII decimal digits, a line feed, and that many bytes. Owns the
//! decoder, which takes the bytes in whatever pieces they arrive. Never reads a socket, and never
//! looks into a record.

/// The largest record that is taken by default. Offers of a thousand agents have about 1.5 MB.
pub const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;

/// The digits of the largest length that could be within any limit.
const MOST_DIGITS: usize = 19;

/// Why the stream cannot be read on. The connection has to be given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A length has something else than digits, or none.
    #[error(
        "a record's length has the byte {found:#04x}; expected decimal digits and a line feed: is this a Mesos master?"
    )]
    Length {
        /// The byte that does not belong there.
        found: u8,
    },
    /// A length is beyond the limit.
    #[error("a record of {found} bytes; at most {limit} are taken")]
    TooLarge {
        /// The length; `u64::MAX` stands for anything that has too many digits.
        found: u64,
        /// The limit.
        limit: usize,
    },
    /// The stream had failed before.
    #[error("the stream could not be read before this")]
    Failed,
}

/// Where the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Within a length: its value and its digits so far.
    Length { value: u64, digits: usize },
    /// Within a record: what is missing of it.
    Body { missing: usize },
    /// After an error.
    Failed,
}

/// The decoder: bytes in, whole records out.
#[derive(Debug)]
pub struct RecordDecoder {
    limit: usize,
    state: State,
    record: Vec<u8>,
}

const START: State = State::Length {
    value: 0,
    digits: 0,
};

impl RecordDecoder {
    /// A decoder at the start of a stream, which refuses records of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: START,
            record: Vec::new(),
        }
    }

    /// Takes the next bytes of the stream and appends the records that they complete. After an
    /// error nothing is taken any more; records that came before it are in `records`.
    pub fn decode(
        &mut self,
        mut bytes: &[u8],
        records: &mut Vec<Vec<u8>>,
    ) -> Result<(), RecordError> {
        loop {
            match self.state {
                State::Failed => return Err(RecordError::Failed),
                State::Length { value, digits } => {
                    let Some((first, rest)) = bytes.split_first() else {
                        return Ok(());
                    };
                    bytes = rest;
                    let next = self.length(value, digits, *first);
                    self.state = next.inspect_err(|_| self.state = State::Failed)?;
                }
                State::Body { missing } => {
                    let (taken, rest) = bytes.split_at(missing.min(bytes.len()));
                    bytes = rest;
                    self.record.extend_from_slice(taken);
                    if taken.len() < missing {
                        let missing = missing - taken.len();
                        self.state = State::Body { missing };
                        return Ok(());
                    }
                    records.push(std::mem::take(&mut self.record));
                    self.state = START;
                }
            }
        }
    }

    /// Whether the stream may end here: between two records.
    pub fn is_between_records(&self) -> bool {
        self.state == START
    }

    fn length(&mut self, value: u64, digits: usize, byte: u8) -> Result<State, RecordError> {
        let limit = self.limit;
        match byte {
            b'0'..=b'9' if digits < MOST_DIGITS => {
                let value = value * 10 + u64::from(byte - b'0');
                let digits = digits + 1;
                Ok(State::Length { value, digits })
            }
            b'0'..=b'9' => Err(RecordError::TooLarge {
                found: u64::MAX,
                limit,
            }),
            b'\n' if digits > 0 => match usize::try_from(value) {
                Ok(missing) if missing <= limit => {
                    // The length is only a claim: memory follows the bytes.
                    self.record.reserve(missing.min(64 * 1024));
                    Ok(State::Body { missing })
                }
                _ => Err(RecordError::TooLarge {
                    found: value,
                    limit,
                }),
            },
            found => Err(RecordError::Length { found }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(records: &[Vec<u8>]) -> Vec<u8> {
        let frame = |record: &Vec<u8>| [format!("{}\n", record.len()).as_bytes(), record].concat();
        records.iter().flat_map(frame).collect()
    }

    fn refused(stream: &[u8]) -> RecordError {
        let mut records = Vec::new();
        let mut decoder = RecordDecoder::new(100);
        let error = decoder.decode(stream, &mut records).unwrap_err();
        assert_eq!(
            decoder.decode(b"1\nx", &mut records),
            Err(RecordError::Failed)
        );
        assert!(records.is_empty());
        error
    }

    #[test]
    fn lengths_that_are_no_decimal_numbers_are_refused() {
        for (stream, found) in [
            (&b"\n"[..], b'\n'),
            (b"x", b'x'),
            (b"-1\n", b'-'),
            (b"5\r\nhello", b'\r'),
            (b" 5\n", b' '),
            (b"0x5\n", b'x'),
            (b"HTTP/1.1 200 OK", b'H'),
        ] {
            assert_eq!(refused(stream), RecordError::Length { found });
        }
    }

    #[test]
    fn records_beyond_the_limit_are_refused_before_they_are_read() {
        assert_eq!(
            refused(b"101\n"),
            RecordError::TooLarge {
                found: 101,
                limit: 100
            }
        );
        let endless = [b'1'; 20];
        let found = u64::MAX;
        assert_eq!(
            refused(&endless),
            RecordError::TooLarge { found, limit: 100 }
        );
    }

    #[test]
    fn an_empty_record_is_a_record() {
        let mut records = Vec::new();
        let mut decoder = RecordDecoder::new(100);
        decoder.decode(b"0\n2\nab0", &mut records).unwrap();
        assert_eq!(records, [b"".to_vec(), b"ab".to_vec()]);
        assert!(!decoder.is_between_records());
    }

    proptest! {
        #[test]
        fn records_do_not_depend_on_how_the_stream_is_cut(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12),
            cuts in prop::collection::vec(0usize..9, 0..400),
        ) {
            let stream = encode(&records);
            let mut decoder = RecordDecoder::new(64);
            let (mut rest, mut found) = (&stream[..], Vec::new());
            for cut in cuts {
                let (piece, later) = rest.split_at(cut.min(rest.len()));
                decoder.decode(piece, &mut found).unwrap();
                rest = later;
            }
            decoder.decode(rest, &mut found).unwrap();
            prop_assert!(decoder.is_between_records());
            prop_assert_eq!(found, records);
        }

        #[test]
        fn any_bytes_give_the_same_records_and_the_same_error_however_they_are_cut(
            stream in prop::collection::vec(prop::sample::select(b"0123\n\n{}x".to_vec()), 0..60),
        ) {
            let mut whole = Vec::new();
            let at_once = RecordDecoder::new(30).decode(&stream, &mut whole);
            let (mut decoder, mut single) = (RecordDecoder::new(30), Vec::new());
            let one_by_one = stream
                .iter()
                .try_for_each(|byte| decoder.decode(&[*byte], &mut single));
            prop_assert_eq!(at_once, one_by_one);
            prop_assert_eq!(whole, single);
        }
    }
}
