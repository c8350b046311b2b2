//! One client's connection: requests and answers in turn, an event stream among them.

use super::events::write_events;
use super::request::Request;
use super::response::stream_head;
use crate::double::Shared;
use crate::endpoint::{Answer, answer};
use bytes::BytesMut;
use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Serves a connection until it ends, is cut, or is to go silent.
pub(crate) async fn serve(mut socket: TcpStream, node: usize, shared: Arc<Shared>) {
    let fate = shared.fate();
    let _ = socket.set_nodelay(true);
    if shared.with(|cluster| cluster.faults.mute_connections) {
        // Taken, and never answered.
        tokio::select! {
            () = fate.cut() => {}
            () = pending() => {}
        }
        return;
    }
    let mut conversation = pin!(converse(&mut socket, node, &shared));
    let frozen = tokio::select! {
        _ = &mut conversation => false,
        () = fate.cut() => false,
        () = fate.frozen() => true,
    };
    if frozen {
        // Half open: the socket and the conversation stay, and nothing comes through any more.
        fate.cut().await;
    }
}

async fn converse(socket: &mut TcpStream, node: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(request) = Request::read(socket, &mut buffer).await? {
        match answer(&request, node, shared) {
            Answer::Now(response) => socket.write_all(&response.bytes()).await?,
            Answer::Events {
                framework,
                stream_id,
                mut records,
            } => {
                let head = stream_head(&stream_id);
                socket.write_all(head.as_bytes()).await?;
                let watch = StreamWatch {
                    shared,
                    framework,
                    stream_id,
                };
                let whole = write_events(socket, &mut buffer, &mut records, shared).await;
                drop(watch);
                if !whole? {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Tells the master when a stream is over, however that comes.
struct StreamWatch<'a> {
    shared: &'a Arc<Shared>,
    framework: Option<String>,
    stream_id: String,
}

impl Drop for StreamWatch<'_> {
    fn drop(&mut self) {
        if let Some(framework) = &self.framework {
            self.shared
                .with(|cluster| cluster.stream_closed(framework, &self.stream_id));
        }
    }
}
