//! Who comes in by a token of somebody else's issuer.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringfence_audit::record::{Record, Scope};
use ringfence_guard::{Configured, Denied, Evidence, Session, Standing};
use ringfence_identity::{AgentClaim, Issuer, Issuers, KeySet, Verified};
use ringfence_model::Timestamp;
use serde_json::{Value, json};

use crate::world::{Call, PAY_IS_ASKED, Setting, World, id, words};

const ISSUER: &str = "https://id.acme.example";
const HERE: &str = "https://gateway.acme.example/mcp";

struct Idp {
    key: Ed25519KeyPair,
    issuers: Issuers,
}

impl Idp {
    fn new() -> Idp {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
        let set = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}).to_string();
        let issuer = Issuer {
            url: ISSUER.to_owned(),
            audience: None,
            agents: AgentClaim { claim: "sub".to_owned(), prefix: prefix() },
            sponsor: "email".to_owned(),
            scopes: Vec::new(),
        };
        let issuers = Issuers::nobody().with(issuer, KeySet::parse(set.as_bytes()).unwrap()).unwrap();
        Idp { key, issuers }
    }

    /// What a token of this agent and person, issued now, says.
    fn says(&self, now: Timestamp, agent: &str, person: &str) -> Verified {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let claims = json!({"iss": ISSUER, "aud": HERE, "sub": agent, "email": person,
            "iat": now.as_second(), "exp": now.as_second() + 300});
        let message = format!("{}.{}", part(json!({"alg": "EdDSA", "typ": "at+jwt"})), part(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(message.as_bytes()).as_ref());
        self.issuers.verify(&format!("{message}.{signature}"), HERE, now).unwrap()
    }
}

/// What [`id`] puts before a name.
fn prefix() -> String {
    id("a").as_str().strip_suffix('a').unwrap().to_owned()
}

fn world() -> World {
    let configured = Configured { issued: vec![prefix()], ..Configured::nobody() };
    World::set(Setting { configured, ..Setting::of(PAY_IS_ASKED) })
}

fn refused(entered: Result<Session, Denied>) -> String {
    match entered {
        Ok(session) => panic!("{} was let in", session.subject().id),
        Err(denied) => {
            assert!(denied.record.is_some(), "it is recorded");
            denied.decision.reason().to_string()
        }
    }
}

async fn enter(world: &World, said: Verified) -> Result<Session, Denied> {
    world.enter(Evidence::Jwt(said)).await
}

#[tokio::test]
async fn a_renewed_token_is_the_same_session_and_another_person_is_not() {
    let (world, idp) = (world(), Idp::new());
    let first = enter(&world, idp.says(world.guard().now(), "a", "dana")).await.unwrap();
    assert_eq!((first.subject().id.clone(), first.subject().sponsor.as_str()), (id("a"), "dana"));
    world.clock.pass(Duration::from_secs(60));
    let renewed = enter(&world, idp.says(world.guard().now(), "a", "dana")).await.unwrap();
    assert_eq!(first.id(), renewed.id());
    let other_person = enter(&world, idp.says(world.guard().now(), "a", "erin")).await.unwrap();
    assert_ne!(first.id(), other_person.id());
    let other_agent = enter(&world, idp.says(world.guard().now(), "b", "dana")).await.unwrap();
    assert_ne!(first.id(), other_agent.id());
    let started = world.records().into_iter().filter_map(|(_, stamped)| match stamped.record {
        Record::SessionStarted(started) => Some((started.subject, started.issuer, started.sponsor)),
        _ => None,
    });
    let started: Vec<_> = started.collect();
    assert_eq!(started.len(), 3);
    for (agent, issuer, person) in started {
        assert!(agent == id("a").as_str() || agent == id("b").as_str(), "{agent}");
        assert_eq!(issuer.as_deref(), Some(ISSUER));
        assert!(!person.contains("dana") && !person.contains("erin"), "a person is a pseudonym in leaves");
    }
}

#[tokio::test]
async fn what_was_verified_does_not_count_for_ever() {
    let (world, idp) = (world(), Idp::new());
    let said = idp.says(world.guard().now(), "a", "dana");
    enter(&world, said.clone()).await.unwrap();
    world.clock.pass(Duration::from_secs(400));
    assert_eq!(refused(enter(&world, said).await), "the token has expired");
}

#[tokio::test]
async fn standing_and_kills_hold_for_agents_that_nobody_registered() {
    let (world, idp) = (world(), Idp::new());
    let operator = world.operator("olga", &[]).await;
    let says = |agent: &str| idp.says(world.guard().now(), agent, "dana");
    let running = enter(&world, says("a")).await.unwrap();
    world.guard().set_standing(&operator, &id("a"), Standing::Suspended).await.unwrap();
    assert_eq!(refused(enter(&world, says("a")).await), "the agent is suspended");
    assert!(running.is_killed(), "what it has open is stopped too");
    world.guard().set_standing(&operator, &id("a"), Standing::Active).await.unwrap();
    let again = enter(&world, says("a")).await.unwrap();
    assert_eq!(again.subject().sponsor.as_str(), "dana", "not who reinstated it");
    world.guard().set_standing(&operator, &id("a"), Standing::Revoked).await.unwrap();
    assert_eq!(refused(enter(&world, says("a")).await), "the agent is revoked");

    let b = enter(&world, says("b")).await.unwrap();
    let scope = Scope::Agent(id("b").to_string());
    world.guard().kill(&operator, scope, "it misbehaves").await.unwrap();
    assert!(b.is_killed());
    let renewed = enter(&world, says("b")).await.unwrap();
    assert!(renewed.is_killed(), "a fresh token is no way around a kill");
    assert!(words(&renewed.check(Call::tool("read")).await).starts_with("deny ringfence/"));

    let stranger = "spiffe://elsewhere.example/a".parse().unwrap();
    assert!(world.guard().set_standing(&operator, &stranger, Standing::Suspended).await.is_err());
}
