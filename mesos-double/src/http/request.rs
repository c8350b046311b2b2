//! Requests, read from a socket's bytes.

use bytes::{Buf, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 64 * 1024;

/// One request, its body read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    pub(crate) query: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header's value, found without regard to the case of its name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The next request on a connection; `None` if the client has closed it.
    pub(crate) async fn read(
        socket: &mut (impl AsyncRead + Unpin),
        buffer: &mut BytesMut,
    ) -> io::Result<Option<Self>> {
        let (mut request, length) = loop {
            if let Some((request, length)) = parse_head(buffer)? {
                break (request, length);
            }
            if buffer.len() > MAX_HEAD {
                return Err(invalid("the request's head is too long"));
            }
            if socket.read_buf(buffer).await? == 0 {
                return Ok(None);
            }
        };
        request.body = match length {
            Length::Known(length) => {
                while buffer.len() < length {
                    if socket.read_buf(buffer).await? == 0 {
                        return Err(invalid("the request's body ends too early"));
                    }
                }
                buffer.split_to(length).to_vec()
            }
            Length::Chunked => read_chunks(socket, buffer).await?,
        };
        Ok(Some(request))
    }
}

enum Length {
    Known(usize),
    Chunked,
}

fn parse_head(buffer: &mut BytesMut) -> io::Result<Option<(Request, Length)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let size = match head.parse(buffer) {
        Ok(httparse::Status::Complete(size)) => size,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(invalid(&error.to_string())),
    };
    let target = head.path.unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: head.method.unwrap_or("GET").to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: head
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_owned(), value)
            })
            .collect(),
        body: Vec::new(),
    };
    let chunked = request
        .header("Transfer-Encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let length = if chunked {
        Length::Chunked
    } else {
        let length = request.header("Content-Length").unwrap_or("0");
        Length::Known(
            length
                .parse()
                .map_err(|_| invalid("Content-Length is no number"))?,
        )
    };
    buffer.advance(size);
    Ok(Some((request, length)))
}

async fn read_chunks(
    socket: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete((start, size))) => {
                let size =
                    usize::try_from(size).map_err(|_| invalid("a chunk is larger than memory"))?;
                if buffer.len() >= start + size + 2 {
                    buffer.advance(start);
                    body.extend_from_slice(&buffer.split_to(size));
                    buffer.advance(2);
                    if size == 0 {
                        return Ok(body);
                    }
                    continue;
                }
            }
            Ok(httparse::Status::Partial) => {}
            Err(_) => return Err(invalid("a chunk's size is no number")),
        }
        if socket.read_buf(buffer).await? == 0 {
            return Err(invalid("the request's body ends too early"));
        }
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.to_owned())
}
