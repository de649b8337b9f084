//! Who issues tokens for a server: nobody speaks for somebody else.

use ringfence_identity::oauth::{Challenge, NoGrant};
use serde_json::{Value, json};

use super::world::{ISSUER, OF_RESOURCE, OF_SERVER, SERVER, World, changed, metadata};

fn resource(changes: &Value) -> Value {
    changed(
        json!({"resource": SERVER, "authorization_servers": [ISSUER], "scopes_supported": ["read"]}),
        changes,
    )
}

fn why(found: Result<ringfence_identity::oauth::Place, NoGrant>) -> String {
    match found {
        Ok(place) => panic!("{place:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn metadata_is_looked_for_in_the_order_of_the_specification() {
    let world = World::new();
    world.state().pages.remove(OF_SERVER);
    world.state().pages.remove(OF_RESOURCE);
    let root = "https://mcp.example/.well-known/oauth-protected-resource";
    world.says(root, &resource(&json!({"resource": "https://mcp.example"})));
    let last = "https://id.example/tenant/.well-known/openid-configuration";
    world.says(last, &metadata());
    let place = world.discover().await.unwrap();
    assert_eq!((place.resource.as_str(), place.server.issuer.as_str()), ("https://mcp.example", ISSUER));
    assert_eq!(place.scopes.unwrap(), ["read"]);
    let inserted = "https://id.example/.well-known/openid-configuration/tenant";
    assert_eq!(world.places(), [OF_RESOURCE, root, OF_SERVER, inserted, last]);
}

#[tokio::test]
async fn the_challenge_says_where_and_which_scopes() {
    let world = World::new();
    let place = "https://mcp.example/meta";
    world.says(place, &resource(&json!({})));
    let challenge =
        Challenge::read(&format!("Bearer resource_metadata=\"{place}\", scope=\"write \u{22}")).unwrap();
    let found = world.discover_by(&challenge, None).await.unwrap();
    assert_eq!(found.scopes.unwrap(), ["write"]);
    assert_eq!(world.places(), [place, OF_SERVER]);
}

#[tokio::test]
async fn a_server_that_names_somebody_else_is_not_believed() {
    let cases = [
        ("another server's resource", json!({"resource": "https://honest.example/mcp"}), "another resource"),
        ("a neighbour's resource", json!({"resource": "https://mcp.example/other/mcp"}), "another resource"),
        ("a path that only begins alike", json!({"resource": "https://mcp.example/fil"}), "another resource"),
        ("more than the server", json!({"resource": format!("{SERVER}/x")}), "another resource"),
        ("another port", json!({"resource": "https://mcp.example:8443/files/mcp"}), "another resource"),
        ("no resource", json!({"resource": null}), "names no `resource`"),
        ("nobody", json!({"authorization_servers": []}), "names no authorization server"),
        ("no list", json!({"authorization_servers": ISSUER}), "names no authorization server"),
        ("unencrypted", json!({"authorization_servers": ["http://id.example"]}), "no address that is taken"),
        ("a query", json!({"authorization_servers": ["https://id.example/?x"]}), "no address that is taken"),
        (
            "this machine",
            json!({"authorization_servers": ["http://127.0.0.1:7070"]}),
            "no address that is taken",
        ),
        (
            "this machine encrypted",
            json!({"authorization_servers": ["https://localhost"]}),
            "no address that is taken",
        ),
    ];
    for (name, changes, expected) in cases {
        let world = World::new();
        world.says(OF_RESOURCE, &resource(&changes));
        let why = why(world.discover().await);
        assert!(why.contains(expected), "{name}: {why}");
        assert_eq!(world.places(), [OF_RESOURCE], "{name}: nobody else is asked");
    }
}

#[tokio::test]
async fn metadata_on_another_host_is_not_even_looked_at() {
    for place in
        ["https://evil.example/meta", "https://mcp.example:8443/meta", "http://127.0.0.1/meta", "file:///x"]
    {
        let world = World::new();
        let challenge = Challenge { resource_metadata: Some(place.to_owned()), ..Challenge::default() };
        why(world.discover_by(&challenge, None).await);
        assert_eq!(world.places(), Vec::<String>::new(), "{place}");
    }
}

#[tokio::test]
async fn an_authorization_server_speaks_for_itself() {
    let cases = [
        ("another issuer", json!({"issuer": "https://honest.example"}), "another issuer's"),
        ("an issuer written otherwise", json!({"issuer": format!("{ISSUER}/")}), "another issuer's"),
        ("no issuer", json!({"issuer": null}), "another issuer's"),
        ("no token endpoint", json!({"token_endpoint": null}), "no token endpoint"),
        (
            "unencrypted tokens",
            json!({"token_endpoint": "http://id.example/token"}),
            "no address that is taken",
        ),
        (
            "tokens at this machine",
            json!({"token_endpoint": "http://localhost/token"}),
            "no address that is taken",
        ),
        (
            "a page that is a script",
            json!({"authorization_endpoint": "javascript:alert(1)"}),
            "no address that is taken",
        ),
    ];
    for (name, changes, expected) in cases {
        let world = World::but(&changes);
        let why = why(world.discover().await);
        assert!(why.contains(expected), "{name}: {why}");
    }
}

#[tokio::test]
async fn redirects_duplicates_and_floods_end_the_search() {
    let cases = [
        (302, "{}".to_owned(), "is not followed"),
        (
            200,
            format!("{{\"resource\":\"{SERVER}\",\"resource\":\"https://honest.example\"}}"),
            "each member once",
        ),
        (200, "<html>".to_owned(), "each member once"),
        (200, format!("{{\"x\":\"{}\"}}", "x".repeat(300_000)), "too long"),
    ];
    for (status, body, expected) in cases {
        for place in [OF_RESOURCE, OF_SERVER] {
            let world = World::new();
            world.state().pages.insert(place.to_owned(), (status, body.clone()));
            let why = why(world.discover().await);
            assert!(why.contains(expected), "{why}");
            assert_eq!(world.places().last().map(String::as_str), Some(place));
        }
    }
}

#[tokio::test]
async fn the_issuer_that_the_operator_names_is_the_only_one() {
    let world = World::new();
    world.says(OF_RESOURCE, &resource(&json!({"authorization_servers": ["https://first.example", ISSUER]})));
    let found = world.discover_by(&Challenge::default(), Some(ISSUER)).await.unwrap();
    assert_eq!(found.server.issuer.as_str(), ISSUER);
    let other = world.discover_by(&Challenge::default(), Some("https://third.example")).await;
    assert!(why(other).contains("which the configuration names"));
}

#[tokio::test]
async fn who_says_nothing_is_said_to_say_nothing() {
    let world = World::new();
    world.state().pages.clear();
    assert!(why(world.discover().await).contains("does not say who issues it"));
    let world = World::new();
    world.state().pages.remove(OF_SERVER);
    assert!(why(world.discover().await).contains("says nothing of itself"));
}
