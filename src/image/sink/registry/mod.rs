//! A registry (opencontainers/distribution-spec 1.1, "Push"): what it has is not sent, a blob that
//! was cut off goes on where it stopped if the registry knows where that was, else from its
//! beginning, and a tag appears when all of its image is there.

mod credentials;
mod session;

use std::io::{Read as _, Seek as _, SeekFrom};

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};
use url::Url;

use self::session::{ATTEMPTS, Session, Trouble, wait};
use crate::image::blobs::Blobs;
use crate::image::content::Content;
use crate::image::oci::Descriptor;
use crate::image::sink::Remark;
use crate::image::{ImageError, Reference};
use flugs_artifact::FetchOptions;
use flugs_artifact::fetch::http_client;

/// A blob is sent in pieces of this size: what a cut connection costs at most, with a registry
/// that keeps what came of an upload.
const PIECE: u64 = 8 << 20;

/// Pushes an image.
pub(in crate::image) async fn push(
    reference: &Reference,
    content: &Content,
    blobs: &Blobs,
) -> Result<Vec<Remark>, ImageError> {
    let (session, remarks) = push_all(reference, content, blobs).await?;
    put_manifest(&session, content, &content.root, &reference.tag).await?;
    Ok(remarks)
}

/// Pushes an image without its tag: whoever does not know its digest does not see it yet.
pub(in crate::image) async fn push_untagged(
    reference: &Reference,
    content: &Content,
    blobs: &Blobs,
) -> Result<Vec<Remark>, ImageError> {
    let (_, remarks) = push_all(reference, content, blobs).await?;
    Ok(remarks)
}

async fn push_all(
    reference: &Reference,
    content: &Content,
    blobs: &Blobs,
) -> Result<(Session, Vec<Remark>), ImageError> {
    let registry = reference.registry.clone().unwrap_or_default();
    let credentials = credentials::find(&registry)?;
    let client = http_client(&FetchOptions::default())?;
    let session = Session::new(client, &registry, &reference.repository, credentials)?;
    let mut remarks = Vec::new();
    for descriptor in content.blobs() {
        if descriptor.is_manifest() || descriptor.is_index() {
            put_manifest(
                &session,
                content,
                &descriptor,
                &descriptor.digest.to_string(),
            )
            .await?;
        } else {
            let upload = Upload {
                session: &session,
                content,
                blobs,
                blob: &descriptor,
            };
            remarks.extend(upload.run().await?);
        }
    }
    Ok((session, remarks))
}

async fn put_manifest(
    session: &Session,
    content: &Content,
    descriptor: &Descriptor,
    name: &str,
) -> Result<(), ImageError> {
    let bytes = content.document(descriptor).unwrap_or_default();
    let bytes = Bytes::copy_from_slice(bytes);
    let what = format!("the manifest {name}");
    let mut failures = 0;
    loop {
        let put = async {
            let url = session.url(&format!("manifests/{name}"))?;
            let request = |client: &reqwest::Client| {
                let request = client
                    .put(url.clone())
                    .header(CONTENT_TYPE, &descriptor.media_type);
                request.body(bytes.clone())
            };
            let response = session.send(&what, request).await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Err(session.refused(&what, "404 Not Found"));
            }
            Ok(())
        };
        match put.await {
            Ok(()) => return Ok(()),
            Err(trouble) => failed(session, trouble, &mut failures).await?,
        }
    }
}

/// Counts a failure and waits, or gives up.
async fn failed(session: &Session, trouble: Trouble, failures: &mut u32) -> Result<(), ImageError> {
    match trouble {
        Trouble::Final(error) => Err(error),
        Trouble::Passing(_) if *failures < ATTEMPTS => {
            *failures += 1;
            tokio::time::sleep(wait(*failures)).await;
            Ok(())
        }
        Trouble::Passing(reason) => Err(ImageError::RegistryUnreachable {
            registry: session.registry.clone(),
            reason,
        }),
    }
}

/// One blob on its way.
struct Upload<'a> {
    session: &'a Session,
    content: &'a Content,
    blobs: &'a Blobs,
    blob: &'a Descriptor,
}

/// How far an upload has come.
struct Place {
    url: Url,
    /// So many bytes the registry has.
    sent: u64,
}

/// What cuts have cost so far.
#[derive(Default)]
struct Toll {
    /// The most bytes that the registry had at a time.
    furthest: u64,
    /// So often it had forgotten them.
    begun_again: u32,
    lost: u64,
}

