//! What is looked at before anything else: where a request believes to be, from which page it
//! comes, and in which form its body is. Only headers; nothing of MCP.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, ORIGIN};
use hyper::{Request, StatusCode};

use super::reply::Stop;

/// Refuses what a page in somebody's browser could have sent: a name that was made to resolve to
/// this machine (DNS rebinding), or another site's origin.
pub(super) fn not_foreign<B>(request: &Request<B>, local: SocketAddr) -> Result<(), Stop> {
    let forbidden = |what: &str| Stop::new(StatusCode::FORBIDDEN, what);
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        (None, _) | (Some(_), Some(_)) => return Err(forbidden("there must be one `Host`")),
    };
    let named = request.uri().authority().map(hyper::http::uri::Authority::as_str);
    if !is_own(host, local) || named.is_some_and(|named| !is_own(named, local)) {
        return Err(forbidden("`Host` is not this gateway's address"));
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !origin.is_some_and(|origin| is_own(origin, local)) {
            return Err(forbidden("`Origin` is another site's"));
        }
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    if sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        return Err(forbidden("`Sec-Fetch-Site` says that another site asks"));
    }
    Ok(())
}

/// Whether an authority is the address that the connection was made to. A name other than
/// `localhost` never is: whoever owns a name chooses what it resolves to.
fn is_own(authority: &str, local: SocketAddr) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        Some(_) | None => (authority, Some(80)),
    };
    if port != Some(local.port()) {
        return false;
    }
    if host.eq_ignore_ascii_case("localhost") {
        return local.ip().is_loopback();
    }
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().is_ok_and(|ip: IpAddr| ip == local.ip() || (ip.is_loopback() && local.ip().is_loopback()))
}

/// A header that may be there once.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Stop> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match value.to_str() {
            Ok(value) => Ok(Some(value.trim())),
            Err(_) => Err(Stop::bad(&format!("the header `{name}` is not readable"))),
        },
        (Some(_), Some(_)) => Err(Stop::bad(&format!("the header `{name}` is there twice"))),
    }
}

/// Takes JSON in UTF-8 and nothing that another reader could take for something else.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Stop> {
    let unsupported = || Stop::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be `application/json`");
    let media = single(headers, CONTENT_TYPE.as_str()).map_err(|_| unsupported())?.ok_or_else(unsupported)?;
    let mut parts = media.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let is_plain = parts.all(|parameter| {
        let parameter = parameter.to_ascii_lowercase();
        matches!(parameter.as_str(), "charset=utf-8" | "charset=\"utf-8\"")
    });
    if !is_json || !is_plain || headers.contains_key(CONTENT_ENCODING) {
        return Err(unsupported());
    }
    Ok(())
}

/// Whether the client takes every one of these kinds.
pub(super) fn accepts(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Stop> {
    let ranges: Vec<String> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(accepted)
        .collect();
    let takes = |kind: &&str| {
        let (main, _) = kind.split_once('/').unwrap_or((kind, ""));
        ranges.iter().any(|range| {
            range == kind || range == "*/*" || range.strip_suffix("/*").is_some_and(|range| range == main)
        })
    };
    match kinds.iter().find(|kind| !takes(kind)) {
        None => Ok(()),
        Some(kind) => Err(Stop::new(StatusCode::NOT_ACCEPTABLE, &format!("the client must accept `{kind}`"))),
    }
}

/// A media range, unless its weight says that it is not wanted.
fn accepted(written: &str) -> Option<String> {
    let mut parts = written.split(';').map(|part| part.trim().to_ascii_lowercase());
    let range = parts.next().filter(|range| !range.is_empty())?;
    let unwanted = |part: &String| {
        part.strip_prefix("q=")
            .and_then(|weight| weight.parse::<f32>().ok())
            .is_some_and(|weight| weight <= 0.0)
    };
    (!parts.any(|part| unwanted(&part))).then_some(range)
}
