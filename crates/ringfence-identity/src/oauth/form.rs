//! `application/x-www-form-urlencoded` (URL Standard, section 5).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// Everything but what RFC 3986, section 2.3, leaves alone.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest query that is looked at, in bytes.
const MAX_QUERY: usize = 16 * 1024;

pub(super) fn written(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut form = Zeroizing::new(String::new());
    for (name, value) in fields {
        if !form.is_empty() {
            form.push('&');
        }
        form.extend(utf8_percent_encode(name, RESERVED));
        form.push('=');
        form.extend(utf8_percent_encode(value, RESERVED));
    }
    form
}

/// One word on its own, as RFC 6749, section 2.3.1, has the halves of a client's credentials.
pub(super) fn word(text: &str) -> Zeroizing<String> {
    Zeroizing::new(utf8_percent_encode(text, RESERVED).to_string())
}

/// The fields of a query, decoded; none where one is not UTF-8 or there is too much.
pub(super) fn read(query: &str) -> Option<Vec<(String, Zeroizing<String>)>> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let decoded = |part: &str| {
        let spaced = part.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            Some((decoded(name)?, Zeroizing::new(decoded(value)?)))
        })
        .collect()
}
