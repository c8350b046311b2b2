//! A client of the test's own: HTTP and RecordIO by hand, so that nothing of the double is trusted.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long anything may take to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reply {
    pub(crate) head: Head,
    pub(crate) body: String,
}

/// What comes on a stream.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Item {
    Event(Value),
    End,
}

/// An event stream, read in the background.
pub(crate) struct Stream {
    pub(crate) head: Head,
    items: Receiver<Item>,
    socket: TcpStream,
}

impl Stream {
    /// The next item that is no heartbeat.
    pub(crate) fn next(&self) -> Item {
        loop {
            let item = self.next_of_all();
            if !matches!(&item, Item::Event(event) if event["type"] == "HEARTBEAT") {
                return item;
            }
        }
    }

    pub(crate) fn next_of_all(&self) -> Item {
        self.items
            .recv_timeout(PATIENCE)
            .expect("nothing came on the stream")
    }

    pub(crate) fn event(&self) -> Value {
        match self.next() {
            Item::Event(event) => event,
            Item::End => panic!("the stream ended"),
        }
    }

    /// The next event of a kind; what comes before it is passed over.
    pub(crate) fn event_of(&self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// What came by now, heartbeats aside.
    pub(crate) fn at_hand(&self, wait: Duration) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            match self.items.recv_timeout(wait) {
                Ok(Item::Event(event)) if event["type"] == "HEARTBEAT" => {}
                Ok(Item::Event(event)) => all.push(event),
                Ok(Item::End) | Err(_) => return all,
            }
        }
    }

    /// Whether the server ended it, soon if not yet; nothing but heartbeats may come before.
    pub(crate) fn has_ended(&self) -> bool {
        loop {
            match self.items.recv_timeout(Duration::from_millis(100)) {
                Ok(Item::Event(event)) => assert_eq!(event["type"], "HEARTBEAT", "{event}"),
                Ok(Item::End) | Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    pub(crate) fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends a request and reads its answer.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> Reply {
    let mut socket = send(address, method, path, headers, body);
    let head = read_head(&mut socket);
    let length = head
        .header("Content-Length")
        .expect("Content-Length")
        .parse()
        .expect("a number");
    let mut body = vec![0; length];
    socket.read_exact(&mut body).expect("body");
    Reply {
        head,
        body: String::from_utf8(body).expect("UTF-8"),
    }
}

/// Sends a SUBSCRIBE and leaves its stream to a thread; the answer if it is no stream.
pub(crate) fn subscribe(
    address: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> Result<Stream, Reply> {
    let mut reader = send(address, "POST", path, headers, Some(body));
    let head = read_head(&mut reader);
    if head.header("Transfer-Encoding") != Some("chunked") {
        let length = head
            .header("Content-Length")
            .map_or(0, |length| length.parse().expect("a number"));
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("body");
        return Err(Reply {
            head,
            body: String::from_utf8(body).expect("UTF-8"),
        });
    }
    let socket = reader.get_ref().try_clone().expect("clone");
    let (sender, items) = channel();
    thread::spawn(move || {
        let mut records = Vec::new();
        while let Some(chunk) = read_chunk(&mut reader) {
            records.extend(chunk);
            while let Some(event) = take_record(&mut records) {
                if sender.send(Item::Event(event)).is_err() {
                    return;
                }
            }
        }
        let _ = sender.send(Item::End);
    });
    Ok(Stream {
        head,
        items,
        socket,
    })
}

fn send(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(address).expect("connect");
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if let Some(body) = body {
        let _ = write!(head, "Content-Length: {}\r\n", body.len());
    }
    head.push_str("\r\n");
    head.push_str(body.unwrap_or_default());
    socket.write_all(head.as_bytes()).expect("write");
    BufReader::new(socket)
}

fn read_head(reader: &mut BufReader<TcpStream>) -> Head {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line of the head");
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let mut first = lines.first().expect("a status line").splitn(3, ' ');
    assert_eq!(first.next(), Some("HTTP/1.1"));
    Head {
        status: first.next().unwrap().parse().unwrap(),
        reason: first.next().unwrap_or_default().to_owned(),
        headers: lines
            .iter()
            .skip(1)
            .map(|line| {
                let (name, value) = line.split_once(": ").expect("a header");
                (name.to_owned(), value.to_owned())
            })
            .collect(),
    }
}

/// The next chunk; `None` at the end, however it comes.
fn read_chunk(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let size = line.trim_end().split(';').next()?;
    let size = usize::from_str_radix(size, 16).ok()?;
    let mut chunk = vec![0; size + 2];
    reader.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    (size > 0).then_some(chunk)
}

fn take_record(bytes: &mut Vec<u8>) -> Option<Value> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let length: usize = std::str::from_utf8(&bytes[..end])
        .expect("digits")
        .parse()
        .expect("a length");
    if bytes.len() < end + 1 + length {
        return None;
    }
    let record = bytes[end + 1..end + 1 + length].to_vec();
    bytes.drain(..end + 1 + length);
    Some(serde_json::from_slice(&record).expect("JSON"))
}