impl Upload<'_> {
    async fn run(&self) -> Result<Option<Remark>, ImageError> {
        let mut failures = 0;
        let mut place: Option<Place> = None;
        let mut toll = Toll::default();
        loop {
            match self.go_on(&mut place, &mut toll).await {
                Ok(()) => return Ok(self.remark(&toll)),
                Err(trouble) => {
                    let sent = place.as_ref().map_or(0, |place| place.sent);
                    // As long as it gets further than ever, it may be cut off as often as it likes.
                    if sent > toll.furthest {
                        toll.furthest = sent;
                        failures = 0;
                    }
                    let trouble = self.explained(trouble, &toll);
                    failed(self.session, trouble, &mut failures).await?;
                }
            }
        }
    }

    fn remark(&self, toll: &Toll) -> Option<Remark> {
        (toll.begun_again > 0).then(|| Remark::BegunAgain {
            registry: self.session.registry.clone(),
            blob: self.blob.digest,
            times: toll.begun_again,
            lost: toll.lost,
        })
    }

    /// Why a large blob never gets through, if the registry begins each time anew.
    fn explained(&self, trouble: Trouble, toll: &Toll) -> Trouble {
        match trouble {
            Trouble::Passing(reason) if toll.begun_again > 0 => Trouble::Passing(format!(
                "{reason}; it forgets what came of an upload that is cut off, so that the blob {} \
                 was begun again {} times and got no further than {} of {} bytes",
                self.blob.digest, toll.begun_again, toll.furthest, self.blob.size
            )),
            other => other,
        }
    }

    async fn go_on(&self, place: &mut Option<Place>, toll: &mut Toll) -> Result<(), Trouble> {
        let digest = self.blob.digest;
        let what = format!("the blob {digest}");
        // A place that is known already means that the connection was cut.
        let resumed = match place.take() {
            Some(old) => {
                let sent = old.sent;
                let resumed = self.ask_place(&what, old).await?;
                if resumed.is_none() {
                    toll.begun_again += 1;
                    toll.lost += sent;
                }
                resumed
            }
            None => None,
        };
        let mut at = match resumed {
            Some(at) => at,
            None => match self.begin(&what).await? {
                Some(at) => at,
                None => return Ok(()),
            },
        };
        let done = self.send_pieces(&what, &mut at).await;
        *place = Some(at);
        done
    }

    /// Where to send the blob to; `None` if the registry has it.
    async fn begin(&self, what: &str) -> Result<Option<Place>, Trouble> {
        let digest = self.blob.digest;
        let url = self.session.url(&format!("blobs/{digest}"))?;
        let there = self
            .session
            .send(what, |client| client.head(url.clone()))
            .await?;
        if there.status().is_success() {
            return Ok(None);
        }
        // Some registries find the blob in another repository by themselves.
        let url = self
            .session
            .url(&format!("blobs/uploads/?mount={digest}"))?;
        let begun = self
            .session
            .send(what, |client| client.post(url.clone()))
            .await?;
        match begun.status() {
            StatusCode::CREATED => Ok(None),
            StatusCode::NOT_FOUND => Err(self.session.refused(what, "it knows no such repository")),
            _ => Ok(Some(Place {
                url: self.session.location(&begun, what)?,
                sent: 0,
            })),
        }
    }

    /// What the registry has of an upload that was cut; `None` if it has forgotten it.
    async fn ask_place(&self, what: &str, old: Place) -> Result<Option<Place>, Trouble> {
        let answer = self
            .session
            .send(what, |client| client.get(old.url.clone()))
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let range = answer
            .headers()
            .get(RANGE)
            .and_then(|value| value.to_str().ok());
        let sent = range.and_then(|range| range.rsplit_once('-')?.1.parse::<u64>().ok());
        let url = self.session.location(&answer, what).unwrap_or(old.url);
        // "0-0" stands for nothing and for one byte; the first piece is sent again then.
        let sent = sent.filter(|last| *last > 0).map_or(0, |last| last + 1);
        Ok((sent <= self.blob.size).then_some(Place { url, sent }))
    }

    async fn send_pieces(&self, what: &str, at: &mut Place) -> Result<(), Trouble> {
        while at.sent < self.blob.size {
            let piece = self.piece(at.sent).map_err(Trouble::Final)?;
            let end = at.sent + piece.len() as u64;
            let range = format!("{}-{}", at.sent, end - 1);
            let request = |client: &reqwest::Client| {
                client
                    .patch(at.url.clone())
                    .header(CONTENT_TYPE, "application/octet-stream")
                    .header(CONTENT_RANGE, &range)
                    .body(piece.clone())
            };
            let answer = self.session.send(what, request).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Err(Trouble::Passing(format!(
                    "{what}: the upload was forgotten"
                )));
            }
            at.url = self.session.location(&answer, what)?;
            at.sent = end;
        }
        let mut url = at.url.clone();
        url.query_pairs_mut()
            .append_pair("digest", &self.blob.digest.to_string());
        let answer = self
            .session
            .send(what, |client| client.put(url.clone()).body(Bytes::new()))
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(Trouble::Passing(format!(
                "{what}: the upload was forgotten"
            )));
        }
        Ok(())
    }

    fn piece(&self, from: u64) -> Result<Bytes, ImageError> {
        if let Some(bytes) = self.content.document(self.blob) {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            return Ok(Bytes::copy_from_slice(
                bytes.get(from..).unwrap_or_default(),
            ));
        }
        let region = self.blobs.region(self.blob)?;
        let length = PIECE.min(region.size - from);
        let mut piece = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        let mut read = || {
            let mut file = std::fs::File::open(&region.path)?;
            file.seek(SeekFrom::Start(region.offset + from))?;
            file.take(length).read_to_end(&mut piece)
        };
        match read() {
            Ok(read) if read as u64 == length => Ok(piece.into()),
            Ok(_) => Err(ImageError::damaged(
                region.path.display(),
                "it ends too soon",
            )),
            Err(error) => Err(ImageError::read(&region.path, error)),
        }
    }
}
