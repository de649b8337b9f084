//! `issuers:`: whose tokens are taken besides those of configured agents.

use std::path::{Path, PathBuf};

use ringfence_identity::{AgentClaim, BadEndpoint, BadIssuer, Endpoint};
use serde_saphyr::Location;

use super::raw::RawIssuer;
use super::report::Report;
use crate::fault::Fault;
use crate::place;

/// The claim that is an agent's name where none is said (RFC 7519, section 4.1.2).
const SUBJECT: &str = "sub";

/// An issuer, and where its keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// What is taken of it.
    pub(crate) rules: ringfence_identity::Issuer,
    /// Where its key set is.
    pub(crate) keys: KeyPlace,
}

/// Where an issuer's key set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// In a file.
    File(PathBuf),
    /// Published under an address.
    Url(Endpoint),
}

pub(super) fn issuers(
    report: &mut Report<'_>,
    raw: Vec<RawIssuer>,
    base: &Path,
) -> Result<Vec<Issuer>, Fault> {
    let mut issuers: Vec<Issuer> = Vec::new();
    for raw in raw {
        let places = Places {
            url: raw.url.referenced,
            audience: raw.audience.as_ref().map(|audience| audience.referenced),
            claim: raw.agents.claim.as_ref().map(|claim| claim.referenced),
            prefix: raw.agents.prefix.referenced,
            sponsor: raw.sponsor.claim.referenced,
            scopes: raw.scopes.iter().map(|scope| scope.referenced).collect(),
        };
        let claim = raw.agents.claim.map_or_else(|| SUBJECT.to_owned(), |claim| claim.value);
        let rules = ringfence_identity::Issuer {
            url: raw.url.value,
            audience: raw.audience.map(|audience| audience.value),
            agents: AgentClaim { claim, prefix: raw.agents.prefix.value },
            sponsor: raw.sponsor.claim.value,
            scopes: raw.scopes.into_iter().map(|scope| scope.value).collect(),
        };
        let beside = issuers.iter().try_for_each(|other| rules.beside(&other.rules));
        if let Err(bad) = rules.check().and(beside) {
            report.add(places.of(bad, &rules), bad.to_string(), None);
        }
        let keys = match (raw.keys.file, raw.keys.url) {
            (Some(file), None) => KeyPlace::File(place::resolved(&file, base)?),
            (None, Some(url)) => match url.value.parse() {
                Ok(url) => KeyPlace::Url(url),
                Err(bad) => {
                    let bad: BadEndpoint = bad;
                    report.add(url.referenced, format!("`{}` is {bad}", url.value), None);
                    continue;
                }
            },
            (Some(_), Some(_)) | (None, None) => {
                let help = Some("write `keys: {file: PATH}` or `keys: {url: …}`".to_owned());
                report.add(places.url, "an issuer's keys come from one file or one address", help);
                continue;
            }
        };
        issuers.push(Issuer { rules, keys });
    }
    Ok(issuers)
}

/// What stands where.
struct Places {
    url: Location,
    audience: Option<Location>,
    claim: Option<Location>,
    prefix: Location,
    sponsor: Location,
    scopes: Vec<Location>,
}

impl Places {
    /// Where what is wrong stands.
    fn of(&self, bad: BadIssuer, rules: &ringfence_identity::Issuer) -> Location {
        match bad {
            BadIssuer::Url | BadIssuer::Twice => self.url,
            BadIssuer::Prefix | BadIssuer::Overlap => self.prefix,
            BadIssuer::Scope => {
                let odd = rules.scopes.iter().position(|scope| !ringfence_identity::is_scope(scope));
                odd.and_then(|odd| self.scopes.get(odd).copied()).unwrap_or(self.url)
            }
            BadIssuer::Name if rules.agents.claim.is_empty() => self.claim.unwrap_or(self.url),
            BadIssuer::Name if rules.sponsor.is_empty() => self.sponsor,
            BadIssuer::Name => self.audience.unwrap_or(self.url),
        }
    }
}
