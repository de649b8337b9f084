//! What a server is shown. Where it comes from, and for whom, is known to whoever implements
//! [`Credential`]; here it is put into a header, and nowhere else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

/// What comes of asking for a credential.
pub type Shown<'a, T> = Pin<Box<dyn Future<Output = Result<T, NothingToShow>> + Send + 'a>>;

/// There is nothing that the server would take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NothingToShow(pub String);

/// A credential of one agent's for one server, which may change while it is used.
pub trait Credential: Send + Sync {
    /// The whole value of `Authorization`, as it is now; none where there is none yet.
    fn now(&self) -> Shown<'_, Option<HeaderValue>>;

    /// What to show in place of what was refused. `challenges` are the server's `WWW-Authenticate`.
    fn instead(&self, refused: Option<HeaderValue>, challenges: Vec<String>) -> Shown<'_, HeaderValue>;
}

/// What a server is shown.
#[derive(Clone)]
pub enum Authorization {
    /// Nothing.
    Nothing,
    /// The whole value of `Authorization`, always the same.
    Fixed(HeaderValue),
    /// One that is issued, renewed and refused.
    Issued(Arc<dyn Credential>),
}

impl fmt::Debug for Authorization {
    /// Without the credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Authorization::Nothing => "Nothing",
            Authorization::Fixed(_) => "Fixed(…)",
            Authorization::Issued(_) => "Issued(…)",
        })
    }
}

impl Authorization {
    pub(super) async fn now(&self) -> Result<Option<HeaderValue>, NothingToShow> {
        match self {
            Authorization::Nothing => Ok(None),
            Authorization::Fixed(value) => Ok(Some(value.clone())),
            Authorization::Issued(credential) => credential.now().await,
        }
    }

    /// What to show in place of what was refused; nothing where nothing else is at hand, or the
    /// refusal is about something else.
    pub(super) async fn instead(
        &self,
        refused: Option<HeaderValue>,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, NothingToShow> {
        let Authorization::Issued(credential) = self else { return Ok(None) };
        let challenges = headers.get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<String> =
            challenges.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect();
        let is_about_it = match status {
            StatusCode::UNAUTHORIZED => true,
            StatusCode::FORBIDDEN => challenges.iter().any(|said| said.contains("insufficient_scope")),
            _ => false,
        };
        if is_about_it { credential.instead(refused, challenges).await.map(Some) } else { Ok(None) }
    }
}
