//! Hashing a file while it is still being written, a few steps behind, on another thread.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use flugs_base::Sha256Digest;

/// A step is worth a thread's attention from this size on.
const STEP: u64 = 4 << 20;

/// So little is hashed where it is asked for.
const INLINE: u64 = 1 << 20;

/// The hash of a file's beginning, growing with the file.
#[derive(Debug)]
pub(super) struct HashFollower {
    file: Option<File>,
    state: State,
}

#[derive(Debug)]
enum State {
    Resting(Progress),
    Working(JoinHandle<io::Result<Progress>>),
    Broken,
}

#[derive(Debug, Default)]
struct Progress {
    hasher: Sha256,
    hashed: u64,
    buffer: Vec<u8>,
}

impl HashFollower {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: Some(file),
            state: State::Resting(Progress::default()),
        }
    }

    /// Notes that the first `available` bytes are written.
    pub(super) fn advance(&mut self, available: u64) {
        if let State::Working(step) = &self.state
            && !step.is_finished()
        {
            return;
        }
        if let State::Resting(progress) = &self.state
            && available < progress.hashed + STEP
        {
            return;
        }
        let state = std::mem::replace(&mut self.state, State::Broken);
        let file = self.file.as_ref().and_then(|file| file.try_clone().ok());
        if let Some(file) = file {
            self.state = State::Working(tokio::task::spawn(step(state, file, available)));
        } else {
            self.state = state;
        }
    }

    /// The digest of the file, which now has `size` bytes.
    pub(super) async fn finish(mut self, size: u64) -> io::Result<Sha256Digest> {
        let state = std::mem::replace(&mut self.state, State::Broken);
        let file = self.file.take().ok_or(io::ErrorKind::Other)?;
        let progress = match state {
            // Less than a millisecond's work: waking another thread for it takes longer.
            State::Resting(progress) if size - progress.hashed.min(size) <= INLINE => {
                progress.up_to(&file, size)?
            }
            state => step(state, file, size).await?,
        };
        Ok(Sha256Digest::from_bytes(progress.hasher.finalize().into()))
    }
}

/// Waits for the step before, then hashes up to `available`.
fn step(
    state: State,
    file: File,
    available: u64,
) -> std::pin::Pin<Box<dyn Future<Output = io::Result<Progress>> + Send>> {
    Box::pin(async move {
        let progress = match state {
            State::Resting(progress) => progress,
            State::Working(step) => step.await.map_err(io::Error::other)??,
            State::Broken => return Err(io::Error::other("hashing has failed before")),
        };
        tokio::task::spawn_blocking(move || progress.up_to(&file, available))
            .await
            .map_err(io::Error::other)?
    })
}

impl Progress {
    fn up_to(mut self, file: &File, end: u64) -> io::Result<Self> {
        self.buffer.resize(256 << 10, 0);
        while self.hashed < end {
            let wanted = usize::try_from(end - self.hashed).unwrap_or(usize::MAX);
            let length = wanted.min(self.buffer.len());
            let space = self.buffer.get_mut(..length).unwrap_or_default();
            let read = file.read_at(space, self.hashed)?;
            let Some(piece) = space.get(..read).filter(|piece| !piece.is_empty()) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            self.hasher.update(piece);
            self.hashed += read as u64;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn following_a_growing_file_gives_the_digest_of_the_whole() {
        let content: Vec<u8> = (0..13_000_000_u32)
            .map(|n| n.wrapping_mul(n).to_be_bytes()[1])
            .collect();
        let file = tempfile::tempfile().unwrap();
        let mut follower = HashFollower::new(file.try_clone().unwrap());
        let mut written = 0;
        for piece in content.chunks(700_001) {
            file.write_all_at(piece, written).unwrap();
            written += piece.len() as u64;
            follower.advance(written);
            tokio::task::yield_now().await;
        }
        assert_eq!(
            follower.finish(written).await.unwrap(),
            Sha256Digest::of(&content)
        );
    }

    #[tokio::test]
    async fn a_file_that_is_too_short_is_an_error() {
        let follower = HashFollower::new(tempfile::tempfile().unwrap());
        assert!(follower.finish(1).await.is_err());
    }
}
