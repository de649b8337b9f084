//! Tokens: what is taken for one, how long it counts, and how it is renewed.

use ringfence_identity::oauth::{Grant, NoGrant, Registered, by_itself};
use serde_json::{Value, json};

use super::world::{ISSUER, SERVER, World, basic, endpoint, registered};
use crate::idp::{NOW, at};

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_the_old_way_to_renew_is_void() {
    let world = World::new();
    let grant = world.logged_in().await;
    assert!(grant.token(at(NOW + 269)).is_some() && grant.token(at(NOW + 270)).is_none());
    let renewed = grant.renew(&world, &registered(), at(NOW + 270)).await.unwrap();
    assert_eq!(renewed.token(at(NOW + 270)).unwrap().reveal(), "access-2");
    let again = renewed.renew(&world, &registered(), at(NOW + 600)).await.unwrap();
    assert_eq!(again.token(at(NOW + 600)).unwrap().reveal(), "access-3");
    let replayed = grant.renew(&world, &registered(), at(NOW)).await.unwrap_err();
    assert!(matches!(replayed, NoGrant::Refused { code, .. } if code == "invalid_grant"));
}

#[tokio::test]
async fn what_an_issuer_answers_is_a_bearer_token_or_none() {
    let token = |changes: Value| {
        let whole = json!({"access_token": "a", "token_type": "Bearer", "expires_in": 60});
        (200, super::world::changed(whole, &changes).to_string())
    };
    let cases = [
        (token(json!({"access_token": null})), "no token in it"),
        (token(json!({"access_token": ""})), "none that can be shown"),
        (token(json!({"access_token": "a\r\nHost: evil.example"})), "none that can be shown"),
        (token(json!({"access_token": 7})), "none that can be shown"),
        (token(json!({"token_type": "DPoP"})), "not of the type"),
        (token(json!({"token_type": null})), "not of the type"),
        (token(json!({"expires_in": "soon"})), "no number of seconds"),
        (token(json!({"expires_in": -1})), "no number of seconds"),
        ((307, String::new()), "is not followed"),
        ((500, String::new()), "status 500"),
        ((400, "<html>".to_owned()), "status 400"),
        ((400, json!({"error": "invalid_target"}).to_string()), "`invalid_target`"),
        ((400, json!({"error": "\u{1b}[2J your token was x"}).to_string()), "not of the protocol"),
    ];
    for (answer, expected) in cases {
        let world = World::new();
        world.state().instead = Some(answer);
        let place = world.discover().await.unwrap();
        let error = by_itself(&world, &place, &registered(), None, at(NOW)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("evil") && !error.contains("your token"), "{error}");
    }
}

#[tokio::test]
async fn the_gateway_logs_in_for_itself_only_as_a_client_with_a_secret() {
    let world = World::new();
    let place = world.discover().await.unwrap();
    let scopes = Some(vec!["write".to_owned()]);
    let grant = by_itself(&world, &place, &registered(), scopes, at(NOW)).await.unwrap();
    assert_eq!(grant.token(at(NOW)).unwrap().reveal(), "access-1");
    {
        let state = world.state();
        let (_, said, shown) = state.asked.last().unwrap();
        assert_eq!((said["scope"].as_str(), shown.as_ref()), ("write", Some(&basic())));
    }
    let public = Registered::With { issuer: ISSUER.to_owned(), id: "x".to_owned(), secret: None };
    for registered in [public, Registered::Nowhere] {
        let refused = by_itself(&world, &place, &registered, None, at(NOW)).await.unwrap_err();
        assert!(matches!(refused, NoGrant::NoClient(_)));
    }
}

#[tokio::test]
async fn a_secret_is_in_the_body_only_where_the_header_is_not_taken() {
    let methods = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    let world = World::but(&methods);
    let place = world.discover().await.unwrap();
    by_itself(&world, &place, &registered(), None, at(NOW)).await.unwrap();
    let state = world.state();
    let (_, said, shown) = state.asked.last().unwrap();
    assert_eq!((said["client_secret"].as_str(), shown), ("s3cr:t", &None));
}

#[tokio::test]
async fn what_is_kept_is_what_was_granted_and_debug_shows_no_secret() {
    let world = World::new();
    let grant = world.logged_in().await;
    assert_eq!(Grant::from_bytes(&grant.to_bytes()), Some(grant.clone()));
    assert!(grant.is_for(&endpoint(SERVER)));
    for other in ["https://mcp.example/other", "https://evil.example/files/mcp", "http://localhost/files/mcp"]
    {
        assert!(!grant.is_for(&endpoint(other)), "{other}");
    }
    let shown = format!("{grant:?}");
    for secret in ["access-1", "refresh-1", "s3cr:t"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    for odd in [&b"{}"[..], b"", b"[]"] {
        assert_eq!(Grant::from_bytes(odd), None);
    }
}
