//! Request heads, read strictly: whatever two parsers could read in two ways is refused.

/// A request head that can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The target in origin form (RFC 9112 §3.2.1), undecoded.
    pub(super) target: String,
    /// Whether the connection may carry another request (RFC 9112 §9.3).
    pub(super) keep_alive: bool,
    pub(super) authorization: Option<Vec<u8>>,
    pub(super) if_match: Option<Vec<u8>>,
    pub(super) if_none_match: Option<Vec<u8>>,
    pub(super) if_range: Option<Vec<u8>>,
    pub(super) range: Option<Vec<u8>>,
    /// How many bytes follow the head.
    pub(super) body_bytes: usize,
    /// Those bytes, once they are there.
    pub(super) body: Vec<u8>,
}

/// A body of more bytes than this is refused: nothing that is handed in here is longer.
pub(super) const MOST_BODY: usize = 64 << 10;

/// The methods that an artifact has, and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    /// The one that has a body.
    Put,
    Other,
}

/// What is at the front of the bytes received so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Not a whole head yet.
    Incomplete,
    /// A head of so many bytes.
    Complete(Request, usize),
    /// Something that gets an error and the end of the connection.
    Refused(Refusal),
}

/// Why a head is refused. After any of these the connection is closed, because where the next
/// request would begin is no longer certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// 400, and why.
    Malformed(&'static str),
    /// 411: it has a body, and does not say how long.
    NoLength,
    /// 413.
    BodyTooLarge,
    /// 431.
    TooLarge,
    /// 505.
    Version,
}

/// More header lines than this are refused; a fetcher sends about ten.
const MOST_HEADERS: usize = 64;

/// Reads a head from the front of `bytes`, of which at most `limit` may belong to it.
pub(super) fn parse(bytes: &[u8], limit: usize) -> Head {
    let Some(end) = end_of_head(bytes) else {
        return if bytes.len() >= limit {
            Head::Refused(Refusal::TooLarge)
        } else {
            Head::Incomplete
        };
    };
    if end > limit {
        return Head::Refused(Refusal::TooLarge);
    }
    let head = bytes.get(..end).unwrap_or_default();
    match read(head) {
        Ok(request) => Head::Complete(request, end),
        Err(refusal) => Head::Refused(refusal),
    }
}

/// The length of the head with its empty line. A bare LF ends it too, so that such a head is
/// refused at once and not waited on.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let crlf = find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let bare = find(bytes, b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(bare).min()
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}

fn read(head: &[u8]) -> Result<Request, Refusal> {
    refuse_odd_line_ends(head)?;
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refusal::Malformed("the head ends early")),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge),
        Err(httparse::Error::Version) => return Err(Refusal::Version),
        Err(_) => return Err(Refusal::Malformed("the head is not HTTP/1.1")),
    }
    let method = match parsed.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("PUT") => Method::Put,
        _ => Method::Other,
    };
    let body_bytes = body_bytes(method, parsed.headers)?;
    let is_1_1 = parsed.version == Some(1);
    let hosts = all(parsed.headers, "host").count();
    if hosts > 1 || (is_1_1 && hosts == 0) {
        return Err(Refusal::Malformed("there must be exactly one Host"));
    }
    let target = parsed.path.unwrap_or_default();
    if !target.starts_with('/') {
        return Err(Refusal::Malformed("the target must be in origin form"));
    }
    Ok(Request {
        method,
        target: target.to_owned(),
        keep_alive: keeps_alive(parsed.headers, is_1_1),
        authorization: single(parsed.headers, "authorization")?,
        if_match: joined(parsed.headers, "if-match"),
        if_none_match: joined(parsed.headers, "if-none-match"),
        if_range: single(parsed.headers, "if-range")?,
        range: single(parsed.headers, "range")?,
        body_bytes,
        body: Vec::new(),
    })
}

/// RFC 9112 §2.2 lets a recipient take a bare LF for a line end; proxies disagree about it, which
/// is how requests are smuggled. A bare CR is refused for the same reason.
fn refuse_odd_line_ends(head: &[u8]) -> Result<(), Refusal> {
    let odd = |(at, byte): (usize, &u8)| match byte {
        b'\n' => at.checked_sub(1).and_then(|before| head.get(before)) != Some(&b'\r'),
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        0 => true,
        _ => false,
    };
    if head.iter().enumerate().any(odd) {
        return Err(Refusal::Malformed("a bare CR, bare LF or NUL"));
    }
    Ok(())
}

/// Only PUT takes a body, whose length is written once and in digits. A request that announces one
/// in any other way could hide another.
fn body_bytes(method: Method, headers: &[httparse::Header<'_>]) -> Result<usize, Refusal> {
    if all(headers, "transfer-encoding").next().is_some() {
        return Err(Refusal::Malformed("Transfer-Encoding is not accepted"));
    }
    if all(headers, "expect").next().is_some() {
        return Err(Refusal::Malformed("Expect is not accepted"));
    }
    let mut lengths = all(headers, "content-length");
    match (method, lengths.next(), lengths.next()) {
        (Method::Put, None, None) => Err(Refusal::NoLength),
        (_, None | Some(b"0"), None) => Ok(0),
        (Method::Put, Some(digits), None) => length(digits),
        _ => Err(Refusal::Malformed("a request body is not accepted")),
    }
}

/// Digits and nothing else (RFC 9110 §8.6): no sign, no list, no space within.
fn length(digits: &[u8]) -> Result<usize, Refusal> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Malformed("Content-Length is no number"));
    }
    let bytes = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok());
    bytes
        .filter(|bytes| *bytes <= MOST_BODY)
        .ok_or(Refusal::BodyTooLarge)
}

