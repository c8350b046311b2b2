//! Compression whose bytes do not depend on the machine: one compressor at one level, over blocks
//! of a fixed size. Threads only decide how soon a block is ready, never what is in it.
//!
//! A gzip layer is one member (RFC 1952) of deflate blocks that are flushed to a byte border, so
//! that every reader takes it. A zstd layer is a frame for each block (RFC 8878 §3).

use std::fmt;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Crc, FlushCompress, Status};
use serde::{Deserialize, Serialize};

/// How a layer is compressed. The level belongs to the choice: other bytes, other digests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// gzip, which everything reads.
    #[default]
    Gzip,
    /// zstd, which is smaller and faster, for engines and registries of this decade.
    Zstd,
    /// None: a plain tar.
    None,
}

/// A compression that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no compression of layers: expected gzip, zstd or none")]
pub struct CompressionError(String);

const GZIP_LEVEL: u32 = 4;
const ZSTD_LEVEL: i32 = 3;
const BLOCK: usize = 1 << 20;
/// So many samples of a block are tried, each this long.
const SAMPLES: usize = 4;
const SAMPLE: usize = 8 << 10;
/// Samples that stay above this share of their length, in percent, hardly compress.
const HARDLY: usize = 90;

/// Deflate, no flags, no time, no extra flags, Unix: nothing that differs from run to run.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

impl Compression {
    /// The media type of such a layer (opencontainers/image-spec, "Media Types").
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
            Self::None => "application/vnd.oci.image.layer.v1.tar",
        }
    }

    /// What the bytes depend on beside the content: part of a cache's key.
    pub fn recipe(self) -> String {
        match self {
            Self::Gzip => {
                format!("gzip level {GZIP_LEVEL}, zlib-rs, blocks of {BLOCK}, packed ones stored")
            }
            Self::Zstd => format!("zstd level {ZSTD_LEVEL}, frames of {BLOCK}"),
            Self::None => "plain".to_owned(),
        }
    }

    fn block(self, content: &[u8], is_last: bool) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => deflated(content, is_last),
            Self::Zstd => zstd::bulk::compress(content, ZSTD_LEVEL),
            Self::None => Ok(content.to_vec()),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        })
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        [Self::Gzip, Self::Zstd, Self::None]
            .into_iter()
            .find(|known| known.to_string() == text)
            .ok_or_else(|| CompressionError(text.to_owned()))
    }
}

/// Raw deflate. All blocks but the last end with an empty stored block, so that they can be put
/// behind one another.
fn deflated(content: &[u8], is_last: bool) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(level(content)?, false);
    let flush = if is_last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut out = Vec::with_capacity(content.len() + content.len() / 1000 + 128);
    loop {
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        let rest = content.get(taken..).unwrap_or_default();
        let status = compress.compress_vec(rest, &mut out, flush)?;
        let taken = usize::try_from(compress.total_in()).unwrap_or(usize::MAX);
        // Room left over means that everything, the flush included, is out.
        let done = if is_last {
            status == Status::StreamEnd
        } else {
            taken == content.len() && out.len() < out.capacity()
        };
        if done {
            return Ok(out);
        }
        out.reserve(4096);
    }
}

/// Most of Flink is jars, which are compressed already: compressing them again takes nearly all of
/// a build's time and saves a twentieth of their size. A block that is like that, by samples, is
/// stored as it is. Only the content decides.
fn level(content: &[u8]) -> io::Result<flate2::Compression> {
    let step = content.len() / SAMPLES;
    if step < SAMPLE {
        return Ok(flate2::Compression::new(GZIP_LEVEL));
    }
    let mut packed = 0;
    for piece in content.chunks(step).take(SAMPLES) {
        let mut probe = Compress::new(flate2::Compression::fast(), false);
        let mut out = Vec::with_capacity(2 * SAMPLE);
        let sample = piece.get(..SAMPLE).unwrap_or(piece);
        probe.compress_vec(sample, &mut out, FlushCompress::Finish)?;
        packed += out.len();
    }
    Ok(if packed * 100 > SAMPLES * SAMPLE * HARDLY {
        flate2::Compression::none()
    } else {
        flate2::Compression::new(GZIP_LEVEL)
    })
}

struct Job {
    content: Vec<u8>,
    is_last: bool,
    done: SyncSender<io::Result<Vec<u8>>>,
}

/// Compresses what `produce` writes with so many threads, and writes it to `sink` in order.
/// Gives back the sink and what `produce` gave.
pub(super) fn compress<S, T>(
    compression: Compression,
    threads: NonZeroUsize,
    sink: S,
    produce: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> io::Result<(S, T)>
where
    S: Write + Send,
{
    std::thread::scope(|scope| {
        let ahead = threads.get() * 2;
        let (jobs, queue) = sync_channel::<Job>(ahead);
        let (order, results) = sync_channel(ahead);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.get() {
            let queue = Arc::clone(&queue);
            scope.spawn(move || work(compression, &queue));
        }
        drop(queue);
        let writer = scope.spawn(move || collect(&results, sink));
        let mut blocks = Blocks {
            pending: Vec::with_capacity(BLOCK),
            crc: Crc::new(),
            jobs,
            order,
        };
        let produced = blocks.run(compression, produce);
        // Without senders the threads come to their end, also after a failure.
        drop(blocks);
        let written = writer
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that writes a layer ended")));
        // Why writing failed says more than that nobody listened any more.
        let sink = written?;
        produced.map(|produced| (sink, produced))
    })
}

fn work(compression: Compression, queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        let _ = job.done.send(compression.block(&job.content, job.is_last));
    }
}

