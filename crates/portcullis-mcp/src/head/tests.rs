use http::HeaderValue;
use portcullis_core::{Clock, Principal};

use super::*;
use crate::capability::Declared;
use crate::lists::Lists;
use crate::questions::Questions;
use crate::{Limits, SessionKeys};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const NOW: u64 = 1_800_000_000;
const LEGACY: Version = Version::V2025_06_18;

fn caller(subject: &str) -> Caller {
    Caller::Verified(Principal::builder("https://id.example", subject).build().into())
}

fn config() -> InspectConfig {
    InspectConfig {
        resource: RESOURCE.to_owned(),
        sessions: SessionKeys::new(&[7; 32]),
        clock: Clock::manual(NOW).0,
        ..InspectConfig::default()
    }
}

fn modern_only() -> InspectConfig {
    InspectConfig { versions: vec![Version::V2026_07_28], ..config() }
}

fn session_of(subject: &str) -> String {
    let now = Duration::from_secs(NOW);
    config()
        .sessions
        .seal("up-1", (LEGACY, Lists::default(), Declared::UNSEEN), &caller(subject), RESOURCE, now)
        .unwrap()
}

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn head(config: &InspectConfig, method: &str, fields: &[(&str, &str)]) -> Result<Plan, Denial> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    check_head(config, &caller("alice"), &method, &headers(fields))
}

fn verdict(result: Result<Plan, Denial>) -> Result<bool, (u16, Reason)> {
    match result {
        Ok(plan) => Ok(matches!(plan, Plan::ReadBody)),
        Err(denial) => Err((denial.status().as_u16(), denial.reason())),
    }
}

type Fields<'a> = &'a [(&'a str, &'a str)];
/// Whether a body is read next, or the refusal.
type Expected = Result<bool, (u16, Reason)>;

const TYPE: (&str, &str) = ("content-type", "application/json");
const ACCEPT: (&str, &str) = ("accept", "application/json, text/event-stream");

