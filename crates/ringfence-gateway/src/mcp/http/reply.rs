//! What goes back over HTTP: whole bodies, and streams of events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::session::{Heard, Said};
use crate::mcp::envelope::Id;

/// A request that is answered without going further.
#[derive(Debug)]
pub(super) struct Stop {
    status: StatusCode,
    told: Told,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is said with it.
#[derive(Debug)]
enum Told {
    /// A JSON-RPC error, and the id that it answers as written.
    Error { id: String, error: Value },
    /// A message, whole.
    Message(String),
}

impl Stop {
    pub(super) fn new(status: StatusCode, message: &str) -> Stop {
        Stop::coded(status, -32000, message, Value::Null)
    }

    pub(super) fn bad(message: &str) -> Stop {
        Stop::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn coded(status: StatusCode, code: i32, message: &str, data: Value) -> Stop {
        let mut error = json!({ "code": code, "message": message });
        if let (Some(members), false) = (error.as_object_mut(), data.is_null()) {
            members.insert("data".to_owned(), data);
        }
        Stop { status, told: Told::Error { id: "null".to_owned(), error }, headers: Vec::new() }
    }

    /// A message that is answered by a message.
    pub(super) fn message(status: StatusCode, body: String) -> Stop {
        Stop { status, told: Told::Message(body), headers: Vec::new() }
    }

    /// It answers the request with this id.
    pub(super) fn of(mut self, request: Id<'_>) -> Stop {
        if let Told::Error { id, .. } = &mut self.told {
            *id = request.text().to_owned();
        }
        self
    }

    pub(super) fn unauthorized(reason: &str, was_shown: bool) -> Stop {
        let challenge = if was_shown {
            r#"Bearer realm="ringfence", error="invalid_token""#
        } else {
            r#"Bearer realm="ringfence""#
        };
        Stop::new(StatusCode::UNAUTHORIZED, reason).with(WWW_AUTHENTICATE, challenge)
    }

    pub(super) fn with(mut self, name: HeaderName, value: &'static str) -> Stop {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    /// The same with this header's value and no other.
    pub(super) fn instead(mut self, name: HeaderName, value: HeaderValue) -> Stop {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value));
        self
    }

    pub(super) fn response(self) -> Response<Reply> {
        let body = match self.told {
            Told::Error { id, error } => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#),
            Told::Message(message) => message,
        };
        let mut response = json(self.status, Bytes::from(body));
        response.headers_mut().extend(self.headers);
        response
    }
}

/// A body, and its caller's place that it takes up until it is sent.
pub(super) struct Reply {
    pub(super) content: Content,
    place: Option<OwnedSemaphorePermit>,
}

/// What a body is.
pub(super) enum Content {
    /// All of it.
    Whole(Option<Bytes>),
    /// Server-sent events, as they come.
    Events(Box<Events>),
}

impl Reply {
    /// Takes up a place from here on.
    pub(super) fn hold(&mut self, place: OwnedSemaphorePermit) {
        self.place = Some(place);
    }
}

impl From<Content> for Reply {
    fn from(content: Content) -> Reply {
        Reply { content, place: None }
    }
}

/// Server-sent events.
pub(super) struct Events {
    heard: Heard,
    beat: Interval,
    is_over: bool,
}

pub(super) fn empty(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Content::Whole(None).into());
    *response.status_mut() = status;
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Reply> {
    of_type(status, "text/plain; charset=utf-8", Content::Whole(Some(Bytes::from_static(text.as_bytes()))))
}

pub(super) fn json(status: StatusCode, body: Bytes) -> Response<Reply> {
    of_type(status, "application/json", Content::Whole(Some(body)))
}

pub(super) fn events(heard: Heard, beat: Duration) -> Response<Reply> {
    let mut beat = interval_at(Instant::now() + beat, beat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events = Content::Events(Box::new(Events { heard, beat, is_over: false }));
    of_type(StatusCode::OK, "text/event-stream", events)
}

fn of_type(status: StatusCode, media: &'static str, content: Content) -> Response<Reply> {
    let mut response = Response::new(Reply::from(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One message as an event (HTML Standard, Server-sent events). A message holds no line feed, and
/// a carriage return only at its end.
fn event(said: &Said) -> Bytes {
    let text = said.text.strip_suffix(b"\r").unwrap_or(&said.text);
    Bytes::from([b"event: message\ndata: ".as_slice(), text, b"\n\n"].concat())
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let events = match &mut self.get_mut().content {
            Content::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Events(events) => events,
        };
        if events.is_over {
            return Poll::Ready(None);
        }
        match events.heard.poll(context) {
            Poll::Ready(Some(said)) => {
                events.is_over = said.is_last;
                events.beat.reset();
                Poll::Ready(Some(Ok(Frame::data(event(&said)))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                events.beat.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b": \n\n")))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Events(events) => events.is_over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Content::Events(_) => SizeHint::default(),
        }
    }
}
