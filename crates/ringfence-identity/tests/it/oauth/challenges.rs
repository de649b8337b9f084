//! `WWW-Authenticate`, as servers write it.

use ringfence_identity::oauth::Challenge;

#[test]
fn the_bearer_challenge_is_found_among_others() {
    let challenge = |metadata: Option<&str>, scope: Option<&str>, error: Option<&str>| Challenge {
        resource_metadata: metadata.map(str::to_owned),
        scope: scope.map(str::to_owned),
        error: error.map(str::to_owned),
    };
    let cases = [
        ("Bearer", Some(challenge(None, None, None))),
        ("bearer realm=\"x\"", Some(challenge(None, None, None))),
        (
            r#"Bearer resource_metadata="https://a.example/x", scope="a b""#,
            Some(challenge(Some("https://a.example/x"), Some("a b"), None)),
        ),
        (r#"Basic realm="a, Bearer scope=b", Bearer scope="c""#, Some(challenge(None, Some("c"), None))),
        (r#"Bearer scope="c", Basic realm="x", scope="d""#, Some(challenge(None, Some("c"), None))),
        (
            r#"Negotiate abc==, Bearer error=invalid_token"#,
            Some(challenge(None, None, Some("invalid_token"))),
        ),
        (r#"Bearer SCOPE = "a\"b\\""#, Some(challenge(None, Some("a\"b\\"), None))),
        (
            r#"Bearer error="insufficient_scope",scope="w""#,
            Some(challenge(None, Some("w"), Some("insufficient_scope"))),
        ),
        (r#"Bearer scope="a", scope="b""#, None),
        (r#"Bearer scope="a"#, None),
        ("Basic realm=x", None),
        ("", None),
        ("\u{e9}", None),
    ];
    for (header, expected) in cases {
        assert_eq!(Challenge::read(header), expected, "{header}");
    }
    assert_eq!(Challenge::read(&format!("Bearer scope=\"{}\"", "a".repeat(10_000))), None);
}

proptest::proptest! {
    #[test]
    fn whatever_a_server_writes_there_is_an_end(header in "[ -~]{0,80}") {
        Challenge::read(&header);
    }

    #[test]
    fn something_like_a_challenge_has_an_end_too(header in "(Bearer|Basic|a|,| |=|\"|\\\\|scope|\t){0,12}") {
        Challenge::read(&header);
    }
}
