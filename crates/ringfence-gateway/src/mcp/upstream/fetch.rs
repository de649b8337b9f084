//! One request of the gateway's own, which belongs to no wire: a document, a token. No redirect is
//! followed, and what is read has a bound and an end.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, StatusCode};

use super::Http;
use super::exchange::whole;

/// The longest body that is read.
const MAX_BODY: usize = 512 * 1024;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What came back.
#[derive(Debug)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Nothing came back.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotFetched(String);

impl Http {
    /// Sends a request and reads the whole answer, whatever its status. Of an answer that is a
    /// stream of events nothing but the head is read.
    ///
    /// # Errors
    /// Nobody is there, the answer does not come in time, breaks off, or is too long.
    pub async fn fetch(&self, request: Request<Full<Bytes>>) -> Result<Fetched, NotFetched> {
        let fetching = async {
            let response = self.client.request(request).await.map_err(|error| NotFetched(whole(&error)))?;
            let (head, body) = response.into_parts();
            let body = if super::exchange::is_events(&head.headers) {
                Bytes::new()
            } else {
                let body = Limited::new(body, MAX_BODY).collect().await;
                body.map_err(|error| NotFetched(whole(&*error)))?.to_bytes()
            };
            Ok(Fetched { status: head.status, headers: head.headers, body })
        };
        let fetched = tokio::time::timeout(PATIENCE, fetching).await;
        fetched.unwrap_or_else(|_| Err(NotFetched("there was no answer in time".to_owned())))
    }
}
