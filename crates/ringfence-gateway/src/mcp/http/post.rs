//! A POST: one message of the client, from its bytes to the session it belongs to and back.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use ringfence_guard::Session as Caller;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::reply::{self, Content, Reply, Stop};
use super::session::{Asked, Heard, Kind, Line, NotAsked, Session};
use super::{Front, SESSION, Upstreams, alone, gate, mirror};
use crate::mcp::edit;
use crate::mcp::envelope::{self, Answer, Message};
use crate::mcp::{json, method};

/// How much of a body that says how long it is is made room for at once.
const AT_ONCE: usize = 64 * 1024;

impl<U: Upstreams> Front<U> {
    /// Takes a message in. The answer to requests is JSON where nothing else comes before it and
    /// it comes soon, else a stream of events.
    pub(super) async fn post(
        &self,
        request: Request<Incoming>,
        server: &str,
        caller: Caller,
        bodies: Arc<Semaphore>,
    ) -> Result<Response<Reply>, Stop> {
        let (head, body) = request.into_parts();
        gate::is_json(&head.headers)?;
        gate::accepts(&head.headers, &["application/json", "text/event-stream"])?;
        let (body, held) = self.body(&head.headers, body, bodies).await?;
        let message = envelope::parse(&body)
            .map_err(|refused| Stop::message(StatusCode::BAD_REQUEST, edit::refused(&refused)))?;
        let line = Line { text: one_line(&message), held: Some(held) };
        if let Message::Request(request) = &message
            && alone::is_one(&head.headers, request)?
        {
            alone::checked(&head.headers, request)?;
            let heard = self.ask_alone(server, caller, request, &head.headers, line).await?;
            return self.heard(heard, alone::status).await;
        }
        let answered = |stop: Stop| match &message {
            Message::Request(request) => stop.of(request.id),
            Message::Notification(_) | Message::Response(_) | Message::Batch(_) => stop,
        };
        mirror::agrees(&head.headers, &message).map_err(answered)?;
        let asked = asked(&message);
        let named = gate::single(&head.headers, SESSION)?.is_some();
        if asked.is_empty() {
            let session = self.session(&head.headers, server, &caller)?;
            if let Message::Notification(notification) = &message
                && notification.method == "notifications/cancelled"
                && let Some(id) = method::cancelled(&notification.params)
            {
                session.cancelled(id);
            }
            session.say(line).await.map_err(NotAsked::stop)?;
            return Ok(reply::empty(StatusCode::ACCEPTED));
        }
        match &message {
            Message::Request(request) if !named && request.method == "initialize" => {
                let beginning = Beginning(Some(self.open(server, caller, Kind::Named).await?));
                beginning.ask(self, asked, line).await
            }
            _ => {
                let session = self.session(&head.headers, server, &caller).map_err(answered)?;
                let heard = session.ask(asked, || line).await.map_err(NotAsked::stop)?;
                self.heard(heard, always_ok).await
            }
        }
    }

    /// A request that stands alone goes over a wire of its credential's on which its id is free.
    async fn ask_alone(
        &self,
        server: &str,
        caller: Caller,
        request: &envelope::Request<'_>,
        headers: &HeaderMap,
        line: Line,
    ) -> Result<Heard, Stop> {
        let mut line = Some(line);
        let mut sessions = self.sessions.of_credential(server, caller.id());
        if let Some(state) = request.params.member("requestState").and_then(json::string) {
            // Whoever comes back does so where it has been.
            sessions.sort_by_key(|session| !session.handed_out(&state));
        }
        if let Some(task) = request.params.member("taskId").and_then(json::string) {
            sessions.sort_by_key(|session| !session.made_task(&task));
        }
        for session in sessions {
            if request.method == "tools/call" {
                alone::agrees(headers, request, &session.marked(request).await)?;
            }
            let once =
                || line.take().expect("invariant: a line is taken only by the wire that takes the request");
            match session.ask(vec![Asked::of(request)], once).await {
                Ok(heard) => return Ok(heard),
                Err(NotAsked::IdTaken(_) | NotAsked::Ended(_)) if line.is_some() => {}
                Err(not) => return Err(not.stop()),
            }
        }
        let session = self.open(server, caller, Kind::OfCredential).await?;
        if request.method == "tools/call" {
            alone::agrees(headers, request, &session.marked(request).await)?;
        }
        let once = || line.take().expect("invariant: no other wire took the line");
        session.ask(vec![Asked::of(request)], once).await.map_err(NotAsked::stop)
    }

