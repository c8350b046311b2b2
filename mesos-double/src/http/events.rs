//! An event stream on its socket: records into chunks, as cleanly or as badly as is asked for.

use crate::double::Shared;
use crate::faults::Chunking;
use crate::identity::random_below;
use crate::stream::Records;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// How long records are collected that go out in one chunk.
const COLLECTING: Duration = Duration::from_millis(20);
const LONGEST_PIECE: u64 = 40;

/// Writes records until there are no more. Whether the client was there to the end.
///
/// What the client sends meanwhile is kept in `buffer` and not answered: responses are in order.
pub(crate) async fn write_events(
    socket: &mut TcpStream,
    buffer: &mut BytesMut,
    records: &mut Records,
    shared: &Arc<Shared>,
) -> io::Result<bool> {
    loop {
        tokio::select! {
            record = records.recv() => if let Some(record) = record {
                write_record(socket, record, records, shared).await?;
            } else {
                socket.write_all(b"0\r\n\r\n").await?;
                return Ok(true);
            },
            read = socket.read_buf(buffer) => if read? == 0 {
                return Ok(false);
            },
        }
    }
}

async fn write_record(
    socket: &mut TcpStream,
    mut record: Vec<u8>,
    records: &mut Records,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let faults = shared.with(|cluster| cluster.faults.clone());
    let extension = if faults.chunk_extensions {
        ";note=\"a; b\""
    } else {
        ""
    };
    match faults.chunking {
        Chunking::Record => write_chunk(socket, &record, extension).await,
        Chunking::Merged => {
            sleep(COLLECTING).await;
            while let Ok(more) = records.try_recv() {
                record.extend(more);
            }
            write_chunk(socket, &record, extension).await
        }
        Chunking::Bytes => write_pieces(socket, &record, extension, || 1).await,
        Chunking::Random => {
            let length = || usize::try_from(random_below(LONGEST_PIECE) + 1).unwrap_or(1);
            write_pieces(socket, &record, extension, length).await
        }
    }
}

/// Each piece in a chunk, and each chunk handed to the network alone.
async fn write_pieces(
    socket: &mut TcpStream,
    mut rest: &[u8],
    extension: &str,
    length: impl Fn() -> usize,
) -> io::Result<()> {
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(length().min(rest.len()));
        write_chunk(socket, piece, extension).await?;
        rest = after;
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn write_chunk(socket: &mut TcpStream, piece: &[u8], extension: &str) -> io::Result<()> {
    let mut chunk = format!("{:x}{extension}\r\n", piece.len()).into_bytes();
    chunk.extend_from_slice(piece);
    chunk.extend_from_slice(b"\r\n");
    socket.write_all(&chunk).await
}
