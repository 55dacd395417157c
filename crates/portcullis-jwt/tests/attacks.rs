//! Section 5.1 of the requirements: attacks by token, one row each, through the whole layer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use portcullis_core::{
    Caller, Challenge, Clock, Principal, Reason, RequestFacts as _, ResponseFacts as _,
};
use portcullis_jwt::{Algorithm, Issuer, JwkSet, JwtLayer, Verifier};
use portcullis_test::{Mint, TokenBuilder};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};

const ISSUER: &str = "https://id.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
const NOW: u64 = 1_700_000_000;

struct World {
    es: Mint,
    rs: Mint,
    issuer: Issuer,
}

/// What came of one request: the principal, or the refusal as the client and as the record see it.
#[derive(Debug)]
enum Outcome {
    In(Arc<Principal>),
    Out { reason: Reason, bytes: String },
}

impl World {
    fn new() -> Self {
        let (es, rs) = (Mint::es256(ISSUER), Mint::rs256(ISSUER));
        let keys = JwkSet::from_json(Mint::jwks_of(&[&es, &rs])).unwrap();
        Self { es, rs, issuer: Issuer::new(ISSUER).keys(keys) }
    }

    fn with(change: impl FnOnce(Issuer) -> Issuer) -> Self {
        let mut world = Self::new();
        world.issuer = change(world.issuer);
        world
    }

    fn token(&self) -> TokenBuilder {
        self.es.token().at(NOW - 60)
    }

    async fn send(&self, token: &str) -> Outcome {
        let verifier = Verifier::builder(RESOURCE)
            .issuer(self.issuer.clone())
            .clock(Clock::manual(NOW).0)
            .build()
            .unwrap();
        send(verifier, token).await
    }

    async fn reason(&self, token: &str) -> Option<Reason> {
        match self.send(token).await {
            Outcome::In(_) => None,
            Outcome::Out { reason, .. } => Some(reason),
        }
    }

    async fn principal(&self, token: TokenBuilder) -> Arc<Principal> {
        match self.send(&token.sign()).await {
            Outcome::In(principal) => principal,
            Outcome::Out { reason, .. } => panic!("refused: {reason}"),
        }
    }

    /// Each row is refused for its reason, and all of them with the same bytes (R-133).
    async fn refuses(&self, rows: impl IntoIterator<Item = (String, String, Reason)>) {
        for (name, token, expected) in rows {
            match self.send(&token).await {
                Outcome::In(_) => panic!("{name}: accepted"),
                Outcome::Out { reason, bytes } => {
                    assert_eq!(reason, expected, "{name}");
                    assert_eq!(bytes, INVALID_TOKEN, "{name}");
                }
            }
        }
    }
}

const INVALID_TOKEN: &str = concat!(
    "401 Unauthorized\n",
    "www-authenticate: Bearer error=\"invalid_token\", scope=\"mcp:read\", resource_metadata=",
    "\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", ",
    "error_description=\"The access token is invalid or expired\"\n",
    "cache-control: no-store\ncontent-type: application/json\ncontent-length: 86\n",
    "{\"error\":\"invalid_token\",\"error_description\":\"The access token is invalid or expired\"}",
);

async fn send(verifier: Verifier, token: &str) -> Outcome {
    let challenge = Challenge::new(METADATA, ["mcp:read"]).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let inner = service_fn(move |request: Request<()>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let Some(Caller::Verified(principal)) = request.caller() else { panic!("no caller") };
        let mut response = Response::new(Empty::<Bytes>::new());
        response.extensions_mut().insert(Arc::clone(principal));
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let request = Request::post("/mcp").header("authorization", format!("Bearer {token}"));
    let service = JwtLayer::new(verifier, challenge).layer(inner);
    let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
    if let Some(principal) = response.extensions().get::<Arc<Principal>>() {
        assert_eq!(response.status(), StatusCode::OK);
        return Outcome::In(Arc::clone(principal));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0, "a refused request never goes in");
    let reason = response.denial().unwrap().reason();
    let (parts, body) = response.into_parts();
    let mut bytes = format!("{}\n", parts.status);
    for (name, value) in &parts.headers {
        bytes += &format!("{name}: {}\n", value.to_str().unwrap());
    }
    bytes += std::str::from_utf8(&body.collect().await.unwrap().to_bytes()).unwrap();
    Outcome::Out { reason, bytes }
}

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn every_default_algorithm_is_accepted() {
    for mint in [Mint::rs256(ISSUER), Mint::ps256(ISSUER), Mint::es256(ISSUER), Mint::eddsa(ISSUER)]
    {
        let keys = JwkSet::from_json(mint.jwks()).unwrap();
        let world = World { issuer: Issuer::new(ISSUER).keys(keys), ..World::new() };
        let token = mint.token().at(NOW).sign();
        assert_eq!(world.reason(&token).await, None, "{}", mint.algorithm());
    }
}

/// R-106: the others only when an issuer's list has them.
#[tokio::test]
async fn other_algorithms_only_by_configuration() {
    let mints = [
        Mint::rs384(ISSUER),
        Mint::rs512(ISSUER),
        Mint::ps384(ISSUER),
        Mint::ps512(ISSUER),
        Mint::es384(ISSUER),
    ];
    for mint in mints {
        let token = mint.token().at(NOW).sign();
        let issuer = Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap());
        let mut world = World { issuer, ..World::new() };
        assert_eq!(world.reason(&token).await, Some(Reason::BadAlg), "{}", mint.algorithm());
        world.issuer = world.issuer.algorithms([
            Algorithm::Rs384,
            Algorithm::Rs512,
            Algorithm::Ps384,
            Algorithm::Ps512,
            Algorithm::Es384,
        ]);
        assert_eq!(world.reason(&token).await, None, "{}", mint.algorithm());
    }
}

