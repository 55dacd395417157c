use std::sync::Arc;

use portcullis_core::{AnonymousReason, PrincipalBuilder};

use super::*;

fn alice() -> PrincipalBuilder {
    Principal::builder("https://id.example", "alice")
}

fn claims(text: &str) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(text).unwrap()
}

/// A name, what is set, who is calling, and what is written.
type Row = (&'static str, IdentityHeaders, PrincipalBuilder, Result<Vec<&'static str>, u16>);

/// The headers that `identity` writes, as `name: value`, sorted.
fn written(identity: &IdentityHeaders, caller: Option<&Caller>) -> Result<Vec<String>, u16> {
    let mut headers = HeaderMap::new();
    identity.write(&mut headers, caller).map_err(|denial| denial.status().as_u16())?;
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
    let mut lines: Vec<_> = headers.iter().map(line).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn an_upstream_is_told_what_is_known_and_no_more() {
    let all = IdentityHeaders::auth_request;
    let plain = || all().plain_subjects("https://id.example");
    let user = "x-auth-request-user: https://id.example#alice";
    let verified = r#"{"email":"a@example.com","email_verified":true}"#;
    let unverified = r#"{"email":"a@example.com","email_verified":"true"}"#;
    let named = r#"{"preferred_username":"Alice A"}"#;
    let unprintable = r#"{"preferred_username":"Al\nice"}"#;
    let groups = |names: &[&str]| alice().groups(names.iter().map(|&name| name.into()).collect());
    let rows: Vec<Row> = vec![
        ("a name", all(), alice(), Ok(vec![user])),
        ("a plain name", plain(), alice(), Ok(vec!["x-auth-request-user: alice"])),
        ("another issuer", plain(), Principal::builder("https://b", "alice"), Err(500)),
        (
            "a verified address",
            all(),
            alice().claims(claims(verified)),
            Ok(vec!["x-auth-request-email: a@example.com", user]),
        ),
        ("an unverified address", all(), alice().claims(claims(unverified)), Ok(vec![user])),
        (
            "an address of which nothing is said",
            all(),
            alice().claims(claims(r#"{"email":"a@example.com"}"#)),
            Ok(vec![user]),
        ),
        (
            "a name for show",
            all(),
            alice().claims(claims(named)),
            Ok(vec!["x-auth-request-preferred-username: Alice A", user]),
        ),
        ("an unprintable one", all(), alice().claims(claims(unprintable)), Ok(vec![user])),
        ("groups", all(), groups(&["a", "b c"]), Ok(vec!["x-auth-request-groups: a,b c", user])),
        ("a group with a comma", all(), groups(&["staff,admins"]), Err(500)),
        ("a group with a line break", all(), groups(&["a\r\nX-Admin: 1"]), Err(500)),
        (
            "another delimiter",
            all().groups(HeaderName::from_static("x-groups"), '|'),
            groups(&["CN=a,OU=b", "c"]),
            Ok(vec![user, "x-groups: CN=a,OU=b|c"]),
        ),
        ("unknown groups", all(), groups(&["a"]).groups_unknown(), Ok(vec![user])),
        ("an empty name", plain(), Principal::builder("https://id.example", ""), Err(500)),
        (
            "a name with a line break",
            plain(),
            Principal::builder("https://id.example", "a\r\nX-Admin: 1"),
            Err(500),
        ),
    ];
    for (name, identity, principal, expected) in rows {
        let caller = Caller::Verified(Arc::new(principal.build()));
        let expected = expected.map(|lines| lines.into_iter().map(str::to_owned).collect());
        assert_eq!(written(&identity, Some(&caller)), expected, "{name}");
    }
    let anonymous = Caller::Anonymous(AnonymousReason::NoCredentials);
    assert_eq!(written(&all(), Some(&anonymous)), Ok(vec![]));
    assert_eq!(written(&all(), None), Err(500), "no sign-in layer");
}

#[test]
fn what_cannot_be_honoured_is_an_error() {
    let name = HeaderName::from_static;
    let rows = [
        ("the families", IdentityHeaders::auth_request(), true),
        ("the families", IdentityHeaders::forwarded_user(), true),
        ("the families", IdentityHeaders::remote_user(), true),
        ("a name of one's own", IdentityHeaders::new(name("x-who")), true),
        ("a credential", IdentityHeaders::new(name("authorization")), false),
        ("a cookie", IdentityHeaders::new(name("cookie")), false),
        ("the connection's", IdentityHeaders::new(name("transfer_encoding")), false),
        ("MCP's", IdentityHeaders::new(name("mcp-session-id")), false),
        ("one for two", IdentityHeaders::new(name("x-who")).email(name("x_who")), false),
        ("no delimiter", IdentityHeaders::auth_request().groups(name("x-g"), 'a'), false),
        ("a line break", IdentityHeaders::auth_request().groups(name("x-g"), '\n'), false),
        ("nobody's subjects", IdentityHeaders::auth_request().plain_subjects(" "), false),
    ];
    for (row, identity, expected) in rows {
        assert_eq!(identity.check().is_ok(), expected, "{row}");
    }
}
