//! One connection's bytes, plain or over TLS.
//!
//! A plain connection sends files with `sendfile(2)`: the bytes go from the page cache to the
//! socket without passing through this program.

use std::cell::RefCell;
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::sendfile::sendfile64;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::range::Span;

/// One `sendfile` at most: larger gains nothing, and other connections wait meanwhile.
const SENDFILE_STEP: u64 = 1 << 20;

/// One read and encryption at a time, and what a connection keeps encrypted while its client takes
/// nothing: a thousand of them are 32 MiB.
const TLS_STEP: usize = 32 << 10;

thread_local! {
    /// What is being read and encrypted; between two steps nothing in it is needed, so that it is
    /// the thread's and not a connection's.
    static PLAIN_TEXT: RefCell<Vec<u8>> = RefCell::new(vec![0; TLS_STEP]);
}

/// A connection that has been accepted, and over TLS shaken hands.
#[derive(Debug)]
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    pub(super) fn over_tls(mut stream: TlsStream<TcpStream>) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(TLS_STEP));
        Self::Tls(Box::new(stream))
    }

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
    pub(super) async fn send_some(&mut self, file: &File, span: Span) -> io::Result<u64> {
        match self {
            Self::Plain(stream) => sendfile(stream, file, span).await,
            Self::Tls(stream) => {
                // The step before must be with the kernel: then this one is taken at once, and
                // nothing is read from the file that there is no room for.
                stream.flush().await?;
                poll_fn(|context| encrypt(stream, file, span, context)).await
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

/// Reads the front of `span` and has it encrypted; gives how much of it.
fn encrypt(
    stream: &mut TlsStream<TcpStream>,
    file: &File,
    span: Span,
    context: &mut Context<'_>,
) -> Poll<io::Result<u64>> {
    PLAIN_TEXT.with_borrow_mut(|buffer| {
        let wanted = usize::try_from(span.length).unwrap_or(usize::MAX);
        let length = wanted.min(buffer.len());
        let read = file.read_at(buffer.get_mut(..length).unwrap_or_default(), span.start)?;
        match buffer.get(..read) {
            Some(piece) if !piece.is_empty() => {
                let taken = Pin::new(stream).poll_write(context, piece);
                taken.map_ok(|taken| taken as u64)
            }
            _ => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
        }
    })
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