#[tokio::test]
async fn x01_alg_none() {
    let world = World::new();
    let claims = world.token().claims_json();
    let mut rows = Vec::new();
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(""),
        json!(null),
        json!(["ES256"]),
    ] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": world.es.kid()}).to_string();
        let signed = world.es.sign_raw(&header, &claims);
        let unsigned = format!("{}.{}.", encode(&header), encode(&claims));
        rows.push((format!("{alg}, signed"), signed, Reason::BadAlg));
        rows.push((format!("{alg}, unsigned"), unsigned, Reason::BadAlg));
    }
    let token = world.token().without_header("alg").sign();
    rows.push(("no alg".to_owned(), token, Reason::BadAlg));
    let unsigned = world.token().sign();
    let (signed, _) = unsigned.rsplit_once('.').unwrap();
    rows.push(("no signature".to_owned(), format!("{signed}."), Reason::MalformedToken));
    world.refuses(rows).await;
}

#[tokio::test]
async fn x02_alg_confusion() {
    let world = World::new();
    let mut rows = Vec::new();
    for mint in [&world.es, &world.rs] {
        let pem = mint.public_pem();
        let secrets = [
            ("PEM", pem.clone().into_bytes()),
            ("PEM trimmed", pem.trim_end().as_bytes().to_vec()),
            ("PEM with newline", format!("{}\n", pem.trim_end()).into_bytes()),
            ("DER", mint.public_der()),
            ("JWK", mint.jwk().to_string().into_bytes()),
            ("empty", Vec::new()),
        ];
        for (form, secret) in secrets {
            let hmac = Mint::hs256_with(ISSUER, &secret);
            let confused = hmac.token().at(NOW).header("kid", mint.kid());
            let name = format!("{} key as {form}", mint.algorithm());
            rows.push((name.clone(), confused.clone().sign(), Reason::BadAlg));
            let lie = confused.header("alg", mint.algorithm()).sign();
            rows.push((format!("{name}, mislabelled"), lie, Reason::BadSig));
        }
    }
    world.refuses(rows).await;
}

#[tokio::test]
async fn x03_alg_cross_family() {
    let world = World::new();
    let ps = Mint::ps256(ISSUER);
    let p384 = Mint::es384(ISSUER);
    let ed = Mint::eddsa(ISSUER);
    let es_kid = world.es.kid().to_owned();
    let rows = [
        (
            "PS256 with an RS256 key",
            ps.token().at(NOW).header("kid", world.rs.kid()),
            Reason::BadAlg,
        ),
        ("ES256 with an RSA key", world.token().header("kid", world.rs.kid()), Reason::BadAlg),
        (
            "RS256 with a P-256 key",
            world.rs.token().at(NOW).header("kid", es_kid.clone()),
            Reason::BadAlg,
        ),
        (
            "EdDSA with a P-256 key",
            ed.token().at(NOW).header("kid", es_kid.clone()),
            Reason::BadAlg,
        ),
        (
            "ES384 key under ES256",
            p384.token().at(NOW).header("kid", es_kid).header("alg", "ES256"),
            Reason::BadSig,
        ),
    ];
    world.refuses(rows.map(|(name, token, reason)| (name.to_owned(), token.sign(), reason))).await;
}

