//! A person's login, and everybody who could be in between.

use ringfence_identity::oauth::{NoGrant, Redirected, Registered};
use serde_json::{Value, json};

use super::world::{ISSUER, REDIRECT, SERVER, World, basic, endpoint, form, query_of, registered};
use crate::idp::{NOW, at};

const TOKEN: &str = "https://id.example/tenant/token";

fn refused(begun: Result<ringfence_identity::oauth::Login, NoGrant>) -> String {
    match begun {
        Ok(login) => panic!("{}", login.page),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_person_logs_in_and_the_token_is_for_one_resource() {
    let world = World::new();
    let login = world.begin(&registered()).await.unwrap();
    let asked = query_of(&login.page);
    assert!(login.page.starts_with("https://id.example/tenant/authorize?"), "{}", login.page);
    let said = |name: &str| asked[name].as_str();
    assert_eq!((said("response_type"), said("client_id")), ("code", "ringfence"));
    assert_eq!((said("redirect_uri"), said("resource"), said("scope")), (REDIRECT, SERVER, "read"));
    assert_eq!((said("state").len(), said("code_challenge").len()), (43, 43));
    let code = login.came_back(&world.consent(&login.page)).unwrap();
    let grant = login.redeem(&world, code, at(NOW)).await.unwrap();
    assert_eq!((grant.token(at(NOW)).unwrap().reveal(), grant.resource()), ("access-1", SERVER));
    assert_eq!((grant.issuer().as_str(), grant.scopes()), (ISSUER, &["read".to_owned()][..]));
    let state = world.state();
    let (place, said, authorization) = state.asked.last().unwrap();
    assert_eq!((place.as_str(), authorization.as_ref()), (TOKEN, Some(&basic())));
    assert!(!said.contains_key("client_secret"));
}

#[tokio::test]
async fn two_logins_share_no_secret() {
    let world = World::new();
    let (one, two) = (world.begin(&registered()).await.unwrap(), world.begin(&registered()).await.unwrap());
    for name in ["state", "code_challenge"] {
        assert_ne!(query_of(&one.page)[name], query_of(&two.page)[name]);
    }
    let back = world.consent(&two.page);
    assert_eq!(one.came_back(&back).unwrap_err(), Redirected::Stranger);
    // A code that was taken from the one and brought to the other is worth nothing.
    let state = &query_of(&one.page)["state"];
    let code = one.came_back(&form(&[("code", "code-0"), ("state", state), ("iss", ISSUER)])).unwrap();
    let redeemed = one.redeem(&world, code, at(NOW)).await.unwrap_err();
    assert_eq!(redeemed.to_string(), format!("`{ISSUER}` refuses: `invalid_grant`"));
}

#[tokio::test]
async fn what_comes_back_counts_only_from_the_issuer_that_was_asked() {
    let world = World::new();
    let login = world.begin(&registered()).await.unwrap();
    let state = query_of(&login.page)["state"].clone();
    let back = |fields: &[(&str, &str)]| {
        let all: Vec<_> = [("state", state.as_str())].iter().chain(fields).copied().collect();
        login.came_back(&form(&all)).unwrap_err()
    };
    let honest = ("iss", ISSUER);
    let cases: Vec<(&str, Redirected, Redirected)> = vec![
        ("mix-up", back(&[("code", "c"), ("iss", "https://evil.example")]), Redirected::Issuer),
        ("no issuer where one is promised", back(&[("code", "c")]), Redirected::Issuer),
        (
            "an issuer written otherwise",
            back(&[("code", "c"), ("iss", "https://ID.example/tenant")]),
            Redirected::Issuer,
        ),
        ("a slash more", back(&[("code", "c"), ("iss", "https://id.example/tenant/")]), Redirected::Issuer),
        ("two issuers", back(&[("code", "c"), honest, ("iss", "https://evil.example")]), Redirected::Issuer),
        (
            "an error of somebody else's",
            back(&[("error", "access_denied"), ("iss", "https://evil.example")]),
            Redirected::Issuer,
        ),
        ("no", back(&[("error", "access_denied"), honest]), Redirected::Refused("access_denied".to_owned())),
        (
            "an error and a code",
            back(&[("error", "access_denied"), ("code", "c"), honest]),
            Redirected::Refused("access_denied".to_owned()),
        ),
        ("two codes", back(&[("code", "c"), ("code", "d"), honest]), Redirected::NoCode),
        ("no code", back(&[honest]), Redirected::NoCode),
        ("an empty code", back(&[("code", ""), honest]), Redirected::NoCode),
        ("two states", back(&[("code", "c"), honest, ("state", "x")]), Redirected::Stranger),
    ];
    for (name, found, expected) in cases {
        assert_eq!(found, expected, "{name}");
    }
    for strange in ["", "code=c", "state=&code=c", "state=x&code=c", "state=%ff&code=c"] {
        assert_eq!(login.came_back(strange).unwrap_err(), Redirected::Stranger, "{strange}");
    }
    let odd = back(&[("error", "<script>alert(1)</script>"), honest]);
    assert!(!odd.to_string().contains('<'), "{odd}");
    assert!(!world.places().contains(&TOKEN.to_owned()), "no code was sent anywhere");
}

#[tokio::test]
async fn an_issuer_that_promises_nothing_may_be_silent_but_not_somebody_else() {
    let world = World::but(&json!({"authorization_response_iss_parameter_supported": null}));
    let login = world.begin(&registered()).await.unwrap();
    let state = query_of(&login.page)["state"].clone();
    assert!(login.came_back(&form(&[("code", "c"), ("state", &state)])).is_ok());
    let other = login.came_back(&form(&[("code", "c"), ("state", &state), ("iss", "https://evil.example")]));
    assert_eq!(other.unwrap_err(), Redirected::Issuer);
}

#[tokio::test]
async fn a_code_that_could_be_stolen_is_not_asked_for() {
    for methods in [Value::Null, json!([]), json!(["plain"]), json!("S256"), json!(["s256"])] {
        let world = World::but(&json!({ "code_challenge_methods_supported": methods }));
        assert!(refused(world.begin(&registered()).await).contains("does not offer PKCE"), "{methods}");
    }
    let world = World::but(&json!({"authorization_endpoint": null}));
    assert!(refused(world.begin(&registered()).await).contains("logins of people"));
}

#[tokio::test]
async fn a_client_is_known_there_or_by_its_document_or_is_registered() {
    let document = Registered::Document(endpoint("https://acme.example/ringfence.json"));
    let takes = json!({"client_id_metadata_document_supported": true});
    let id = |login: &ringfence_identity::oauth::Login| query_of(&login.page)["client_id"].clone();
    let world = World::but(&takes);
    assert_eq!(id(&world.begin(&document).await.unwrap()), "https://acme.example/ringfence.json");
    assert_eq!(id(&world.begin(&registered()).await.unwrap()), "ringfence");
    assert!(!world.places().iter().any(|place| place.ends_with("/register")));
    // Where documents are not taken, and where nothing is registered.
    let world = World::new();
    for registered in [&document, &Registered::Nowhere] {
        let login = world.begin(registered).await.unwrap();
        assert_eq!(id(&login), "registered");
        let asked = world.state().asked.last().unwrap().1["json"].clone();
        let asked: Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(
            (&asked["redirect_uris"], &asked["application_type"]),
            (&json!([REDIRECT]), &json!("native"))
        );
    }
    let world = World::but(&json!({"registration_endpoint": null}));
    assert!(refused(world.begin(&Registered::Nowhere).await).contains("takes only clients that it knows"));
}

#[tokio::test]
async fn a_client_s_secret_goes_to_nobody_but_who_issued_it() {
    let elsewhere = Registered::With {
        issuer: "https://honest.example".to_owned(),
        id: "ringfence".to_owned(),
        secret: Some(ringfence_identity::oauth::Secret::new("s3cret".to_owned())),
    };
    let world = World::new();
    assert!(refused(world.begin(&elsewhere).await).contains("is registered with `https://honest.example`"));
    let place = world.discover().await.unwrap();
    let itself = ringfence_identity::oauth::by_itself(&world, &place, &elsewhere, None, at(NOW)).await;
    assert!(matches!(itself, Err(NoGrant::OtherServersClient { .. })));
    assert!(world.state().asked.iter().all(|(_, said, shown)| said.is_empty() && shown.is_none()));
}
