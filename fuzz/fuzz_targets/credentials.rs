//! What strangers show and publish: tokens, key sets, challenges, addresses, kept logins.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ringfence_identity::oauth::{Challenge, Grant};
use ringfence_identity::{AgentClaim, Endpoint, Issuer, Issuers, KeySet};
use ringfence_model::Timestamp;

static ISSUERS: LazyLock<Issuers> = LazyLock::new(|| {
    let issuer = Issuer {
        url: "https://id.acme.example".to_owned(),
        audience: None,
        agents: AgentClaim { claim: "sub".to_owned(), prefix: "spiffe://acme.example/agent/".to_owned() },
        sponsor: "email".to_owned(),
        scopes: Vec::new(),
    };
    Issuers::nobody().with(issuer, KeySet::none()).expect("the issuer is one")
});

fuzz_target!(|data: &[u8]| {
    drop(KeySet::parse(data));
    if let Some(grant) = Grant::from_bytes(data) {
        assert_eq!(Grant::from_bytes(&grant.to_bytes()), Some(grant));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    assert!(ISSUERS.verify(text, "https://here.example", Timestamp::UNIX_EPOCH).is_err());
    ISSUERS.unknown_key(text);
    if let Some(challenge) = Challenge::read(text) {
        challenge.scopes();
    }
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        assert_eq!(endpoint.as_str(), text);
        assert!(text.starts_with(&format!("{}{}", endpoint.origin(), endpoint.path())));
    }
});
