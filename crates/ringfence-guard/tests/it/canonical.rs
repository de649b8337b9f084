//! What an approval is bound to: the RFC 8785 form of exactly what was asked, held against the
//! vectors in `tests/cases/guard/canonical.yaml` byte by byte.

use ringfence_guard::{NotCanonical, Target, action_digest, sha256};
use ringfence_model::{Arguments, Digest, Person, Ring, Subject};
use serde::Deserialize;

use crate::cases::file;
use crate::world::{Call, PAY_IS_ASKED, World, call, id};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// JSON as it was sent.
    sent: String,
    /// Its RFC 8785 form; absent where it is refused.
    canonical: Option<String>,
}

fn digest(sent: &str) -> Result<Digest, NotCanonical> {
    let subject = Subject {
        id: id("a"),
        sponsor: Person::new("dana"),
        groups: [].into(),
        ring: Ring::Three,
        delegation: [].into(),
    };
    let mut call = Call::tool("pay");
    call.action.arguments = Arguments::parse(sent).unwrap();
    action_digest(&subject, &call.action, &Target::default())
}

fn expected(canonical: &str) -> Digest {
    let text = format!(
        r#"{{"action":"tool.call","arguments":{canonical},"resource":"mcp://erp/pay","server":null,"subject":"spiffe://acme.example/agent/a","tool":null}}"#
    );
    sha256(text.as_bytes())
}

#[test]
fn the_vectors_of_rfc_8785_pass_and_what_it_cannot_hold_is_refused() {
    let vectors: Vec<Vector> = file("canonical.yaml");
    assert!(vectors.len() > 30);
    for Vector { name, sent, canonical } in vectors {
        match (digest(&sent), canonical) {
            (Ok(digest), Some(canonical)) => assert_eq!(digest, expected(&canonical), "{name}: {sent}"),
            (Err(NotCanonical::Number(_)), None) => {}
            (Err(error), _) => panic!("{name}: {sent}: {error}"),
            (Ok(_), None) => panic!("{name}: {sent} was taken"),
        }
    }
}

#[tokio::test]
async fn a_number_that_cannot_be_held_is_denied_where_it_would_be_asked_and_only_there() {
    let world = World::new(PAY_IS_ASKED);
    let session = world.session("a").await;
    for amount in ["9007199254740993", "0.123456789012345678", "1e400"] {
        let Ok(_) = Arguments::parse(&format!(r#"{{"n":{amount}}}"#)) else { continue };
        let sent = format!(r#"{{"n":{amount}}}"#);
        assert_eq!(call(&session, Call::with("pay", &sent)).await, "deny ringfence/approval", "{amount}");
        assert_eq!(call(&session, Call::with("read", &sent)).await, "allow", "{amount}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::digest;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Two amounts that differ as written in decimal never share a digest, however close.
        #[test]
        fn different_amounts_never_share_a_digest(whole in 0u64..1 << 54, part in 0u32..1000, step in 1u32..4) {
            let (one, two) = (format!("{whole}.{part:03}"), format!("{whole}.{:03}", part + step));
            prop_assume!(part + step < 1000);
            if let (Ok(one), Ok(two)) = (digest(&one), digest(&two)) {
                prop_assert_ne!(one, two);
            }
        }

        /// What a double prints as is always taken.
        #[test]
        fn what_a_double_is_written_as_is_taken(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            let text = serde_json::to_string(&value).unwrap();
            prop_assert!(digest(&text).is_ok(), "{}", text);
        }
    }
}
