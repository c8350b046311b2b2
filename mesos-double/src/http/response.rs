//! Responses, as a real master words them.

use serde_json::Value;
use std::fmt::Write as _;
use std::time::SystemTime;

/// A response whose body is at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    reason: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Response {
    fn empty(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn text(status: u16, reason: &'static str, text: impl Into<String>) -> Self {
        Self {
            body: text.into().into_bytes(),
            ..Self::empty(status, reason)
        }
        .with("Content-Type", "text/plain; charset=utf-8")
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn ok() -> Self {
        Self::empty(200, "OK")
    }

    pub(crate) fn plain(text: &str) -> Self {
        Self::text(200, "OK", text)
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self {
            body: body.to_string().into_bytes(),
            ..Self::ok()
        }
        .with("Content-Type", "application/json")
    }

    pub(crate) fn accepted() -> Self {
        Self::empty(202, "Accepted")
    }

    pub(crate) fn redirect(location: String) -> Self {
        Self::empty(307, "Temporary Redirect").with("Location", location)
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::text(400, "Bad Request", text)
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::text(409, "Conflict", text)
    }

    pub(crate) fn unauthorized(realm: &str) -> Self {
        Self::text(401, "Unauthorized", "401 Unauthorized.")
            .with("WWW-Authenticate", format!("Basic realm=\"{realm}\""))
    }

    pub(crate) fn forbidden(text: &str) -> Self {
        Self::text(403, "Forbidden", text)
    }

    pub(crate) fn not_found() -> Self {
        Self::text(404, "Not Found", "404 Not Found.")
    }

    pub(crate) fn method_not_allowed(allowed: &str, method: &str) -> Self {
        Self::text(
            405,
            "Method Not Allowed",
            format!(
                "405 Method Not Allowed. Expecting one of {{ '{allowed}' }}, but received '{method}'."
            ),
        )
        .with("Allow", allowed)
    }

    pub(crate) fn not_acceptable(text: &str) -> Self {
        Self::text(406, "Not Acceptable", text)
    }

    pub(crate) fn unsupported_media_type(text: &str) -> Self {
        Self::text(415, "Unsupported Media Type", text)
    }

    pub(crate) fn unavailable(text: &str) -> Self {
        Self::text(503, "Service Unavailable", text)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\n",
            self.status,
            self.reason,
            httpdate::fmt_http_date(SystemTime::now())
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The head of an event stream.
pub(crate) fn stream_head(stream_id: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nDate: {}\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: {stream_id}\r\nContent-Type: application/json\r\n\r\n",
        httpdate::fmt_http_date(SystemTime::now())
    )
}
