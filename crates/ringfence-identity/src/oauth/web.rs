//! How others are asked. Whoever implements it follows no redirect, bounds what it reads and how
//! long it waits, and checks certificates.

use std::future::Future;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{NoGrant, Secret};
use crate::endpoint::Endpoint;
use crate::strict;

/// The longest answer that is looked at, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Sends requests of the gateway's own.
pub trait Web: Send + Sync {
    /// One request, one answer.
    fn send(&self, request: Request) -> impl Future<Output = Result<Answer, Unreached>> + Send;
}

/// A GET, or a POST where there is a body.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where to.
    pub to: Endpoint,
    /// What is said.
    pub body: Option<Body>,
    /// The whole value of `Authorization`.
    pub authorization: Option<Secret>,
}

/// What is said in a POST.
#[derive(Debug, Clone)]
pub enum Body {
    /// `application/x-www-form-urlencoded`.
    Form(Secret),
    /// `application/json`.
    Json(String),
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// Nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreached(pub String);

impl Request {
    pub(super) fn get(to: &Endpoint) -> Request {
        Request { to: to.clone(), body: None, authorization: None }
    }
}

impl Answer {
    /// The document, where there is one.
    pub(super) fn document(
        &self,
        place: &Endpoint,
        wanted: &'static str,
    ) -> Result<Map<String, Value>, NoGrant> {
        let place = || place.clone();
        match self.status {
            200..300 => {}
            300..400 => return Err(NoGrant::Redirect { place: place(), wanted }),
            status => return Err(NoGrant::Status { place: place(), status, wanted }),
        }
        if self.body.len() > MAX_ANSWER {
            return Err(NoGrant::Malformed { place: place(), wanted, why: "it is too long" });
        }
        let why = "it is not one JSON object with each member once";
        strict::object(&self.body).map_err(|_| NoGrant::Malformed { place: place(), wanted, why })
    }
}

/// Asks for a document.
pub(super) async fn ask<W: Web>(web: &W, request: Request) -> Result<Answer, NoGrant> {
    let place = request.to.clone();
    web.send(request).await.map_err(|source| NoGrant::Unreached { place, source })
}
