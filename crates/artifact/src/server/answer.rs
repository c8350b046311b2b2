//! From a request to a reply: who may have it, what it is, how much of it is sent.

use std::fmt::Write as _;
use std::fs::File;
use std::time::SystemTime;

use base64::Engine as _;

use super::conditional::{Conditions, Outcome, evaluate};
use super::range::Span;
use super::request::{Method, Refusal, Request};
use super::target::{self, Target};
use super::{Intake, Metrics, ServerOptions};
use crate::{Store, Token};
use flugs_base::Sha256Digest;

/// A reply that is ready to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Header lines other than `Date`, `Content-Length` of texts and `Connection`.
    headers: String,
    pub(super) body: Body,
    /// Whether it says something of the server itself: how it is, or what it counts.
    pub(super) of_server: bool,
}

/// What follows the head.
#[derive(Debug)]
pub(super) enum Body {
    /// Nothing, although the head may speak of it (HEAD, 304).
    None,
    /// A short text for a person.
    Text(String),
    /// Part of a file.
    File { file: File, span: Span },
}

/// Decides the reply to a request.
pub(super) fn answer(
    request: &Request,
    store: &Store,
    options: &ServerOptions,
    metrics: &Metrics,
) -> Reply {
    let target = target::parse(&request.target);
    let reply = match (&target, request.method) {
        (Target::Query, _) => text(
            400,
            "a query is not accepted here; the token goes into the Authorization header",
        ),
        (Target::ExitReport { task, capability }, Method::Put) => {
            take_in(request, options, task, capability)
        }
        (Target::ExitReport { .. }, _) => text(405, "only PUT").with("Allow", "PUT"),
        (_, Method::Put | Method::Other) => {
            text(405, "only GET and HEAD").with("Allow", "GET, HEAD")
        }
        (Target::Health, _) => text(200, "ok").of_server(),
        (Target::Unknown, _) if options.token.is_some() && !bearer_fits(request, options) => {
            unauthorised()
        }
        (Target::Unknown, _) => text(404, "no such artifact"),
        (Target::Metrics, _) if !bearer_fits(request, options) => unauthorised(),
        (Target::Metrics, _) => text(200, &metrics.render()).of_server(),
        (Target::Artifact { digest, capability }, _) => {
            if may_have(request, options, digest, capability.as_ref()) {
                artifact(request, store, options, digest)
            } else {
                unauthorised()
            }
        }
    };
    if request.method == Method::Head {
        return reply.without_body();
    }
    reply
}

/// A report that is handed in, by whoever may.
fn take_in(
    request: &Request,
    options: &ServerOptions,
    task: &str,
    capability: &Sha256Digest,
) -> Reply {
    let granted = |token: &Token| token.grants_report(task, capability);
    if !options.token.as_ref().is_some_and(granted) {
        return unauthorised();
    }
    let Some(intake) = &options.exit_reports else {
        return text(404, "nobody takes reports here");
    };
    match intake(task, &request.body) {
        Intake::Taken => Reply::empty(204).with("Cache-Control", "no-store"),
        Intake::Malformed(reason) => text(400, &reason),
        Intake::Busy => text(503, "too many reports at once").with("Retry-After", "1"),
    }
}

/// The reply to a head that was refused.
pub(super) fn refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Malformed(why) => text(400, why),
        Refusal::NoLength => text(411, "how long is the body?"),
        Refusal::BodyTooLarge => text(413, "the body is too large"),
        Refusal::TooLarge => text(431, "the request head is too large"),
        Refusal::Version => text(505, "HTTP/1.1 is spoken here"),
    }
}

/// The reply to a client that has taken too long over its request.
pub(super) fn too_slow() -> Reply {
    text(408, "the request did not arrive in time")
}

/// The reply to a client that has too many connections, none of them idle.
pub(super) fn too_many() -> Reply {
    text(503, "too many connections from this address").with("Retry-After", "1")
}

fn unauthorised() -> Reply {
    text(401, "the token is missing or wrong").with("WWW-Authenticate", "Bearer")
}

