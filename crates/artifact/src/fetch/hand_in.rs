//! The one thing that travels the other way: a short document that a launch hands to its server.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::client::Clients;
use super::pin::Fingerprint;
use super::{FetchError, FetchOptions};

/// The wait between two attempts.
const REST: Duration = Duration::from_millis(150);

/// How long one attempt may take: one that a server does not answer leaves time for another.
const ATTEMPT: Duration = Duration::from_millis(700);

/// Why a document was not handed in.
#[derive(Debug, thiserror::Error)]
pub enum HandInError {
    /// The URL cannot be used. What it is stays unsaid: it is a permission.
    #[error("the URL to hand a document in at is unusable: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// There is no client to do it with.
    #[error(transparent)]
    Client(#[from] FetchError),
    /// The server does not take it.
    #[error("the server does not take the document: {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// Nobody took it in time.
    #[error("nobody took the document within {} ms", patience.as_millis())]
    Unreachable {
        /// How long it was tried.
        patience: Duration,
    },
}

/// Hands a document to the URL, which is the permission to do so, with the server's certificate in
/// its fragment if that is pinned. Tries again until it is taken or refused, or the time is over.
pub async fn hand_in(
    url: &str,
    document: Vec<u8>,
    patience: Duration,
    options: &FetchOptions,
) -> Result<(), HandInError> {
    let deadline = Instant::now() + patience;
    let unusable = |reason: String| HandInError::Url { reason };
    let url = Url::parse(url).map_err(|error| unusable(error.to_string()))?;
    let pin = Fingerprint::in_url(&url).transpose();
    let pin = pin.map_err(|error| unusable(error.to_string()))?;
    let client = Clients::new(options)?.of(pin)?;
    loop {
        let request = client
            .put(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(document.clone())
            .send();
        let attempt = timeout_at((Instant::now() + ATTEMPT).min(deadline), request).await;
        if let Ok(Ok(answer)) = attempt {
            let status = answer.status();
            if status.is_success() {
                return Ok(());
            }
            if status.is_client_error() {
                let status = status.as_u16();
                return Err(HandInError::Refused { status });
            }
        }
        if Instant::now() + REST >= deadline {
            return Err(HandInError::Unreachable { patience });
        }
        sleep(REST).await;
    }
}
