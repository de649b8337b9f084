//! One request and what comes back: a body, a stream, a refusal, or nothing.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request as HttpRequest, Response as HttpResponse, StatusCode};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::credential::NothingToShow;
use super::events::{Event, Events};
use super::headers::{self, LAST_EVENT, REVISION, SESSION};
use super::talk::{Talk, revision_of};
use crate::mcp::envelope::{self, Answer, MAX_BYTES, Message, Request};
use crate::mcp::method::is_stateless;

/// The longest body of a refusal that is looked at.
const MAX_REFUSAL: usize = 64 * 1024;
/// How often in a row a stream that broke is asked for again.
const MAX_TRIES: u32 = 5;
/// After how long, unless the server says so.
const RETRY: Duration = Duration::from_secs(1);
/// The shortest and the longest that it may say.
const MIN_RETRY: Duration = Duration::from_millis(50);
const MAX_RETRY: Duration = Duration::from_secs(60);
/// A stream that lasted so long did not fail, even if nothing was said.
const LASTING: Duration = Duration::from_secs(10);
/// How long a server may take to begin a session again. Every call waits for it.
const BEGIN: Duration = Duration::from_secs(30);

/// A request that got no answer of its server's.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Here(&'static str),
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Credential(#[from] NothingToShow),
    #[error("it refuses the credential that it is shown ({0})")]
    Unauthorized(StatusCode),
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("it forgot the session, and began no new one: {0}")]
    Forgotten(String),
    #[error("what it answers is refused: {0}")]
    Refused(#[from] envelope::Refused),
    #[error("its answer broke off")]
    BrokeOff,
    #[error("its answer is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error("it answers too much at once")]
    TooMuch,
}

/// How a stream ended.
enum Ended {
    /// With the answer that it was for.
    Answered,
    /// Without.
    Open,
}

/// Where to go on with a stream that broke.
#[derive(Default)]
struct Place {
    last: Option<HeaderValue>,
    retry: Option<Duration>,
}

impl Talk {
    /// Asks, and hands everything that comes back to the wire.
    pub(super) async fn exchange(&self, request: &Request<'_>) -> Result<(), Failed> {
        let round = *self.begun.borrow();
        let response = self.post(request.text, self.headers_of(request)).await?;
        let is_forgotten = response.status() == StatusCode::NOT_FOUND
            && !is_stateless(&request.params)
            && request.method != "initialize"
            && self.known().session.is_some();
        let response = if is_forgotten {
            // It was not done (2025-03-26, Session Management), so it may be asked again.
            drop(response);
            self.begin_again(round).await?;
            self.post(request.text, self.headers_of(request)).await?
        } else {
            response
        };
        self.take(response, request).await
    }

    fn headers_of(&self, request: &Request<'_>) -> HeaderMap {
        if !is_stateless(&request.params) {
            return if request.method == "initialize" { headers::of_post() } else { self.of_session() };
        }
        let mut headers = headers::of_post();
        if let Some(revision) = revision_of(request) {
            headers.insert(REVISION, revision);
        }
        headers::alone(&mut headers, request, &self.marked(request));
        headers
    }

    /// The headers of what belongs to a session.
    pub(super) fn of_session(&self) -> HeaderMap {
        let mut headers = headers::of_post();
        let known = self.known();
        if let Some(session) = &known.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(revision) = &known.revision {
            headers.insert(REVISION, revision.clone());
        }
        headers
    }

    pub(super) async fn post(
        &self,
        text: &str,
        headers: HeaderMap,
    ) -> Result<HttpResponse<Incoming>, Failed> {
        self.send(Method::POST, headers, Bytes::copy_from_slice(text.as_bytes())).await
    }

    async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<HttpResponse<Incoming>, Failed> {
        let shown = self.endpoint.authorization.now().await?;
        let response = self.send_as(&method, &headers, &body, shown.clone()).await?;
        let instead = self.endpoint.authorization.instead(shown, response.status(), response.headers());
        // What was refused was not done, so it may be asked again, once.
        match instead.await? {
            Some(shown) => self.send_as(&method, &headers, &body, Some(shown)).await,
            None => Ok(response),
        }
    }

    async fn send_as(
        &self,
        method: &Method,
        headers: &HeaderMap,
        body: &Bytes,
        shown: Option<HeaderValue>,
    ) -> Result<HttpResponse<Incoming>, Failed> {
        let mut request = HttpRequest::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = self.endpoint.uri.clone();
        *request.headers_mut() = headers.clone();
        if let Some(shown) = shown {
            request.headers_mut().insert(AUTHORIZATION, shown);
        }
        self.http.client.request(request).await.map_err(|error| Failed::Unreachable(whole(&error)))
    }