fn may_have(
    request: &Request,
    options: &ServerOptions,
    digest: &Sha256Digest,
    capability: Option<&Sha256Digest>,
) -> bool {
    match (&options.token, capability) {
        (Some(token), Some(shown)) => token.grants(digest, shown),
        // Without a token there is nothing that a capability could be checked against.
        (None, Some(_)) => false,
        (_, None) => bearer_fits(request, options),
    }
}

/// RFC 6750 §2.1: the scheme's name in any case, one or more spaces, the token.
fn bearer_fits(request: &Request, options: &ServerOptions) -> bool {
    let Some(token) = &options.token else {
        return true;
    };
    let value = request.authorization.as_deref().unwrap_or_default();
    let (scheme, shown) = value.split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer ") & token.matches(shown.trim_ascii())
}

fn artifact(
    request: &Request,
    store: &Store,
    options: &ServerOptions,
    digest: &Sha256Digest,
) -> Reply {
    let Some(object) = store.look(digest) else {
        return text(404, "no such artifact");
    };
    if object.secret && options.tls.is_none() && !options.secrets_in_the_clear {
        return text(403, "a secret artifact is served over TLS only");
    }
    let Ok(file) = File::open(&object.path) else {
        // Evicted between the look and the opening, or a disk that fails.
        return text(404, "no such artifact");
    };
    let etag = format!("\"sha256-{digest}\"");
    let conditions = Conditions {
        if_match: request.if_match.as_deref(),
        if_none_match: request.if_none_match.as_deref(),
        if_range: request.if_range.as_deref(),
        range: request.range.as_deref(),
    };
    let size = object.size;
    let outcome = evaluate(request.method == Method::Get, conditions, &etag, size);
    let all = Span {
        start: 0,
        length: size,
    };
    let reply = match outcome {
        Outcome::Full => Reply::of_file(200, file, all),
        Outcome::Partial(span) => Reply::of_file(206, file, span).with(
            "Content-Range",
            &format!(
                "bytes {}-{}/{size}",
                span.start,
                span.start + span.length - 1
            ),
        ),
        Outcome::NotModified => Reply::empty(304),
        Outcome::PreconditionFailed => return text(412, "the entity tag is another"),
        Outcome::RangeNotSatisfiable => {
            return text(416, "no such part").with("Content-Range", &format!("bytes */{size}"));
        }
    };
    reply.describing(&etag, digest)
}

fn text(status: u16, message: &str) -> Reply {
    let body = format!("{}\n", message.trim_end());
    let mut reply = Reply::empty(status)
        .with("Content-Type", "text/plain; charset=utf-8")
        .with("Content-Length", &body.len().to_string())
        .with("Cache-Control", "no-store");
    reply.body = Body::Text(body);
    reply
}

impl Reply {
    fn empty(status: u16) -> Self {
        Self {
            status,
            headers: String::new(),
            body: Body::None,
            of_server: false,
        }
    }

    const fn of_server(mut self) -> Self {
        self.of_server = true;
        self
    }

    fn of_file(status: u16, file: File, span: Span) -> Self {
        let mut reply = Self::empty(status)
            .with("Content-Type", "application/octet-stream")
            .with("Content-Length", &span.length.to_string());
        reply.body = Body::File { file, span };
        reply
    }

    /// RFC 9530 §3: `Repr-Digest` is of the whole representation, also beside a part of it.
    fn describing(self, etag: &str, digest: &Sha256Digest) -> Self {
        let digest = base64::engine::general_purpose::STANDARD.encode(digest.as_bytes());
        self.with("ETag", etag)
            .with("Repr-Digest", &format!("sha-256=:{digest}:"))
            .with("Accept-Ranges", "bytes")
            .with("Cache-Control", "private, max-age=31536000, immutable")
            .with("X-Content-Type-Options", "nosniff")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        // Writing to a string has no way to fail.
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    fn without_body(mut self) -> Self {
        self.body = Body::None;
        self
    }

    /// The head as it goes onto the wire.
    pub(super) fn head(&self, keep_alive: bool, now: SystemTime) -> String {
        format!(
            "HTTP/1.1 {} {}\r\nDate: {}\r\n{}Connection: {}\r\n\r\n",
            self.status,
            reason(self.status),
            httpdate::fmt_http_date(now),
            self.headers,
            if keep_alive { "keep-alive" } else { "close" },
        )
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}
