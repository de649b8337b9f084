//! `WWW-Authenticate` (RFC 9110, section 11.6.1; RFC 6750, section 3; RFC 9728, section 5.1).

/// The longest header that is looked at, in bytes.
const MAX_HEADER: usize = 8 * 1024;

/// What a server says that it wants, with `Bearer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// Where it says what it is.
    pub resource_metadata: Option<String>,
    /// The scopes that it needs, separated by spaces.
    pub scope: Option<String>,
    /// Such as `invalid_token` or `insufficient_scope`.
    pub error: Option<String>,
}

impl Challenge {
    /// The first `Bearer` challenge of a header, where there is one. A parameter that is there twice
    /// makes it none.
    pub fn read(header: &str) -> Option<Challenge> {
        if header.len() > MAX_HEADER {
            return None;
        }
        let mut found: Option<Challenge> = None;
        let mut rest = header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return found;
            }
            let (name, after) = word(rest)?;
            match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
                // A parameter, or the padding of what some other scheme says.
                Some(value) => {
                    let (value, after) = value_of(value)?;
                    if let Some(challenge) = &mut found {
                        challenge.take(name, value)?;
                    }
                    rest = after;
                }
                // The next scheme.
                None if found.is_some() => return found,
                None => {
                    if name.eq_ignore_ascii_case("bearer") {
                        found = Some(Challenge::default());
                    }
                    rest = after;
                }
            }
        }
    }

    /// Whether what was shown counts, but not for this.
    pub fn lacks_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }

    /// The scopes that are needed, one by one.
    pub fn scopes(&self) -> Option<Vec<String>> {
        let scope = self.scope.as_deref()?;
        let scopes = scope.split(' ').filter(|scope| crate::is_scope(scope)).map(str::to_owned);
        Some(scopes.collect())
    }

    fn take(&mut self, name: &str, value: String) -> Option<()> {
        let place = match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => &mut self.resource_metadata,
            "scope" => &mut self.scope,
            "error" => &mut self.error,
            _ => return Some(()),
        };
        place.replace(value).is_none().then_some(())
    }
}

/// A token of RFC 9110, section 5.6.2, or base64 of another scheme's, and what comes after it.
fn word(text: &str) -> Option<(&str, &str)> {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c));
    let (word, rest) = text.split_at(text.find(is_end).unwrap_or(text.len()));
    (!word.is_empty()).then_some((word, rest))
}

/// What stands after an equals sign: a word, a quoted string, or nothing.
fn value_of(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t', '=']);
    let Some(quoted) = text.strip_prefix('"') else {
        return Some(word(text).map_or((String::new(), text), |(value, rest)| (value.to_owned(), rest)));
    };
    let mut value = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next()?),
            c => value.push(c),
        }
    }
}