    async fn take(&self, response: HttpResponse<Incoming>, request: &Request<'_>) -> Result<(), Failed> {
        if !response.status().is_success() {
            return self.refusal(response, request).await;
        }
        if request.method == "initialize" {
            self.known().session = response.headers().get(SESSION).cloned();
        }
        if is_events(response.headers()) {
            return self.stream(response, request).await;
        }
        let mut room = Room::of(self);
        let body = whole_body(response.into_body(), &mut room).await?;
        let text = str::from_utf8(&body)
            .map_err(|error| envelope::Refused::from(envelope::Why::NotUtf8 { at: error.valid_up_to() }))?;
        envelope::parse(&body)?;
        match self.deliver(text, Some(request)).await {
            true => Ok(()),
            false => Err(Failed::Here("it answered something else")),
        }
    }

    /// A refusal may be a message of its own (2026-07-28, Streamable HTTP, Server validation).
    async fn refusal(&self, response: HttpResponse<Incoming>, request: &Request<'_>) -> Result<(), Failed> {
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED) {
            return Err(Failed::Unauthorized(status));
        }
        let body = Limited::new(response.into_body(), MAX_REFUSAL).collect().await;
        let body = body.map_err(|_| Failed::Status(status))?.to_bytes();
        let Ok(Message::Response(said)) = envelope::parse(&body) else {
            return Err(Failed::Status(status));
        };
        let Answer::Error(error) = said.answer else { return Err(Failed::Status(status)) };
        let line = format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, request.id.text());
        self.deliver(&line, Some(request)).await;
        Ok(())
    }

    /// Events until the answer. Where they break off before it and the server said how to go on,
    /// they are asked for again (2025-03-26 to 2025-11-25, Resumability).
    async fn stream(&self, response: HttpResponse<Incoming>, request: &Request<'_>) -> Result<(), Failed> {
        let mut place = Place::default();
        let mut response = response;
        let mut tries: u32 = 0;
        loop {
            let had = place.last.clone();
            let heard = self.events(response, Some(request), &mut place).await;
            match heard {
                Ok(Ended::Answered) => return Ok(()),
                Ok(Ended::Open) | Err(Failed::BrokeOff) => {}
                Err(failed) => return Err(failed),
            }
            if place.last.is_none() || is_stateless(&request.params) {
                return Err(Failed::BrokeOff);
            }
            tries = if place.last == had { tries.saturating_add(1) } else { 0 };
            if tries >= MAX_TRIES {
                return Err(Failed::BrokeOff);
            }
            tokio::time::sleep(place.retry.unwrap_or(RETRY)).await;
            response = self.get(&place).await?;
            if !response.status().is_success() || !is_events(response.headers()) {
                return Err(Failed::BrokeOff);
            }
        }
    }

    async fn events(
        &self,
        response: HttpResponse<Incoming>,
        request: Option<&Request<'_>>,
        place: &mut Place,
    ) -> Result<Ended, Failed> {
        let mut body = response.into_body();
        let mut events = Events::new(MAX_BYTES);
        let mut room = Room::of(self);
        loop {
            while let Some(Event { data, id, retry, kind }) = events.next_event()? {
                if let Some(id) = id {
                    // An empty one takes back what was said before (HTML Standard, section 9.2.6).
                    place.last = HeaderValue::from_str(&id).ok().filter(|id| !id.is_empty());
                }
                if let Some(retry) = retry {
                    place.retry = Some(Duration::from_millis(retry).clamp(MIN_RETRY, MAX_RETRY));
                }
                let is_message = kind.as_deref().is_none_or(|kind| kind == "message");
                let Some(data) = data.filter(|data| is_message && !data.is_empty()) else { continue };
                if self.deliver(&data, request).await {
                    return Ok(Ended::Answered);
                }
            }
            if events.is_empty() {
                room = Room::of(self);
            }
            match body.frame().await {
                None => return Ok(Ended::Open),
                Some(Err(_)) => return Err(Failed::BrokeOff),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        room.take(bytes.len())?;
                        events.push(&bytes);
                    }
                }
            }
        }
    }

    async fn get(&self, place: &Place) -> Result<HttpResponse<Incoming>, Failed> {
        let mut headers = self.of_session();
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(last) = &place.last {
            headers.insert(LAST_EVENT, last.clone());
        }
        self.send(Method::GET, headers, Bytes::new()).await
    }

    /// Hears what belongs to no request, in each session that begins, where the server has that.
    pub(super) async fn listen(&self) {
        let mut begun = self.begun.subscribe();
        while begun.changed().await.is_ok() {
            let mut place = Place::default();
            let mut tries: u32 = 0;
            while tries < MAX_TRIES {
                let Ok(response) = self.get(&place).await else {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(place.retry.unwrap_or(RETRY)).await;
                    continue;
                };
                if !response.status().is_success() || !is_events(response.headers()) {
                    // It has none, or the session is over.
                    break;
                }
                let had = place.last.clone();
                let since = Instant::now();
                match self.events(response, None, &mut place).await {
                    Ok(_) | Err(Failed::BrokeOff) => {}
                    Err(refused) => {
                        tracing::warn!(server = self.endpoint.name, %refused, "it is not listened to any more");
                        break;
                    }
                }
                // Quiet streams are closed by whoever stands in between, which is no failure.
                let has_failed = place.last == had && since.elapsed() < LASTING;
                tries = if has_failed { tries.saturating_add(1) } else { 0 };
                tokio::time::sleep(place.retry.unwrap_or(RETRY)).await;
            }
        }
    }

    /// Begins a new session in place of the one of `round`, which the server has forgotten. What the
    /// server knew of it is lost; what it is asked from here on is not.
    async fn begin_again(&self, round: u64) -> Result<(), Failed> {
        let _one_at_a_time = self.beginning.lock().await;
        if *self.begun.borrow() != round {
            return Ok(());
        }
        let opening = self.known().opening.clone();
        let opening = opening.ok_or(Failed::Here("it forgot a session that was never begun"))?;
        let Ok(Message::Request(request)) = envelope::parse(&opening) else {
            return Err(Failed::Here("it forgot a session that was never begun"));
        };
        match timeout(BEGIN, self.open_again(&request)).await {
            Ok(opened) => opened?,
            Err(_) => return Err(Failed::Forgotten("it did not answer in time".to_owned())),
        }
        tracing::info!(server = self.endpoint.name, "the server forgot its session; a new one was begun");
        self.begun.send_modify(|begun| *begun = begun.saturating_add(1));
        Ok(())
    }

    async fn open_again(&self, request: &Request<'_>) -> Result<(), Failed> {
        let forgotten = |why: String| Failed::Forgotten(why);
        let response = self.post(request.text, headers::of_post()).await?;
        if !response.status().is_success() {
            return Err(forgotten(format!("it answered with status {}", response.status())));
        }
        let session = response.headers().get(SESSION).cloned();
        if !is_begun(response, request).await? {
            return Err(forgotten("it refused `initialize`".to_owned()));
        }
        self.known().session = session;
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let told = self.post(initialized, self.of_session()).await?;
        if told.status().is_success() {
            Ok(())
        } else {
            Err(forgotten(format!("it answered with status {}", told.status())))
        }
    }

    /// Ends the session, where there is one.
    pub(super) async fn leave(&self) {
        if self.known().session.is_none() {
            return;
        }
        let mut headers = self.of_session();
        headers.remove(CONTENT_TYPE);
        if let Err(failed) = self.send(Method::DELETE, headers, Bytes::new()).await {
            tracing::debug!(server = self.endpoint.name, %failed, "a session could not be ended");
        }
    }
}

