//! The gateway's own requests to authorization servers, over the same connections and certificates
//! as servers are reached with.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request as HttpRequest, StatusCode};
use ringfence_gateway::mcp::upstream::Http;
use ringfence_identity::Endpoint;
use ringfence_identity::oauth::{Answer, Body, Challenge, Request, Unreached, Web};
use zeroize::Zeroizing;

/// Reaches whom it is told to.
pub(super) struct Reach(pub(super) Http);

impl Web for Reach {
    async fn send(&self, request: Request) -> Result<Answer, Unreached> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let (method, body) = match &request.body {
            None => (Method::GET, Bytes::new()),
            Some(Body::Form(form)) => {
                let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
                headers.insert(CONTENT_TYPE, form_type);
                (Method::POST, Bytes::copy_from_slice(form.reveal().as_bytes()))
            }
            Some(Body::Json(text)) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                (Method::POST, Bytes::copy_from_slice(text.as_bytes()))
            }
        };
        if let Some(authorization) = &request.authorization {
            let value = HeaderValue::from_str(authorization.reveal());
            let mut value =
                value.map_err(|_| Unreached("a credential cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let (status, _, body) = self.fetch(&request.to, method, headers, body).await?;
        Ok(Answer { status: status.as_u16(), body: Zeroizing::new(body.to_vec()) })
    }
}

impl Reach {
    /// What a server says that it wants of whoever shows nothing.
    pub(super) async fn challenge(&self, server: &Endpoint) -> Result<Challenge, Unreached> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let (status, headers, _) = self.fetch(server, Method::GET, headers, Bytes::new()).await?;
        if status != StatusCode::UNAUTHORIZED {
            return Ok(Challenge::default());
        }
        let said = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        Ok(said.into_iter().find_map(Challenge::read).unwrap_or_default())
    }

    async fn fetch(
        &self,
        to: &Endpoint,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Unreached> {
        let mut request = HttpRequest::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = to.as_str().parse().map_err(|_| Unreached("it is no address".to_owned()))?;
        *request.headers_mut() = headers;
        let fetched = self.0.fetch(request).await.map_err(|error| Unreached(error.to_string()))?;
        Ok((fetched.status, fetched.headers, fetched.body))
    }
}
