use std::time::Duration;

use portcullis_core::Reason;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::Issuer;

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_700_000_000;

fn rules() -> Rules {
    let mut rules = Issuer::new(ISSUER).rules;
    rules.audiences.push(RESOURCE.to_owned());
    rules
}

fn good() -> Value {
    json!({
        "iss": ISSUER, "aud": RESOURCE, "sub": "alice", "client_id": "ide", "token_type": "Bearer",
        "exp": NOW + 300, "iat": NOW - 10, "scope": "a b",
    })
}

fn verdict(terms: Terms, claims: &Value) -> Result<Map<String, Value>, Reason> {
    let now = Duration::from_secs(NOW);
    check(&rules(), terms, ISSUER, claims.as_object().unwrap().clone(), now, now)
}

/// What the answer says with one member changed, or removed by `null`.
fn with(member: &str, value: Value) -> Value {
    let mut claims = good();
    let object = claims.as_object_mut().unwrap();
    match value {
        Value::Null => drop(object.remove(member)),
        value => drop(object.insert(member.to_owned(), value)),
    }
    claims
}

#[test]
fn yes_is_nothing_but_true() {
    assert!(matches!(read(br#"{"active":true,"sub":"a"}"#), Some(Answer::Active(_))));
    assert_eq!(read(br#"{"active":false,"sub":"a"}"#), Some(Answer::Inactive));
    for bad in [
        r#"{"active":"true"}"#,
        r#"{"active":1}"#,
        r#"{"active":null}"#,
        r#"{"active":[true]}"#,
        r#"{"active":{}}"#,
        r#"{"Active":true}"#,
        r#"{"sub":"a"}"#,
        r#"{"active":false,"active":true}"#,
        r#"{"active":true,"active":true}"#,
        r#"{"active":true,"sub":"a","sub":"b"}"#,
        r#"{"active":true,"cnf":{"jkt":"a","jkt":"b"}}"#,
        r#"[{"active":true}]"#,
        r#"{"active":true} {}"#,
        r#"{"token_introspection":{"active":true}}"#,
        "true",
        "",
    ] {
        assert_eq!(read(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn answers_are_held_to_the_rules_of_the_issuer() {
    let jkt = "A".repeat(43);
    let rows = [
        ("good", good(), None),
        ("another issuer", with("iss", json!("https://id.example.com/")), Some(Reason::BadIss)),
        ("issuer of another type", with("iss", json!([ISSUER])), Some(Reason::BadIss)),
        ("no issuer", with("iss", Value::Null), None),
        ("another audience", with("aud", json!("https://other.example.com")), Some(Reason::BadAud)),
        ("one of several", with("aud", json!(["https://other.example.com", RESOURCE])), None),
        ("none of several", with("aud", json!(["a", "b"])), Some(Reason::BadAud)),
        ("no audience", with("aud", Value::Null), Some(Reason::BadAud)),
        ("empty audience", with("aud", json!([])), Some(Reason::BadAud)),
        ("past", with("exp", json!(NOW - 31)), Some(Reason::Expired)),
        ("end as text", with("exp", json!((NOW + 300).to_string())), Some(Reason::BadClaim)),
        ("no end", with("exp", Value::Null), Some(Reason::BadClaim)),
        ("too long", with("exp", json!(NOW + 90_000)), Some(Reason::Expired)),
        ("not yet", with("nbf", json!(NOW + 31)), Some(Reason::NotYetValid)),
        ("from the future", with("iat", json!(NOW + 31)), Some(Reason::NotYetValid)),
        ("no type", with("token_type", Value::Null), None),
        ("lower case", with("token_type", json!("bearer")), None),
        ("refresh token", with("token_type", json!("refresh_token")), Some(Reason::BadTyp)),
        ("MAC token", with("token_type", json!("mac")), Some(Reason::BadTyp)),
        ("type of another type", with("token_type", json!(["Bearer"])), Some(Reason::BadTyp)),
        ("Keycloak's access token", with("typ", json!("Bearer")), None),
        ("Keycloak's refresh token", with("typ", json!("Refresh")), Some(Reason::BadTyp)),
        ("Keycloak's ID token", with("typ", json!("ID")), Some(Reason::BadTyp)),
        ("Hydra's access token", with("token_use", json!("access_token")), None),
        ("Hydra's refresh token", with("token_use", json!("refresh_token")), Some(Reason::BadTyp)),
        ("DPoP, not bound", with("token_type", json!("DPoP")), Some(Reason::CnfMismatch)),
        ("typ DPoP, not bound", with("typ", json!("DPoP")), Some(Reason::CnfMismatch)),
        ("bound to a key", with("cnf", json!({ "jkt": jkt })), None),
        ("bound to what is unknown", with("cnf", json!({ "kid": "x" })), Some(Reason::CnfMismatch)),
        ("no subject", with("sub", Value::Null), None),
        ("empty subject", with("sub", json!("")), Some(Reason::BadClaim)),
        ("subject of another type", with("sub", json!(7)), Some(Reason::BadClaim)),
        ("no client", with("client_id", Value::Null), None),
        ("empty client", with("client_id", json!("")), Some(Reason::BadClaim)),
        ("id of another type", with("jti", json!(7)), Some(Reason::BadClaim)),
    ];
    for (name, claims, expected) in rows {
        assert_eq!(verdict(Terms::default(), &claims).err(), expected, "{name}");
    }
    let mut id_token = with("token_type", Value::Null);
    id_token["nonce"] = json!("n");
    assert_eq!(verdict(Terms::default(), &id_token), Err(Reason::BadTyp));
    let mut nobody = with("sub", Value::Null);
    nobody.as_object_mut().unwrap().remove("client_id");
    assert_eq!(verdict(Terms::default(), &nobody), Err(Reason::BadClaim));
}

#[test]
fn a_token_without_subject_is_its_clients() {
    let claims = verdict(Terms::default(), &with("sub", Value::Null)).unwrap();
    let principal = crate::principal::principal(
        &rules(),
        ISSUER,
        &Claims::of(&claims),
        portcullis_core::TokenInfo::default(),
    );
    let principal = principal.unwrap().build();
    assert!(principal.is_client());
    assert_eq!((principal.subject(), principal.client_id()), ("ide", Some("ide")));
}

#[test]
fn what_may_be_missing_is_said_in_settings() {
    let none = Terms::default();
    let strict = Terms { require_iss: true, ..none };
    assert_eq!(verdict(strict, &good()).err(), None);
    assert_eq!(verdict(strict, &with("iss", Value::Null)).err(), Some(Reason::BadIss));

    let lax = Terms { accept_missing_aud: true, ..none };
    assert_eq!(verdict(lax, &with("aud", Value::Null)).err(), None);
    let mut no_type = with("aud", Value::Null);
    no_type.as_object_mut().unwrap().remove("token_type");
    assert_eq!(verdict(lax, &no_type).err(), Some(Reason::BadAud), "may be a refresh token");
    for aud in [json!("https://other.example.com"), json!([]), json!(7)] {
        assert_eq!(verdict(lax, &with("aud", aud)).err(), Some(Reason::BadAud));
    }

    let endless = Terms { accept_missing_exp: true, ..none };
    let claims = verdict(endless, &with("exp", Value::Null)).unwrap();
    assert_eq!(claims["exp"], json!(NOW + 60));
    for exp in [json!(NOW - 31), json!("soon"), json!(false)] {
        assert!(verdict(endless, &with("exp", exp)).is_err());
    }
    let mut old = with("exp", Value::Null);
    old["iat"] = json!(NOW - 86_401);
    assert_eq!(verdict(endless, &old).err(), Some(Reason::Expired));
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(ISSUER)),
        Just(json!(RESOURCE)),
        Just(json!([RESOURCE])),
        Just(json!("Bearer")),
        Just(json!("DPoP")),
        Just(json!("alice")),
        Just(json!(true)),
        Just(json!(NOW + 60)),
        Just(json!(NOW - 60)),
        any::<i64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        Just(json!({ "jkt": "A".repeat(43) })),
    ]
}

proptest! {
    #[test]
    fn no_answer_panics(body in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = read(&body);
    }

    /// Whatever else is said: what passes names us, is from our issuer and has not ended.
    #[test]
    fn what_passes_keeps_the_rules(
        changes in prop::collection::vec(
            (prop::sample::select(vec![
                "iss", "aud", "exp", "nbf", "iat", "sub", "client_id", "token_type", "typ",
                "token_use", "cnf", "act", "scope", "jti", "nonce",
            ]), value()),
            0..6,
        ),
        removed in prop::collection::vec(prop::sample::select(vec![
            "iss", "aud", "exp", "iat", "sub", "client_id", "token_type",
        ]), 0..3),
    ) {
        let mut claims = good();
        let object = claims.as_object_mut().unwrap();
        for name in removed {
            object.remove(name);
        }
        for (name, value) in changes {
            object.insert(name.to_owned(), value);
        }
        if let Ok(claims) = verdict(Terms::default(), &claims) {
            prop_assert!(claims.get("iss").is_none_or(|iss| iss == ISSUER));
            prop_assert!(claims["aud"] == RESOURCE || claims["aud"] == json!([RESOURCE]));
            prop_assert!(claims["exp"].as_f64().unwrap() + 30.0 > NOW as f64);
            prop_assert!(claims["sub"].as_str().is_some_and(|sub| !sub.is_empty()));
            if claims.get("token_type").is_some_and(|kind| kind == "DPoP") {
                prop_assert!(claims["cnf"]["jkt"].is_string());
            }
        }
    }
}