/// Whether a request is answered with a result. A stream is read no further than to its answer: its
/// server may keep it open.
async fn is_begun(response: HttpResponse<Incoming>, request: &Request<'_>) -> Result<bool, Failed> {
    let has_events = is_events(response.headers());
    let mut body = Limited::new(response.into_body(), MAX_BYTES);
    if !has_events {
        let body = body.collect().await.map_err(|error| too_long_or_broken(&*error))?.to_bytes();
        return Ok(answer_of(&body, request) == Some(true));
    }
    let mut events = Events::new(MAX_BYTES);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| too_long_or_broken(&*error))?;
        let Ok(bytes) = frame.into_data() else { continue };
        events.push(&bytes);
        while let Some(event) = events.next_event()? {
            if let Some(is_result) = event.data.and_then(|data| answer_of(data.as_bytes(), request)) {
                return Ok(is_result);
            }
        }
    }
    Ok(false)
}

/// Whether a text that answers the request is a result.
fn answer_of(text: &[u8], request: &Request<'_>) -> Option<bool> {
    match envelope::parse(text) {
        Ok(Message::Response(response)) if response.id.map(envelope::Id::key) == Some(request.id.key()) => {
            Some(matches!(response.answer, Answer::Result(_)))
        }
        _ => None,
    }
}

/// The part of what a server may say at once that one answer takes up until it is handed on.
struct Room<'a> {
    of: &'a Semaphore,
    taken: Option<SemaphorePermit<'a>>,
}

impl<'a> Room<'a> {
    fn of(talk: &'a Talk) -> Room<'a> {
        Room { of: &talk.room, taken: None }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Failed> {
        let bytes = u32::try_from(bytes).map_err(|_| Failed::TooLong)?;
        let more = self.of.try_acquire_many(bytes).map_err(|_| Failed::TooMuch)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }
}

async fn whole_body(mut body: Incoming, room: &mut Room<'_>) -> Result<Vec<u8>, Failed> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failed::BrokeOff)?;
        let Ok(bytes) = frame.into_data() else { continue };
        if whole.len().saturating_add(bytes.len()) > MAX_BYTES {
            return Err(Failed::TooLong);
        }
        room.take(bytes.len())?;
        whole.extend_from_slice(&bytes);
    }
    Ok(whole)
}

pub(super) fn is_events(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    media.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn too_long_or_broken(error: &(dyn std::error::Error + 'static)) -> Failed {
    if error.is::<http_body_util::LengthLimitError>() { Failed::TooLong } else { Failed::BrokeOff }
}

/// An error and its causes.
pub(super) fn whole(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    message
}