#[tokio::test]
async fn x04_kid_injection() {
    let world = World::new();
    let rows = [
        (json!("../../dev/null"), Reason::UnknownKid),
        (json!("/etc/passwd"), Reason::UnknownKid),
        (json!("key' UNION SELECT"), Reason::UnknownKid),
        (json!("http://evil/k"), Reason::UnknownKid),
        (json!("a\r\nX: y"), Reason::MalformedToken),
        (json!("a\u{0}"), Reason::MalformedToken),
        (json!("a\u{85}"), Reason::MalformedToken),
        (json!(""), Reason::MalformedToken),
        (json!("k".repeat(256)), Reason::UnknownKid),
        (json!("k".repeat(257)), Reason::MalformedToken),
        (json!("k".repeat(1 << 20)), Reason::MalformedToken),
        (json!(1), Reason::MalformedToken),
        (json!({"kid": "x"}), Reason::MalformedToken),
        (json!(null), Reason::MalformedToken),
    ];
    let rows = rows.map(|(kid, reason)| {
        let name: String = kid.to_string().chars().take(30).collect();
        (name, world.token().header("kid", kid).sign(), reason)
    });
    world.refuses(rows).await;
}

/// X-05, X-06, X-07. Nothing is ever fetched: with fixed keys there is no client at all.
#[tokio::test]
async fn x05_to_x07_header_parameters() {
    let world = World::new();
    let attacker = Mint::es256(ISSUER);
    let rows = [
        ("jku", json!("https://evil.example/jwks")),
        ("jku", json!("https://id.example.com/redirect?to=https://evil.example")),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", attacker.jwk()),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(["unknown"])),
        ("crit", json!("b64")),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ];
    let mut all = Vec::new();
    for (name, value) in rows {
        let own = world.token().header(name, value.clone()).sign();
        all.push((format!("{name} {value}, our key"), own, Reason::MalformedToken));
        let theirs = attacker.token().at(NOW).header(name, value.clone()).sign();
        all.push((format!("{name} {value}, their key"), theirs, Reason::MalformedToken));
    }
    let unencoded = world.token().header("crit", json!(["b64"])).header("b64", false).sign();
    all.push(("crit b64".to_owned(), unencoded, Reason::MalformedToken));
    world.refuses(all).await;
}