    async fn open(&self, server: &str, caller: Caller, kind: Kind) -> Result<Arc<Session>, Stop> {
        if self.draining.load(Ordering::SeqCst) {
            let stop = Stop::new(StatusCode::SERVICE_UNAVAILABLE, "the gateway is ending");
            return Err(stop.with(RETRY_AFTER, "10"));
        }
        let place = self.sessions.place(caller.id())?;
        let broken = |why: &str| Stop::new(StatusCode::BAD_GATEWAY, why);
        let id: String = match self.upstreams.chance() {
            Some(chance) => ringfence_model::hex(&chance),
            None => return Err(broken("the operating system gave no random bytes")),
        };
        let (session, lines) =
            Session::new(id, server, caller.id(), kind, self.limits, self.sessions.settled());
        let opened = self.upstreams.open(server, caller).await;
        let opened = opened.map_err(|not_opened| broken(&not_opened.reason))?;
        self.sessions.add(&session);
        let sessions = Arc::clone(&self.sessions);
        let running = Arc::clone(&session);
        tokio::spawn(async move {
            Arc::clone(&running).run(opened, lines).await;
            sessions.remove(&running);
            drop(place);
        });
        Ok(session)
    }

    /// The answer, with the status that `status` gives it where it comes at once.
    async fn heard(
        &self,
        mut heard: Heard,
        status: fn(&[u8]) -> StatusCode,
    ) -> Result<Response<Reply>, Stop> {
        match timeout(self.limits.beat, heard.next()).await {
            Ok(Some(said)) if said.is_last => Ok(reply::json(status(&said.text), said.text)),
            Ok(Some(said)) => {
                heard.begin_with(said);
                Ok(reply::events(heard, self.limits.beat))
            }
            // Nothing is said any more, or not yet.
            Ok(None) | Err(_) => Ok(reply::events(heard, self.limits.beat)),
        }
    }

    /// The whole body, within its bounds and in time.
    async fn body(
        &self,
        headers: &HeaderMap,
        body: Incoming,
        bodies: Arc<Semaphore>,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), Stop> {
        let too_large = || Stop::new(StatusCode::PAYLOAD_TOO_LARGE, "the message is too long");
        let length = match headers.get(CONTENT_LENGTH) {
            Some(length) => {
                length.to_str().ok().and_then(|length| length.parse::<usize>().ok()).unwrap_or(usize::MAX)
            }
            None => 0,
        };
        if length > self.limits.body {
            return Err(too_large());
        }
        let busy = || {
            let stop =
                Stop::new(StatusCode::SERVICE_UNAVAILABLE, "this credential is sending too much at once");
            stop.with(RETRY_AFTER, "1")
        };
        let mut held = Arc::clone(&bodies).try_acquire_many_owned(0).map_err(|_| busy())?;
        let mut whole = Vec::with_capacity(length.min(AT_ONCE));
        let mut body = body;
        let reading = async {
            while let Some(part) = next(&mut body).await {
                let part = part.map_err(|_| Stop::bad("the body broke off"))?;
                if whole.len().saturating_add(part.len()) > self.limits.body {
                    return Err(too_large());
                }
                let size = u32::try_from(part.len()).map_err(|_| too_large())?;
                held.merge(Arc::clone(&bodies).try_acquire_many_owned(size).map_err(|_| busy())?);
                whole.extend_from_slice(&part);
            }
            Ok(())
        };
        match timeout(self.limits.arrival, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(Stop::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
        }
        Ok((whole, held))
    }
}

/// A session that its client does not know of yet. Where the client never will, it ends.
struct Beginning(Option<Arc<Session>>);

impl Beginning {
    async fn ask<U: Upstreams>(
        mut self,
        front: &Front<U>,
        asked: Vec<Asked>,
        line: Line,
    ) -> Result<Response<Reply>, Stop> {
        let session = self.0.as_ref().map(Arc::clone).expect("invariant: it is made with a session");
        let heard = session.ask(asked, || line).await.map_err(NotAsked::stop)?;
        let mut response = front.heard(heard, always_ok).await?;
        if !is_error(response.body()) {
            let id = HeaderValue::from_str(&session.id)
                .expect("invariant: an id of ours is made of hexadecimal digits");
            response.headers_mut().insert(SESSION, id);
            self.0 = None;
        }
        Ok(response)
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.end("it was not initialized");
        }
    }
}

/// What a session's requests are answered with, whatever the answer is.
fn always_ok(_: &[u8]) -> StatusCode {
    StatusCode::OK
}

/// Whether a client is told that what it asked failed.
fn is_error(reply: &Reply) -> bool {
    let Content::Whole(Some(text)) = &reply.content else { return false };
    let Ok(Message::Response(response)) = envelope::parse(text) else { return false };
    matches!(response.answer, Answer::Error(_))
}

/// The next bytes of a body; trailers say nothing here.
async fn next(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => return Some(Ok(bytes)),
            Ok(Err(_)) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}

fn asked(message: &Message<'_>) -> Vec<Asked> {
    match message {
        Message::Request(request) => vec![Asked::of(request)],
        Message::Notification(_) | Message::Response(_) => Vec::new(),
        Message::Batch(batch) => batch.messages.iter().flat_map(asked).collect(),
    }
}

/// As it was written, on one line: a line end between tokens is a space, and there is none within.
fn one_line(message: &Message<'_>) -> Vec<u8> {
    let mut text = message.text().as_bytes().to_vec();
    for byte in &mut text {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    text
}