/// R-003, X-49: the method is the one in the request line.
/// R-003, R-022: there is nothing of HTTP+SSE either.
#[test]
fn methods() {
    let (both, modern) = (config(), modern_only());
    let refused = Err((405, Reason::BadHttpMethod));
    let delete = ("x-http-method-override", "DELETE");
    let id = session_of("alice");
    let rows: &[(&str, &InspectConfig, &str, Fields<'_>, Expected)] = &[
        ("post", &both, "POST", &[TYPE, ACCEPT], Ok(true)),
        ("override", &both, "POST", &[TYPE, ACCEPT, delete], Ok(true)),
        ("get", &both, "GET", &[ACCEPT], Ok(false)),
        ("get, modern only", &modern, "GET", &[ACCEPT], refused),
        ("delete", &both, "DELETE", &[("mcp-session-id", &id)], Ok(false)),
        ("delete, modern only", &modern, "DELETE", &[("mcp-session-id", &id)], refused),
        ("put", &both, "PUT", &[TYPE, ACCEPT], refused),
        ("patch", &both, "PATCH", &[TYPE, ACCEPT], refused),
        ("head", &both, "HEAD", &[ACCEPT], refused),
        ("options", &both, "OPTIONS", &[], refused),
        ("post in lower case", &both, "post", &[TYPE, ACCEPT], refused),
    ];
    for (name, config, method, fields, expected) in rows {
        assert_eq!(verdict(head(config, method, fields)), *expected, "{name}");
    }
    let allow = |config| {
        let denial = head(config, "PUT", &[]).unwrap_err();
        let response = denial.into_response::<http_body_util::Empty<bytes::Bytes>>();
        response.headers()["allow"].clone()
    };
    assert_eq!(allow(&both), "GET, POST, DELETE");
    assert_eq!(allow(&modern), "POST");
}

/// R-009 to R-011, R-013, R-016, X-50, X-51, in the order of requirements 0.3.
/// R-009, R-010, R-014, R-016.
#[test]
fn heads_of_posts() {
    let limits = Limits::new().body(1_000).mcp_header(10);
    let config = InspectConfig { limits, ..config() };
    let (media, large) = (Err((415, Reason::BadMedia)), Err((413, Reason::TooLarge)));
    let length = |value| ("content-length", value);
    let bad = Err((400, Reason::BadFraming));
    let rows: &[(&str, Fields<'_>, Expected)] = &[
        ("plain", &[TYPE, ACCEPT], Ok(true)),
        ("no type", &[ACCEPT], media),
        ("two types", &[TYPE, TYPE, ACCEPT], media),
        ("text", &[("content-type", "text/plain"), ACCEPT], media),
        ("gzip", &[TYPE, ACCEPT, ("content-encoding", "gzip")], media),
        ("no accept", &[TYPE], Err((406, Reason::BadMedia))),
        ("json only", &[TYPE, ("accept", "application/json")], Err((406, Reason::BadMedia))),
        ("at the limit", &[TYPE, ACCEPT, length("1000")], Ok(true)),
        ("past the limit", &[TYPE, ACCEPT, length("1001")], large),
        ("far past it", &[TYPE, ACCEPT, length("99999999999999999999999999")], large),
        ("two lengths", &[TYPE, ACCEPT, length("5"), length("5")], bad),
        ("signed", &[TYPE, ACCEPT, length("+5")], bad),
        ("list", &[TYPE, ACCEPT, length("5, 5")], bad),
        ("no number", &[TYPE, ACCEPT, length("")], bad),
        ("type before accept", &[], media),
        ("accept before length", &[TYPE, length("1001")], Err((406, Reason::BadMedia))),
        ("long mirror", &[TYPE, ACCEPT, ("mcp-name", "12345678901")], Err((431, Reason::TooLarge))),
        ("mirror at the limit", &[TYPE, ACCEPT, ("mcp-name", "1234567890")], Ok(true)),
        ("other long field", &[TYPE, ACCEPT, ("x-name", "12345678901")], Ok(true)),
    ];
    for (name, fields, expected) in rows {
        assert_eq!(verdict(head(&config, "POST", fields)), *expected, "{name}");
    }
}

/// R-016: where the deployment is strict, wildcards do not count.
#[test]
fn accept_where_strict() {
    let strict = InspectConfig { strict: true, ..config() };
    let refused = Err((406, Reason::BadMedia));
    for (accept, expected) in [
        ("application/json, text/event-stream", Ok(true)),
        ("text/event-stream;q=0.5, application/json", Ok(true)),
        ("*/*", refused),
        ("application/json, text/*", refused),
        ("application/*, text/event-stream, */*", refused),
        ("application/json, text/event-stream;q=0", refused),
    ] {
        let fields = [TYPE, ("accept", accept)];
        assert_eq!(verdict(head(&strict, "POST", &fields)), expected, "{accept}");
        let by_default =
            if accept.contains("q=0") && !accept.contains("q=0.") { refused } else { Ok(true) };
        assert_eq!(verdict(head(&config(), "POST", &fields)), by_default, "{accept}");
    }
}

/// What `subject` calls the event 7 of that session.
fn event_of(subject: &str) -> String {
    let (config, caller) = (config(), caller(subject));
    Questions { config: &config, caller: &caller, session: "up-1" }.event_name("7").unwrap()
}

/// R-004, R-083, R-432, R-433, R-434, X-140, X-161.
#[test]
fn streams_and_ends() {
    let (alice, bob) = (session_of("alice"), session_of("bob"));
    let own = ("mcp-session-id", alice.as_str());
    let foreign = ("mcp-session-id", bob.as_str());
    let accept = ("accept", "text/event-stream");
    let version = |version| ("mcp-protocol-version", version);
    let (name, foreign_name) = (event_of("alice"), event_of("bob"));
    let last = ("last-event-id", name.as_str());
    let others = ("last-event-id", foreign_name.as_str());
    let required = Err((400, Reason::SessionRequired));
    let mismatch = Err((404, Reason::SessionPrincipalMismatch));
    let no_session = Err((404, Reason::SessionUnknown));
    let rows: &[(&str, &str, Fields<'_>, Expected)] = &[
        ("stream", "GET", &[accept, own], Ok(false)),
        ("stream without session", "GET", &[accept], Ok(false)),
        ("json only", "GET", &[("accept", "application/json"), own], Err((406, Reason::BadMedia))),
        ("no accept", "GET", &[own], Err((406, Reason::BadMedia))),
        ("named version", "GET", &[accept, own, version("2025-06-18")], Ok(false)),
        (
            "other version",
            "GET",
            &[accept, own, version("2025-11-25")],
            Err((400, Reason::BadVersion)),
        ),
        ("unknown version", "GET", &[accept, own, version("1")], Err((400, Reason::BadVersion))),
        (
            "modern version",
            "GET",
            &[accept, own, version("2026-07-28")],
            Err((405, Reason::BadHttpMethod)),
        ),
        ("foreign session", "GET", &[accept, foreign], mismatch),
        ("unknown session", "GET", &[accept, ("mcp-session-id", "x")], no_session),
        ("two sessions", "GET", &[accept, own, own], no_session),
        ("resume", "GET", &[accept, own, last], Ok(false)),
        ("resume of nothing", "GET", &[accept, last], required),
        ("resume of another stream", "GET", &[accept, own, others], no_session),
        (
            "resume from an id of the server's",
            "GET",
            &[accept, own, ("last-event-id", "7")],
            no_session,
        ),
        ("foreign resume", "GET", &[accept, foreign, last], mismatch),
        ("resume twice", "GET", &[accept, own, last, last], Err((400, Reason::BadRpc))),
        ("end", "DELETE", &[own], Ok(false)),
        ("end of nothing", "DELETE", &[], required),
        ("end of a foreign one", "DELETE", &[foreign], mismatch),
        ("end of an unknown one", "DELETE", &[("mcp-session-id", "x")], no_session),
    ];
    for (name, method, fields, expected) in rows {
        assert_eq!(verdict(head(&config(), method, fields)), *expected, "{name}");
    }
}

fn plan(method: &str, fields: &[(&str, &str)]) -> (Inspected, HeaderMap) {
    let Ok(Plan::NoBody(inspected)) = head(&config(), method, fields) else { panic!() };
    let mut headers = headers(fields);
    rewrite_head(&inspected, &mut headers);
    (*inspected, headers)
}

fn post(fields: &[(&str, &str)], body: &'static str) -> (Inspected, HeaderMap) {
    let mut headers = headers(fields);
    let body = bytes::Bytes::from_static(body.as_bytes());
    let inspected = crate::inspect::inspect(&config(), &caller("alice"), &headers, &body).unwrap();
    rewrite_head(&inspected, &mut headers);
    (inspected, headers)
}

/// R-039, R-431, R-437, X-120: what is forwarded says one era and the service's own session id.
#[test]
fn forwarded_heads() {
    let id = session_of("alice");
    let own = ("mcp-session-id", id.as_str());
    let stray =
        [("mcp-name", "safe"), ("mcp-method", "x"), ("mcp-param-a", "1"), ("last-event-id", "7")];
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let begin = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18"}}"#;

    let mut fields = stray.to_vec();
    fields.push(own);
    fields.push(("transfer-encoding", "chunked"));
    let (inspected, headers) = post(&fields, list);
    assert_eq!(
        inspected.session,
        SessionUse::Open {
            upstream_id: "up-1".into(),
            lists: Lists::default(),
            declared: Declared::UNSEEN,
            issued: Duration::from_secs(NOW)
        }
    );
    let expected = [
        ("mcp-session-id", "up-1"),
        ("mcp-protocol-version", "2025-06-18"),
        ("content-length", "46"),
    ];
    assert_eq!(headers.len(), expected.len(), "{headers:?}");
    for (name, value) in expected {
        assert_eq!(headers[name], value);
    }

    let (_, headers) = post(&[("mcp-protocol-version", "2025-03-26")], list);
    assert!(!headers.contains_key("mcp-protocol-version"), "03 has no such header");
    let (_, headers) = post(&[own, ("mcp-protocol-version", "2025-11-25")], begin);
    assert!(!headers.contains_key("mcp-protocol-version"), "nothing is negotiated yet");
    assert!(!headers.contains_key("mcp-session-id"), "R-436");

    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
        ("mcp-param-a", "1"),
        ("mcp-session-id", "random"),
        ("last-event-id", "7"),
    ];
    let (inspected, headers) = post(&modern, body);
    assert_eq!(inspected.body, body.as_bytes(), "`_meta` is intact");
    assert_eq!(headers["mcp-protocol-version"], "2026-07-28");
    assert_eq!(headers["mcp-method"], "tools/list");
    assert_eq!(headers["mcp-param-a"], "1", "R-056");
    assert!(!headers.contains_key("mcp-session-id") && !headers.contains_key("last-event-id"));

    let accept = ("accept", "text/event-stream");
    let name = event_of("alice");
    let (_, headers) = plan("GET", &[accept, own, ("last-event-id", &name), ("mcp-name", "x")]);
    assert_eq!(headers["mcp-session-id"], "up-1");
    assert_eq!(headers["mcp-protocol-version"], "2025-06-18");
    assert_eq!(headers["last-event-id"], "7");
    assert!(!headers.contains_key("mcp-name"));

    let (inspected, headers) = plan("DELETE", &[own, ("content-length", "3")]);
    assert_eq!(inspected.session, SessionUse::Ends { upstream_id: "up-1".into() });
    assert_eq!(headers["mcp-session-id"], "up-1");
    assert!(!headers.contains_key("content-length"));
}

/// R-039, R-069, R-431: only a head that nothing would be done to is left alone.
#[test]
fn heads_that_fit() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let length = body.len().to_string();
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
        ("mcp-param-a", "1"),
        ("accept", "a"),
        ("content-length", length.as_str()),
    ];
    let rows: &[(&str, Fields<'_>, bool)] = &[
        ("as clients send it", &[], true),
        ("two params", &[("mcp-param-b", "1")], true),
        ("a session", &[("mcp-session-id", "x")], false),
        ("an event", &[("last-event-id", "7")], false),
        ("chunked", &[("transfer-encoding", "chunked")], false),
        ("a length twice", &[("content-length", &length)], false),
        ("trailer", &[("trailer", "a")], false),
        ("te", &[("te", "a")], false),
        ("expect", &[("expect", "a")], false),
        ("coding", &[("content-encoding", "identity")], false),
        ("range", &[("range", "a")], false),
        ("if-range", &[("if-range", "a")], false),
        ("if-match", &[("if-match", "a")], false),
        ("if-none-match", &[("if-none-match", "a")], false),
        ("if-modified-since", &[("if-modified-since", "a")], false),
        ("if-unmodified-since", &[("if-unmodified-since", "a")], false),
    ];
    let fits = |fields: &[(&str, &str)], name: &str| {
        let mut headers = headers(fields);
        let before = headers.clone();
        let body = bytes::Bytes::from_static(body.as_bytes());
        let inspected = crate::inspect::inspect(&config(), &caller("alice"), &headers, &body);
        let inspected = inspected.unwrap();
        rewrite_head(&inspected, &mut headers);
        let transfer = before.keys().any(|name| is_about_transfer(name.as_str()));
        let same = headers == before && !transfer;
        assert!(same || !inspected.head_fits, "{name}: {headers:?}");
        inspected.head_fits
    };
    for (name, more, expected) in rows {
        assert_eq!(fits(&[&modern[..], more].concat(), name), *expected, "{name}");
    }
    assert!(!fits(&modern[..4], "no length"));
    let [version @ .., _] = modern;
    assert!(!fits(&[&version[..], &[("content-length", "7")]].concat(), "another length"));
    let spaced = ("mcp-protocol-version", "2026-07-28 ");
    assert!(!fits(&[&[spaced], &modern[1..]].concat(), "white space"));
}

/// R-041, for requests without a body: a legacy version that is not enabled is not spoken.
#[test]
fn a_stream_of_a_version_that_is_not_enabled() {
    let newest = InspectConfig { versions: vec![Version::V2025_11_25], ..config() };
    for (version, expected) in
        [("2025-11-25", Ok(false)), ("2025-06-18", Err((400, Reason::BadVersion)))]
    {
        let fields = [ACCEPT, ("mcp-protocol-version", version)];
        assert_eq!(verdict(head(&newest, "GET", &fields)), expected, "{version}");
    }
}