#[tokio::test]
async fn x08_duplicates() {
    let world = World::new();
    let claims = world.token().claims_json();
    let header = world.token().header_json();
    let and = |json: &str, more: &str| format!("{},{more}}}", json.strip_suffix('}').unwrap());
    let rows = [
        ("aud", header.clone(), and(&claims, r#""aud":"evil""#)),
        ("aud, the same", header.clone(), and(&claims, &format!(r#""aud":"{RESOURCE}""#))),
        ("aud by escape", header.clone(), and(&claims, r#""\u0061ud":"evil""#)),
        ("exp", header.clone(), and(&claims, r#""exp":9999999999"#)),
        ("scope", header.clone(), and(&claims, r#""scope":"a","scope":"b""#)),
        ("nested", header.clone(), and(&claims, r#""act":{"sub":"a","sub":"b"}"#)),
        ("alg", and(&header, r#""alg":"none""#), claims.clone()),
        ("kid by escape", and(&header, r#""\u006bid":"x""#), claims.clone()),
    ];
    let rows = rows.map(|(name, header, claims)| {
        (name.to_owned(), world.es.sign_raw(&header, &claims), Reason::MalformedToken)
    });
    world.refuses(rows).await;
}

#[tokio::test]
async fn x09_wrong_typ() {
    const TYPES: [&str; 9] = [
        "oauth-id-jag+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "entity-statement+jwt",
        "token-introspection+jwt",
        "rt+jwt",
        "at+jwt2",
        "at",
    ];
    let strict = World::new();
    let compat = World::with(|issuer| issuer.accept_jwt_typ(["scope", "scp"]));
    for (mode, world) in [("strict", &strict), ("compat", &compat)] {
        let marked = || world.token().scope("mcp:read");
        let mut rows: Vec<_> = TYPES
            .map(|typ| {
                (format!("{mode}: {typ}"), marked().header("typ", typ).sign(), Reason::BadTyp)
            })
            .into();
        for typ in [json!(1), json!(null), json!("")] {
            let token = marked().header("typ", typ.clone()).sign();
            rows.push((format!("{mode}: {typ}"), token, Reason::BadTyp));
        }
        world.refuses(rows).await;
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            let token = world.token().header("typ", typ).sign();
            assert_eq!(world.reason(&token).await, None, "{mode}: {typ}");
        }
    }
    let plain = |world: &World| world.token().scope("mcp:read").header("typ", "JWT");
    let absent = |world: &World| world.token().scope("mcp:read").without_header("typ");
    assert_eq!(strict.reason(&plain(&strict).sign()).await, Some(Reason::BadTyp));
    assert_eq!(strict.reason(&absent(&strict).sign()).await, Some(Reason::BadTyp));
    assert_eq!(compat.reason(&plain(&compat).sign()).await, None);
    assert_eq!(compat.reason(&absent(&compat).sign()).await, None);
    let other_kinds = [
        ("no marker", compat.token().header("typ", "JWT")),
        ("nonce", plain(&compat).claim("nonce", "n")),
        ("at_hash", plain(&compat).claim("at_hash", "h")),
        ("c_hash", plain(&compat).claim("c_hash", "h")),
        ("s_hash", absent(&compat).claim("s_hash", "h")),
        ("events", plain(&compat).claim("events", json!({}))),
        ("Keycloak ID token", plain(&compat).claim("typ", "ID")),
        ("Keycloak refresh token", plain(&compat).claim("typ", "Refresh")),
        ("Cognito ID token", plain(&compat).claim("token_use", "id")),
        ("token_use of another type", plain(&compat).claim("token_use", 1)),
    ];
    let rows = other_kinds.map(|(name, token)| (name.to_owned(), token.sign(), Reason::BadTyp));
    compat.refuses(rows).await;
    for token in [
        plain(&compat).claim("typ", "Bearer"),
        plain(&compat).claim("token_use", "access"),
        plain(&compat).without("client_id"),
    ] {
        assert_eq!(compat.reason(&token.sign()).await, None);
    }
}

#[tokio::test]
async fn x10_x11_serialization() {
    let world = World::new();
    let good = world.token().sign();
    assert_eq!(world.reason(&good).await, None);
    let parts: Vec<&str> = good.split('.').collect();
    let [h, c, s] = parts[..] else { panic!("three parts") };
    // The last of 86 characters carries two bits of 512 and four that must be zero.
    let flipped = |segment: &str| {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bytes = segment.as_bytes().to_vec();
        let last = bytes.last_mut().unwrap();
        *last = alphabet[alphabet.iter().position(|b| b == last).unwrap() ^ 1];
        String::from_utf8(bytes).unwrap()
    };
    let first = |byte: u8| {
        let mut bytes = s.as_bytes().to_vec();
        bytes[0] = byte;
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(s.len(), 86);
    let array = world.es.sign_raw(&world.token().header_json(), "[]");
    let trailing = world
        .es
        .sign_raw(&world.token().header_json(), &format!("{} x", world.token().claims_json()));
    let bom = world.es.sign_raw(
        &world.token().header_json(),
        &format!("\u{feff}{}", world.token().claims_json()),
    );
    let rows = [
        ("two parts", format!("{h}.{c}")),
        ("four parts", format!("{good}.x")),
        ("five parts", format!("{h}.{c}.{s}.{s}.{s}")),
        ("empty header", format!(".{c}.{s}")),
        ("empty claims", format!("{h}..{s}")),
        ("only dots", "..".to_owned()),
        ("padded signature", format!("{good}=")),
        ("padded signature twice", format!("{good}==")),
        ("trailing bits", format!("{h}.{c}.{}", flipped(s))),
        ("plus in the alphabet", format!("{h}.{c}.{}", first(b'+'))),
        ("slash in the alphabet", format!("{h}.{c}.{}", first(b'/'))),
        ("claims an array", array),
        ("claims with a tail", trailing),
        ("claims with a byte order mark", bom),
        ("too long", format!("{h}.{c}{}.{s}", "A".repeat(16 * 1024))),
    ];
    let rows = rows.map(|(name, token)| (name.to_owned(), token, Reason::MalformedToken));
    world.refuses(rows).await;
    let moved = world.token().subject("mallory").sign();
    let spliced = format!("{h}.{}.{s}", moved.split('.').nth(1).unwrap());
    world.refuses([("claims of another token".to_owned(), spliced, Reason::BadSig)]).await;
}

#[tokio::test]
async fn x13_x14_x15_audience() {
    let world = World::new();
    let bad = [
        json!("https://mcp.example.com/mc"),
        json!("https://mcp.example.com/mcp2"),
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com/mcp?x"),
        json!("https://mcp.example.com/mcp#x"),
        json!("https://mcp.example.com:443/mcp"),
        json!("https://mcp.example.com.evil/mcp"),
        json!("https://MCP.example.com/mcp"),
        json!("https://mcp.example.com/"),
        json!("http://mcp.example.com/mcp"),
        json!(" https://mcp.example.com/mcp"),
        json!(format!("{RESOURCE} https://other")),
        json!("https://sibling.example.com/mcp"),
        json!("client-1"),
        json!([[RESOURCE]]),
        json!([RESOURCE, 1]),
        json!([RESOURCE, null]),
        json!({ RESOURCE: true }),
        json!({"$serde_json::private::RawValue": format!("\"{RESOURCE}\"")}),
        json!(1),
        json!(null),
        json!(""),
        json!([]),
        json!([""]),
        json!("*"),
    ];
    let mut rows: Vec<_> = bad
        .iter()
        .map(|aud| {
            (aud.to_string(), world.token().claim("aud", aud.clone()).sign(), Reason::BadAud)
        })
        .collect();
    rows.push(("none".to_owned(), world.token().without("aud").sign(), Reason::BadAud));
    world.refuses(rows).await;
    for aud in [json!(RESOURCE), json!([RESOURCE]), json!(["https://other", RESOURCE])] {
        let token = world.token().claim("aud", aud.clone()).sign();
        assert_eq!(world.reason(&token).await, None, "{aud}");
    }
}

/// R-124, R-125, R-126.
#[tokio::test]
async fn audiences_by_configuration() {
    let world = World::with(|issuer| issuer.audience("api://x").refuse_foreign_audiences());
    let rows = [
        (json!("api://x"), None),
        (json!(RESOURCE), None),
        (json!(["api://x", RESOURCE]), None),
        (json!(["api://x", "https://other"]), Some(Reason::BadAud)),
        (json!("api://X"), Some(Reason::BadAud)),
    ];
    for (aud, expected) in rows {
        let token = world.token().claim("aud", aud.clone()).sign();
        assert_eq!(world.reason(&token).await, expected, "{aud}");
    }
}

#[tokio::test]
async fn x16_x17_x30_issuer() {
    let world = World::new();
    let bad = [
        json!("https://id.example.com/"),
        json!("HTTPS://id.example.com"),
        json!("https://ID.example.com"),
        json!("https://id.example.com:443"),
        json!("https://id.example.co%6d"),
        json!("https://id.example.com "),
        json!("https://id.example.com/other-tenant"),
        json!("http://10.0.0.5:8080"),
        json!("https://evil.example"),
        json!(""),
        json!([ISSUER]),
        json!(null),
    ];
    let mut rows: Vec<_> = bad
        .iter()
        .map(|iss| {
            (iss.to_string(), world.token().claim("iss", iss.clone()).sign(), Reason::BadIss)
        })
        .collect();
    rows.push(("none".to_owned(), world.token().without("iss").sign(), Reason::BadIss));
    world.refuses(rows).await;
}

/// X-17: two tenants of one provider share keys, or have their own; a token of one is never
/// checked with the keys or rules of the other.
#[tokio::test]
async fn x17_issuers_do_not_mix() {
    let (a, b) = (Mint::es256("https://a.example"), Mint::es256("https://b.example"));
    let issuer =
        |mint: &Mint| Issuer::new(mint.issuer()).keys(JwkSet::from_json(mint.jwks()).unwrap());
    let verifier = Verifier::builder(RESOURCE)
        .issuer(issuer(&a))
        .issuer(issuer(&b).audience("only-b"))
        .clock(Clock::manual(NOW).0)
        .build()
        .unwrap();
    let rows = [
        ("a", a.token(), None),
        ("b", b.token(), None),
        ("a's key, b's name", a.token().claim("iss", b.issuer()), Some(Reason::UnknownKid)),
        (
            "a's key, b's name and kid",
            a.token().claim("iss", b.issuer()).header("kid", b.kid()),
            Some(Reason::BadSig),
        ),
        ("b's audience", b.token().audience("only-b"), None),
        ("b's audience from a", a.token().audience("only-b"), Some(Reason::BadAud)),
    ];
    for (name, token, expected) in rows {
        let result = verifier.verify_token(&token.at(NOW).sign()).await;
        assert_eq!(result.as_ref().err().map(|error| error.reason()), expected, "{name}");
        if let Some(error) = result.err() {
            assert_eq!(error.retry_after(), None);
        }
    }
}

#[tokio::test]
async fn x19_numeric_dates() {
    let world = World::new();
    let (header, claims) =
        (world.token().header_json(), world.token().without("exp").claims_json());
    let with = |member: &str, value: &str| {
        let claims = claims.strip_suffix('}').unwrap();
        let claims = match member {
            "exp" => format!(r#"{claims},"exp":{value}}}"#),
            _ => format!(r#"{claims},"exp":{},"{member}":{value}}}"#, NOW + 60),
        };
        world.es.sign_raw(&header, &claims)
    };
    let never_json = ["1e400", "-1e400", "NaN", "Infinity", "01"];
    let bad = [
        "1e308",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "-1",
        "\"1700000060\"",
        "\"\"",
        "null",
        "[1]",
        "{}",
        "true",
        "253402300800",
        r#"{"$serde_json::private::Number":"1700000060"}"#,
    ];
    let mut rows = Vec::new();
    for member in ["exp", "nbf"] {
        for value in never_json {
            rows.push((format!("{member} {value}"), with(member, value), Reason::MalformedToken));
        }
        for value in bad {
            rows.push((format!("{member} {value}"), with(member, value), Reason::BadClaim));
        }
    }
    rows.push(("far exp".to_owned(), with("exp", "253402300799"), Reason::Expired));
    rows.push(("no exp".to_owned(), world.es.sign_raw(&header, &claims), Reason::BadClaim));
    world.refuses(rows).await;
    for value in ["1700000060", "1.70000006e9", "1700000060.5", "17000000600e-1"] {
        assert_eq!(world.reason(&with("exp", value)).await, None, "{value}");
    }
}

/// X-20: exact to the second at a leeway of 30.
#[tokio::test]
async fn x20_clock_skew() {
    let world = World::new();
    let at = |name: &str, seconds: u64| world.token().claim(name, seconds).sign();
    let rows = [
        ("exp 29 s ago", at("exp", NOW - 29), None),
        ("exp 30 s ago", at("exp", NOW - 30), Some(Reason::Expired)),
        ("exp 31 s ago", at("exp", NOW - 31), Some(Reason::Expired)),
        ("exp 0", at("exp", 0), Some(Reason::Expired)),
        ("nbf in 29 s", at("nbf", NOW + 29), None),
        ("nbf in 30 s", at("nbf", NOW + 30), None),
        ("nbf in 31 s", at("nbf", NOW + 31), Some(Reason::NotYetValid)),
        ("nbf in 2096", at("nbf", 3_976_214_400), Some(Reason::NotYetValid)),
        ("iat in 30 s", at("iat", NOW + 30), None),
        ("iat in 31 s", at("iat", NOW + 31), Some(Reason::NotYetValid)),
        ("iat in an hour", at("iat", NOW + 3600), Some(Reason::NotYetValid)),
    ];
    for (name, token, expected) in rows {
        assert_eq!(world.reason(&token).await, expected, "{name}");
    }
    let none = World::with(|issuer| issuer.leeway(Duration::ZERO));
    assert_eq!(none.reason(&at_world(&none, NOW)).await, Some(Reason::Expired));
    assert_eq!(none.reason(&at_world(&none, NOW + 1)).await, None);
}

fn at_world(world: &World, exp: u64) -> String {
    world.token().claim("exp", exp).sign()
}

/// The same token, as time passes.
#[tokio::test]
async fn a_token_expires_while_we_run() {
    let mint = Mint::es256(ISSUER);
    let (clock, hand) = Clock::manual(NOW);
    let verifier = Verifier::builder(RESOURCE)
        .issuer(Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap()))
        .clock(clock)
        .build()
        .unwrap();
    let token = mint.token().at(NOW).expires_in(60).sign();
    let reason = async || verifier.verify_token(&token).await.err().map(|error| error.reason());
    assert_eq!(reason().await, None);
    hand.advance(Duration::from_millis(89_999));
    assert_eq!(reason().await, None);
    hand.advance(Duration::from_millis(1));
    assert_eq!(reason().await, Some(Reason::Expired));
}

#[tokio::test]
async fn x21_long_life() {
    let world = World::new();
    let lives = |seconds: u64| world.es.token().at(NOW).expires_in(seconds).sign();
    assert_eq!(world.reason(&lives(86_400)).await, None);
    assert_eq!(world.reason(&lives(86_401)).await, Some(Reason::Expired));
    assert_eq!(world.reason(&lives(10 * 365 * 86_400)).await, Some(Reason::Expired));
    let undated = |exp: u64| world.token().without("iat").claim("exp", exp).sign();
    assert_eq!(world.reason(&undated(NOW + 86_400)).await, None);
    assert_eq!(world.reason(&undated(NOW + 86_401)).await, Some(Reason::Expired));
    let hour = World::with(|issuer| issuer.max_lifetime(Duration::from_secs(3600)));
    assert_eq!(
        hour.reason(&hour.es.token().at(NOW).expires_in(3601).sign()).await,
        Some(Reason::Expired)
    );

    let fresh = World::with(|issuer| issuer.max_age(Duration::from_secs(100)));
    let issued = |ago: u64| fresh.es.token().at(NOW - ago).sign();
    assert_eq!(fresh.reason(&issued(130)).await, None);
    assert_eq!(fresh.reason(&issued(131)).await, Some(Reason::Expired));
    let undated = fresh.token().without("iat").sign();
    assert_eq!(fresh.reason(&undated).await, Some(Reason::BadClaim));
}

#[tokio::test]
async fn x22_the_same_token_twice_is_no_attack() {
    let world = World::new();
    let token = world.token().sign();
    assert_eq!(world.reason(&token).await, None);
    assert_eq!(world.reason(&token).await, None);
}

/// X-24, as far as bearer tokens go.
#[tokio::test]
async fn x24_bound_tokens_are_no_bearer_tokens() {
    let world = World::new();
    let bound =
        [json!({"jkt": "x"}), json!({"x5t#S256": "x"}), json!({"new": 1}), json!({}), json!(null)];
    let rows = bound
        .map(|cnf| (cnf.to_string(), world.token().claim("cnf", cnf).sign(), Reason::CnfMismatch));
    world.refuses(rows).await;
}

#[tokio::test]
async fn x31_scopes() {
    let rows = [
        ("scope", json!("a b"), &["a", "b"][..]),
        ("scope", json!("  a  b "), &["a", "b"]),
        ("scope", json!(["admin"]), &[]),
        ("scope", json!({"admin": 1}), &[]),
        ("scope", json!("a,admin"), &["a,admin"]),
        ("scope", json!("a\tadmin"), &[]),
        ("scope", json!("a\u{a0}admin b"), &["b"]),
        ("scope", json!("a\nadmin"), &[]),
        ("scope", json!("\"admin\""), &[]),
        ("scp", json!("a b"), &["a", "b"]),
        ("scp", json!(["a", "b"]), &["a", "b"]),
        ("scp", json!(["a b"]), &[]),
        ("scp", json!(["a", 1]), &[]),
        ("scp", json!({"admin": 1}), &[]),
        ("permissions", json!(["admin"]), &[]),
    ];
    let world = World::new();
    for (claim, value, expected) in rows {
        let principal = world.principal(world.token().claim(claim, value.clone())).await;
        assert_eq!(principal.scopes(), expected, "{claim} {value}");
    }
    let both = world.principal(world.token().scope("a").claim("scp", "admin")).await;
    assert_eq!(both.scopes(), ["a"], "one claim counts");
    let wrong = world.token().claim("scope", json!(["x"])).claim("scp", "admin");
    assert_eq!(world.principal(wrong).await.scopes(), [""; 0], "no fallback from a bad claim");

    let configured = World::with(|issuer| issuer.scope_claim("/perms/all"));
    let token = configured.token().scope("admin").claim("perms", json!({"all": ["a", "b"]}));
    assert_eq!(configured.principal(token).await.scopes(), ["a", "b"]);
}

/// X-32, R-129.
#[tokio::test]
async fn x32_identity_is_issuer_and_subject() {
    let world = World::new();
    let alice =
        || world.token().claim("email", "boss@example.com").claim("preferred_username", "boss");
    let principal = world.principal(alice()).await;
    assert_eq!((principal.issuer(), principal.subject()), (ISSUER, "alice"));
    assert_ne!(principal, world.principal(alice().subject("bob")).await);
    let bad = [
        ("empty sub", world.token().subject("")),
        ("no sub", world.token().without("sub").claim("email", "a@example.com")),
        ("sub a number", world.token().claim("sub", 1)),
        ("long sub", world.token().subject(&"x".repeat(256))),
        ("no client", world.token().without("client_id")),
        ("empty client", world.token().client("")),
        ("client a number", world.token().claim("client_id", 1).claim("azp", "x")),
        ("jti a number", world.token().claim("jti", 1)),
    ];
    world.refuses(bad.map(|(name, token)| (name.to_owned(), token.sign(), Reason::BadClaim))).await;
    assert_eq!(world.reason(&world.token().subject(&"ä".repeat(255)).sign()).await, None);
    for claim in ["azp", "cid", "appid"] {
        let token = world.token().without("client_id").claim(claim, "other");
        assert_eq!(world.principal(token).await.client_id(), Some("other"), "{claim}");
    }
}

/// X-33, R-130.
#[tokio::test]
async fn x33_clients_are_told_from_users() {
    let world = World::new();
    let rows = [
        ("user", world.token(), false),
        ("sub is the client", world.token().subject("client-1"), true),
        ("Entra app", world.token().claim("idtyp", "app"), true),
        ("Entra user", world.token().claim("idtyp", "user"), false),
    ];
    for (name, token, expected) in rows {
        assert_eq!(world.principal(token).await.is_client(), expected, "{name}");
    }
}

/// R-131, R-132.
#[tokio::test]
async fn groups_and_roles() {
    let world = World::new();
    let known = world.token().claim("groups", json!(["g1", "g2"])).claim("roles", json!(["r"]));
    let principal = world.principal(known.clone()).await;
    assert_eq!(principal.groups(), ["g1", "g2"]);
    assert_eq!(principal.roles(), ["r"]);
    assert!(!principal.groups_unknown());
    assert!(!world.principal(world.token()).await.groups_unknown(), "no groups is an answer");
    let unknown = [
        ("Entra overage", known.clone().claim("_claim_names", json!({"groups": "src1"}))),
        ("bad overage marker", known.clone().claim("_claim_names", "groups")),
        ("hasgroups", known.clone().claim("hasgroups", true)),
        ("hasgroups a string", known.clone().claim("hasgroups", "true")),
        ("one group as a string", world.token().claim("groups", "g1")),
        ("a number among them", world.token().claim("groups", json!(["g1", 2]))),
        ("an object", world.token().claim("groups", json!({"g1": true}))),
    ];
    for (name, token) in unknown {
        let principal = world.principal(token).await;
        assert!(principal.groups_unknown(), "{name}");
        assert_eq!(principal.groups(), [""; 0], "{name}");
    }
    let other = known.clone().claim("_claim_names", json!({"address": "src1"}));
    assert!(!world.principal(other).await.groups_unknown());
    let bad_roles = known.claim("roles", json!(["r", 1]));
    assert_eq!(world.principal(bad_roles).await.roles(), [""; 0]);

    let keycloak = World::with(|issuer| {
        issuer.groups_claim("/realm/groups").roles_claim("/realm_access/roles").tenant_claim("tid")
    });
    let token = keycloak
        .token()
        .claim("realm", json!({"groups": ["g"]}))
        .claim("realm_access", json!({"roles": ["r"]}))
        .claim("tid", "t");
    let principal = keycloak.principal(token.clone()).await;
    assert_eq!(principal.groups(), ["g"]);
    assert_eq!(principal.roles(), ["r"]);
    assert_eq!(principal.tenant(), Some("t"));
    let overage = token.claim("_claim_names", json!({"realm": "src1"}));
    assert!(keycloak.principal(overage).await.groups_unknown());
}

#[tokio::test]
async fn actors_are_read_whole_or_refused() {
    let world = World::new();
    let chain = |length: usize| {
        (0..length).fold(Value::Null, |inner, at| match inner {
            Value::Null => json!({"sub": at.to_string()}),
            inner => json!({"sub": at.to_string(), "iss": "https://x", "act": inner}),
        })
    };
    let principal = world.principal(world.token().claim("act", chain(3))).await;
    let actors: Vec<_> = principal.actors().iter().map(|a| (a.subject(), a.issuer())).collect();
    assert_eq!(actors, [("2", Some("https://x")), ("1", Some("https://x")), ("0", None)]);
    assert_eq!(world.principal(world.token().claim("act", chain(8))).await.actors().len(), 8);
    for act in [
        chain(9),
        json!("agent"),
        json!({}),
        json!({"sub": 1}),
        json!({"sub": ""}),
        json!(null),
        json!({"sub": "a", "iss": 1}),
    ] {
        let token = world.token().claim("act", act.clone()).sign();
        assert_eq!(world.reason(&token).await, Some(Reason::BadClaim), "{act}");
    }
}

#[tokio::test]
async fn what_the_principal_says() {
    let world = World::new();
    let token = world.token().claim("jti", "id-1").claim("email", "alice@example.com");
    let principal = world.principal(token).await;
    assert_eq!(principal.method(), "bearer");
    assert_eq!(principal.client_id(), Some("client-1"));
    assert_eq!(principal.audiences(), [RESOURCE]);
    assert_eq!(principal.expires_at(), Some(Duration::from_secs(NOW - 60 + 3600)));
    assert_eq!(principal.token().id.as_deref(), Some("id-1"));
    assert_eq!(principal.token().algorithm, Some("ES256"));
    assert_eq!(principal.token().key_id.as_deref(), Some(world.es.kid()));
    assert_eq!(principal.claims()["email"], "alice@example.com");
}

/// Settings that cannot be honoured are errors, never warnings (X-18 among them).
#[tokio::test]
async fn set_up_is_checked() {
    let keys = || JwkSet::from_json(Mint::es256(ISSUER).jwks()).unwrap();
    let good = || Issuer::new(ISSUER).keys(keys());
    let named = |name: &str| Issuer::new(name).keys(keys());
    let rows = [
        ("good", vec![good()], true),
        ("two issuers", vec![good(), named("https://b.example")], true),
        ("no issuer", vec![], false),
        ("the same twice", vec![good(), good()], false),
        ("no keys", vec![Issuer::new(ISSUER)], false),
        ("empty name", vec![named("")], false),
        ("white space", vec![named("https://id.example.com ")], false),
        ("tenant placeholder", vec![named("https://login.example.com/{tenantid}/v2.0")], false),
        ("no algorithm", vec![good().algorithms([])], false),
        ("leeway of 120 s", vec![good().leeway(Duration::from_secs(120))], true),
        ("leeway of 121 s", vec![good().leeway(Duration::from_secs(121))], false),
        ("empty audience", vec![good().audience("")], false),
        ("no marker", vec![good().accept_jwt_typ::<String>([])], false),
        ("no lifetime", vec![good().max_lifetime(Duration::ZERO)], false),
    ];
    for (name, issuers, expected) in rows {
        let builder = issuers.into_iter().fold(Verifier::builder(RESOURCE), |b, i| b.issuer(i));
        assert_eq!(builder.build().is_ok(), expected, "{name}");
    }
    for resource in ["", "mcp", "/mcp", "https://mcp.example.com/mcp#x", "mcp.example.com"] {
        assert!(Verifier::builder(resource).issuer(good()).build().is_err(), "{resource:?}");
    }
}