fn collect<S: Write>(
    results: &Receiver<Receiver<io::Result<Vec<u8>>>>,
    mut sink: S,
) -> io::Result<S> {
    for result in results {
        let block = result.recv().map_err(|_| gone())??;
        sink.write_all(&block)?;
    }
    Ok(sink)
}

fn gone() -> io::Error {
    io::Error::other("a thread that compresses ended")
}

/// Cuts what is written into blocks and hands them out.
struct Blocks {
    pending: Vec<u8>,
    crc: Crc,
    jobs: SyncSender<Job>,
    order: SyncSender<Receiver<io::Result<Vec<u8>>>>,
}

impl Blocks {
    fn run<T>(
        &mut self,
        compression: Compression,
        produce: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> io::Result<T> {
        let gzip = compression == Compression::Gzip;
        if gzip {
            self.finished(GZIP_HEADER.to_vec())?;
        }
        let produced = produce(self)?;
        self.hand_out(true)?;
        if gzip {
            let trailer = [
                self.crc.sum().to_le_bytes(),
                self.crc.amount().to_le_bytes(),
            ];
            self.finished(trailer.concat())?;
        }
        Ok(produced)
    }

    fn hand_out(&mut self, is_last: bool) -> io::Result<()> {
        let content = std::mem::replace(&mut self.pending, Vec::with_capacity(BLOCK));
        self.crc.update(&content);
        let (done, result) = sync_channel(1);
        let job = Job {
            content,
            is_last,
            done,
        };
        self.jobs.send(job).map_err(|_| gone())?;
        self.order.send(result).map_err(|_| gone())
    }

    /// Puts bytes in line that need no work.
    fn finished(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let (done, result) = sync_channel(1);
        let _ = done.send(Ok(bytes));
        self.order.send(result).map_err(|_| gone())
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK.saturating_sub(self.pending.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.pending.extend_from_slice(taken);
        if self.pending.len() >= BLOCK {
            self.hand_out(false)?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn packed(compression: Compression, threads: usize, content: &[u8], step: usize) -> Vec<u8> {
        let threads = NonZeroUsize::new(threads).unwrap();
        let produce = |to: &mut dyn Write| {
            content
                .chunks(step.max(1))
                .try_for_each(|piece| to.write_all(piece))
        };
        compress(compression, threads, Vec::new(), produce)
            .unwrap()
            .0
    }

    fn unpacked(compression: Compression, packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match compression {
            // One member: a reader that stops after the first one reads all.
            Compression::Gzip => flate2::read::GzDecoder::new(packed)
                .read_to_end(&mut out)
                .map(drop),
            Compression::Zstd => zstd::stream::copy_decode(packed, &mut out),
            Compression::None => out.write_all(packed),
        }
        .unwrap();
        out
    }

    /// Text, noise and zeros, of any length around the borders of blocks.
    fn content(length: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length)
            .map(|at| match (at >> 16) % 3 {
                0 => b"the quick brown fox "[at % 20],
                1 => noise(),
                _ => 0,
            })
            .collect()
    }

    #[test]
    fn the_bytes_are_the_same_whatever_the_number_of_threads_and_the_size_of_writes() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17] {
            let content = content(length);
            for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
                let one = packed(compression, 1, &content, 65_537);
                assert_eq!(
                    unpacked(compression, &one),
                    content,
                    "{compression} {length}"
                );
                assert!(
                    one == packed(compression, 7, &content, usize::MAX),
                    "{compression} {length}"
                );
            }
        }
    }

    #[test]
    fn the_compressors_are_the_ones_that_digests_were_made_with() {
        let content = content(2 * BLOCK + 12_345);
        let digest = |compression| {
            flugs_base::Sha256Digest::of(&packed(compression, 2, &content, BLOCK)).to_string()
        };
        // A change here changes the digest of every image: say so in CHANGELOG.md.
        insta::assert_snapshot!(digest(Compression::Gzip), @"4896e99714f843e54131f6af2b5f41a95b6237a50d7b551743866e911000ad0a");
        insta::assert_snapshot!(digest(Compression::Zstd), @"6080e420c1c1c39f0da05a985163d0a4c78feffe01443979233742f5eef45d2c");
    }

    #[test]
    fn what_is_packed_already_is_stored_and_the_rest_compressed() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        })
        .take(BLOCK)
        .collect();
        assert_eq!(level(&noise).unwrap(), flate2::Compression::none());
        assert_ne!(level(&content(BLOCK)).unwrap(), flate2::Compression::none());
        assert_ne!(level(b"short").unwrap(), flate2::Compression::none());
        assert_eq!(
            unpacked(
                Compression::Gzip,
                &packed(Compression::Gzip, 2, &noise, BLOCK)
            ),
            noise
        );
    }

    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failure_of_either_side_ends_the_work() {
        let threads = NonZeroUsize::new(2).unwrap();
        let failed = compress(Compression::Gzip, threads, Vec::new(), |to| {
            to.write_all(&content(5 * BLOCK))?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more");
        let failed = compress(Compression::Gzip, threads, Full, |to| {
            to.write_all(&content(40 * BLOCK))
        });
        assert_eq!(
            failed.map(drop).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn whatever_goes_in_comes_out(content in proptest::collection::vec(any::<u8>(), 0..5000), step in 1_usize..700) {
            for compression in [Compression::Gzip, Compression::Zstd] {
                prop_assert_eq!(&unpacked(compression, &packed(compression, 3, &content, step)), &content);
            }
        }
    }
}