fn all<'a>(headers: &'a [httparse::Header<'a>], name: &str) -> impl Iterator<Item = &'a [u8]> {
    let name = name.to_owned();
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(&name))
        .map(|header| header.value)
}

fn single(headers: &[httparse::Header<'_>], name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let mut values = all(headers, name);
    let first = values.next().map(<[u8]>::to_vec);
    if values.next().is_some() {
        return Err(Refusal::Malformed(
            "a header that must be single is repeated",
        ));
    }
    Ok(first)
}

/// A list header's lines as one list (RFC 9110 §5.2).
fn joined(headers: &[httparse::Header<'_>], name: &str) -> Option<Vec<u8>> {
    let lines: Vec<_> = all(headers, name).collect();
    (!lines.is_empty()).then(|| lines.join(&b", "[..]))
}

fn keeps_alive(headers: &[httparse::Header<'_>], is_1_1: bool) -> bool {
    let says = |wanted: &str| {
        all(headers, "connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    };
    !says("close") && (is_1_1 || says("keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: usize = 8192;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes(), LIMIT) {
            Head::Complete(request, length) => {
                assert_eq!(length, text.len());
                request
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn refusal(text: &str) -> Refusal {
        match parse(text.as_bytes(), LIMIT) {
            Head::Refused(refusal) => refusal,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_plain_request_and_a_pipelined_one_behind_it() {
        let first = "GET /sha256/aa HTTP/1.1\r\nHost: h\r\nRange: bytes=1-\r\n\r\n";
        let both = format!("{first}HEAD / HTTP/1.1\r\n");
        let Head::Complete(request, length) = parse(both.as_bytes(), LIMIT) else {
            panic!("incomplete");
        };
        assert_eq!(length, first.len());
        assert_eq!(request.method, Method::Get);
        assert_eq!(request.target, "/sha256/aa");
        assert_eq!(request.range.as_deref(), Some(&b"bytes=1-"[..]));
        assert!(request.keep_alive);
    }

    #[test]
    fn request_smuggling_shapes_are_refused() {
        for headers in [
            "Content-Length: 5\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: 0, 0\r\n",
            "Content-Length: +0\r\n",
            "Content-Length: 00\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Transfer-Encoding:\x0bchunked\r\n",
            "X: a\r\n Transfer-Encoding: chunked\r\n",
            "X: a\nTransfer-Encoding: chunked\r\n",
            "X: a\rY: b\r\n",
            "X: a\0b\r\n",
            "Host: other\r\n",
            "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
            "Range: bytes=0-\r\nRange: bytes=1-\r\n",
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
            assert!(matches!(refusal(&text), Refusal::Malformed(_)), "{text:?}");
        }
    }

    #[test]
    fn line_ends_targets_hosts_and_versions_are_held_to_the_letter() {
        for text in [
            "GET / HTTP/1.1\nHost: h\n\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET  / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: h\r\n\r\n",
            "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n",
        ] {
            assert!(matches!(refusal(text), Refusal::Malformed(_)), "{text:?}");
        }
        assert_eq!(
            refusal("GET / HTTP/2.0\r\nHost: h\r\n\r\n"),
            Refusal::Version
        );
    }

    #[test]
    fn too_large_a_head_is_refused_before_it_ends_and_when_it_is_whole() {
        let endless = format!("GET /{}", "a".repeat(LIMIT));
        assert_eq!(refusal(&endless), Refusal::TooLarge);
        let many = "X: y\r\n".repeat(MOST_HEADERS);
        let whole = format!("GET / HTTP/1.1\r\nHost: h\r\n{many}\r\n");
        assert_eq!(refusal(&whole), Refusal::TooLarge);
    }

    #[test]
    fn persistence_follows_rfc_9112_section_9_3() {
        let kept = |version: &str, connection: &str| {
            request(&format!(
                "GET / HTTP/{version}\r\nHost: h\r\n{connection}\r\n"
            ))
            .keep_alive
        };
        assert!(kept("1.1", ""));
        assert!(!kept("1.1", "Connection: x, Close\r\n"));
        assert!(!kept("1.0", ""));
        assert!(kept("1.0", "Connection: keep-alive\r\n"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_parser(bytes: Vec<u8>) {
            parse(&bytes, 64);
        }

        #[test]
        fn a_head_cut_anywhere_is_incomplete(at in 0..58usize) {
            let whole = b"GET /sha256/aa HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
            prop_assert_eq!(parse(&whole[..at.min(whole.len() - 1)], LIMIT), Head::Incomplete);
        }
    }

    #[test]
    fn only_put_has_a_body_and_says_how_long_it_is() {
        let put = |headers: &str| format!("PUT /x HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        assert_eq!(request(&put("Content-Length: 17\r\n")).body_bytes, 17);
        assert_eq!(refusal(&put("")), Refusal::NoLength);
        let most = format!("Content-Length: {MOST_BODY}\r\n");
        assert_eq!(request(&put(&most)).body_bytes, MOST_BODY);
        let more = format!("Content-Length: {}\r\n", MOST_BODY + 1);
        assert_eq!(refusal(&put(&more)), Refusal::BodyTooLarge);
        let endless = format!("Content-Length: {}\r\n", "9".repeat(40));
        assert_eq!(refusal(&put(&endless)), Refusal::BodyTooLarge);
        for odd in [
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 1\r\nExpect: 100-continue\r\n",
        ] {
            assert!(matches!(refusal(&put(odd)), Refusal::Malformed(_)), "{odd}");
        }
        let get = "GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n";
        assert!(matches!(refusal(get), Refusal::Malformed(_)));
    }
}
