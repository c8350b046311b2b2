//! One connection's bytes, plain or over TLS.
//!
//! A plain connection sends files with `sendfile(2)`: the bytes go from the page cache to the
//! socket without passing through this program.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::range::Span;

/// One `sendfile` at most: larger gains nothing, and other connections wait meanwhile.
const SENDFILE_STEP: u64 = 1 << 20;

/// One read and encryption at a time.
const TLS_STEP: u64 = 64 << 10;

/// A connection that has been accepted, and over TLS shaken hands.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Appends what has arrived to `buffer`; 0 is the end.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    /// Sends the front of `span`, at least one byte of it; gives how many. A file that has
    /// become shorter is an error: the head has promised its length.
    pub(super) async fn send_some(
        &mut self,
        file: &File,
        span: Span,
        buffer: &mut Vec<u8>,
    ) -> io::Result<u64> {
        match self {
            Self::Plain(stream) => sendfile(stream, file, span).await,
            Self::Tls(stream) => {
                let wanted = span.length.min(TLS_STEP);
                buffer.resize(usize::try_from(wanted).unwrap_or(0), 0);
                let read = file.read_at(buffer, span.start)?;
                let piece = buffer.get(..read).filter(|piece| !piece.is_empty());
                let piece = piece.ok_or(io::ErrorKind::UnexpectedEof)?;
                stream.write_all(piece).await?;
                Ok(piece.len() as u64)
            }
        }
    }

    /// Makes sure that everything written is with the kernel.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush().await,
        }
    }

    /// Says that nothing more comes, and reads what is still on its way, so that the last reply
    /// is not lost to a reset (RFC 9112 §9.6).
    pub(super) async fn close(mut self) {
        let ended = match &mut self {
            Self::Plain(stream) => stream.shutdown().await,
            Self::Tls(stream) => stream.shutdown().await,
        };
        let mut ignored = Vec::new();
        let mut budget = 16_u32;
        while ended.is_ok() && budget > 0 && matches!(self.read(&mut ignored).await, Ok(1..)) {
            ignored.clear();
            budget -= 1;
        }
    }
}

async fn sendfile(stream: &TcpStream, file: &File, span: Span) -> io::Result<u64> {
    let mut offset = i64::try_from(span.start).map_err(io::Error::other)?;
    let count = usize::try_from(span.length.min(SENDFILE_STEP)).map_err(io::Error::other)?;
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            match sendfile64(stream, file, Some(&mut offset), count) {
                Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(sent) => Ok(sent),
                Err(Errno::EAGAIN) => Err(io::ErrorKind::WouldBlock.into()),
                Err(Errno::EINTR) => Err(io::ErrorKind::Interrupted.into()),
                Err(errno) => Err(errno.into()),
            }
        })
        .await;
    match sent {
        Ok(sent) => Ok(sent as u64),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(error),
    }
}
