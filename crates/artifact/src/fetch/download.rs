//! One attempt: a partial file and one URL, until the file is complete or the attempt has failed.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};

use super::error::AttemptError;
use super::partial::{Origin, Partial, Segment};
use super::source::HttpPlace;
use super::{FetchError, Fetcher};

/// What one attempt needs to know beside the place itself.
pub(super) struct Attempt<'a> {
    pub(super) fetcher: &'a Fetcher,
    pub(super) name: &'a str,
    pub(super) size: u64,
    pub(super) place: &'a HttpPlace,
    pub(super) shown: &'a str,
    /// Told of bytes as they arrive.
    pub(super) received: &'a dyn Fn(u64),
}

/// What the answer to a request for the rest of a segment means.
enum Answer {
    /// The rest of the segment follows.
    Rest(Response),
    /// The server cannot go on where the file is: begin again.
    StartOver,
}

impl Attempt<'_> {
    /// Completes the file, going on where it is if that is safe.
    pub(super) async fn run(&self, partial: &mut Partial) -> Result<(), AttemptError> {
        if partial.received() > 0 && !self.can_resume(&partial.origin) {
            self.reset(partial)?;
        }
        if self.size == 0 {
            return Ok(());
        }
        let resumed = partial.received() > 0;
        let outcome = if resumed {
            self.fill(partial).await?
        } else {
            Filled::StartOver
        };
        if matches!(outcome, Filled::Complete) {
            return Ok(());
        }
        if resumed {
            self.reset(partial)?;
        }
        self.begin(partial).await
    }

    /// A tag vouches for the server that gave it. A tag that is made of the digest, as this
    /// project's own servers give, vouches for every server.
    fn can_resume(&self, origin: &Origin) -> bool {
        origin.etag.is_some() && origin.url == self.shown
    }

    fn reset(&self, partial: &mut Partial) -> Result<(), AttemptError> {
        let path = partial.path.clone();
        partial.reset().map_err(|error| self.local(&path, error))
    }

    /// The first request of a file: all of it. If the server can serve parts and the file is
    /// large, the other parts are asked for beside it.
    async fn begin(&self, partial: &mut Partial) -> Result<(), AttemptError> {
        let response = self.send(self.request()?).await?;
        if response.status() != StatusCode::OK {
            return Err(refusal(&response));
        }
        check_length(&response, self.size)?;
        partial.origin = Origin {
            url: self.shown.to_owned(),
            etag: strong_etag(response.headers()),
        };
        let options = &self.fetcher.options;
        let parts = u64::from(options.parallel_ranges);
        let ranges = response.headers().get(header::ACCEPT_RANGES);
        let divisible = ranges.is_some_and(|value| value == "bytes")
            && partial.origin.etag.is_some()
            && self.size >= options.range_threshold;
        if parts > 1 && divisible {
            partial.split(parts);
            let partial = &*partial;
            let Some((first, others)) = partial.segments.split_first() else {
                return Ok(());
            };
            let others = others
                .iter()
                .map(|segment| self.fill_segment(partial, segment));
            let (first, others) =
                tokio::join!(self.receive(response, partial, first), try_join_all(others));
            partial.pause();
            first?;
            if others?
                .iter()
                .any(|filled| matches!(filled, Filled::StartOver))
            {
                let why = "the server does not serve parts as it says".to_owned();
                return Err(AttemptError::Wrong(why));
            }
            return Ok(());
        }
        let partial = &*partial;
        let Some(segment) = partial.segments.first() else {
            return Ok(());
        };
        let received = self.receive(response, partial, segment).await;
        partial.pause();
        received
    }

    /// Asks for what is missing of every segment.
    async fn fill(&self, partial: &Partial) -> Result<Filled, AttemptError> {
        let missing = partial.segments.iter().filter(|one| one.missing() > 0);
        let filled = try_join_all(missing.map(|one| self.fill_segment(partial, one))).await;
        partial.pause();
        let start_over = filled?
            .into_iter()
            .any(|filled| matches!(filled, Filled::StartOver));
        Ok(if start_over {
            Filled::StartOver
        } else {
            Filled::Complete
        })
    }

    async fn fill_segment(
        &self,
        partial: &Partial,
        segment: &Segment,
    ) -> Result<Filled, AttemptError> {
        let etag = partial.origin.etag.as_deref().unwrap_or_default();
        let range = format!("bytes={}-{}", segment.next(), segment.end - 1);
        let request = self
            .request()?
            .header(header::RANGE, range)
            .header(header::IF_RANGE, etag);
        match self.read_answer(self.send(request).await?, segment, etag)? {
            Answer::Rest(response) => {
                self.receive(response, partial, segment).await?;
                Ok(Filled::Complete)
            }
            Answer::StartOver => Ok(Filled::StartOver),
        }
    }

    fn read_answer(
        &self,
        response: Response,
        segment: &Segment,
        etag: &str,
    ) -> Result<Answer, AttemptError> {
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let expected =
                    format!("bytes {}-{}/{}", segment.next(), segment.end - 1, self.size);
                let given = response.headers().get(header::CONTENT_RANGE);
                let same = strong_etag(response.headers()).is_some_and(|given| given == etag);
                if same && given.is_some_and(|given| given == expected.as_str()) {
                    Ok(Answer::Rest(response))
                } else {
                    Ok(Answer::StartOver)
                }
            }
            // 200: another file, or no parts served. Dropping the response drops the connection.
            StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE => Ok(Answer::StartOver),
            _ => Err(refusal(&response)),
        }
    }

    /// Reads a body into a segment, to the segment's end and no further.
    async fn receive(
        &self,
        mut response: Response,
        partial: &Partial,
        segment: &Segment,
    ) -> Result<(), AttemptError> {
        let mut window = Window::open();
        let whole_file = segment.end == self.size;
        while segment.missing() > 0 {
            let chunk = self.in_time(response.chunk()).await?;
            let Some(chunk) = chunk.map_err(|error| transient(&error))? else {
                let (got, size) = (partial.received(), self.size);
                let why = format!("the connection ended after {got} of {size} bytes");
                return Err(AttemptError::Transient(why));
            };
            let missing = usize::try_from(segment.missing()).unwrap_or(usize::MAX);
            if chunk.len() > missing && whole_file {
                let why = format!("more than the {} bytes that were due came", self.size);
                return Err(AttemptError::Wrong(why));
            }
            let bytes = chunk.get(..missing.min(chunk.len())).unwrap_or_default();
            partial
                .append(segment, bytes)
                .map_err(|error| self.local(&partial.path, error))?;
            (self.received)(bytes.len() as u64);
            window.count(bytes.len() as u64, self.fetcher)?;
        }
        Ok(())
    }

    fn request(&self) -> Result<RequestBuilder, AttemptError> {
        self.fetcher
            .request(self.place)
            .map_err(AttemptError::Local)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, AttemptError> {
        self.fetcher.send(request, self.place).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, AttemptError> {
        in_time(self.fetcher.options.stall_timeout, work).await
    }

    fn local(&self, path: &std::path::Path, error: std::io::Error) -> AttemptError {
        AttemptError::Local(FetchError::writing(self.name, path, self.size, error))
    }
}

enum Filled {
    Complete,
    StartOver,
}

/// The latest stretch of a download: a server that drips is as good as one that is silent.
struct Window {
    opened: Instant,
    bytes: u64,
}

impl Window {
    fn open() -> Self {
        Self {
            opened: Instant::now(),
            bytes: 0,
        }
    }

    fn count(&mut self, bytes: u64, fetcher: &Fetcher) -> Result<(), AttemptError> {
        self.bytes += bytes;
        let elapsed = self.opened.elapsed();
        let options = &fetcher.options;
        if elapsed < options.stall_timeout {
            return Ok(());
        }
        let seconds = elapsed.as_secs_f64();
        let due = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) / 1000
            * options.min_bytes_per_second;
        if self.bytes < due {
            let got = self.bytes;
            let why = format!("it drips: {got} bytes in {seconds:.0} s");
            return Err(AttemptError::Transient(why));
        }
        *self = Self::open();
        Ok(())
    }
}

/// Refuses a body of another length before reading it.
fn check_length(response: &Response, expected: u64) -> Result<(), AttemptError> {
    let given = response.headers().get(header::CONTENT_LENGTH);
    let given = given.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match given {
        Some(given) if given != expected => Err(AttemptError::Wrong(format!(
            "it has {given} bytes, {expected} were due"
        ))),
        _ => Ok(()),
    }
}

/// Waits for a server, but not for ever.
pub(super) async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, AttemptError> {
    tokio::time::timeout(limit, work).await.map_err(|_| {
        AttemptError::Transient(format!("nothing came for {:.0} s", limit.as_secs_f64()))
    })
}

/// What a status code other than success means for trying again (RFC 9110 §15).
pub(super) fn refusal(response: &Response) -> AttemptError {
    let status = response.status();
    let why = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    match status.as_u16() {
        408 | 425 | 429 | 500.. => AttemptError::Transient(why),
        _ => AttemptError::Refused(why),
    }
}

/// A failed request, with its causes: the outermost alone says little.
pub(super) fn transient(error: &reqwest::Error) -> AttemptError {
    let mut causes: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !causes.iter().any(|known| known.contains(&text)) {
            causes.push(text);
        }
        cause = inner.source();
    }
    if causes.is_empty() {
        // Without its URL, which may hold what must not be shown.
        causes.push(if error.is_timeout() {
            "it took too long".to_owned()
        } else {
            "the request failed".to_owned()
        });
    }
    AttemptError::Transient(causes.join(": "))
}

/// The entity tag, if it is strong (RFC 9110 §8.8.1): a weak one may stand for other bytes.
fn strong_etag(headers: &HeaderMap<HeaderValue>) -> Option<String> {
    let tag = headers.get(header::ETAG)?.to_str().ok()?;
    let strong = tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"');
    strong.then(|| tag.to_owned())
}
