//! The recipes of requirements section 4, byte for byte.

use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Empty};

use crate::*;

const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

fn challenge() -> Challenge {
    Challenge::new(METADATA, ["mcp:read"]).unwrap()
}

fn dpop_challenge() -> Challenge {
    challenge().dpop(&["ES256", "EdDSA"], false).unwrap()
}

fn id(raw: &str) -> Text {
    Text::from(raw)
}

fn request(version: Version, raw_id: &str) -> McpRequest {
    McpRequestParts {
        version,
        method: Method::ToolsCall,
        id: id(raw_id),
        target: None,
        more_targets: Vec::new(),
        arguments: None,
        raw: Bytes::new(),
    }
    .into()
}

struct Recipe {
    name: &'static str,
    denial: Denial,
    status: u16,
    length: usize,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
}

const NO_STORE: (&str, &str) = ("cache-control", "no-store");

fn recipes() -> Vec<Recipe> {
    let modern = request(Version::V2026_07_28, "2");
    let legacy = request(Version::V2025_11_25, "2");
    vec![
        Recipe {
            name: "4.1 no token",
            denial: Denial::no_token(&challenge()),
            status: 401,
            length: 70,
            headers: &[
                (
                    "www-authenticate",
                    r#"Bearer scope="mcp:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#,
                ),
                NO_STORE,
            ],
            body: r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
        },
        Recipe {
            name: "4.2 invalid token",
            denial: Denial::invalid_token(&challenge(), Reason::BadAud),
            status: 401,
            length: 86,
            headers: &[
                (
                    "www-authenticate",
                    r#"Bearer error="invalid_token", scope="mcp:read", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="The access token is invalid or expired""#,
                ),
                NO_STORE,
            ],
            body: r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#,
        },
        Recipe {
            name: "4.2 DPoP",
            denial: Denial::invalid_dpop_proof(&dpop_challenge(), Reason::DpopInvalid),
            status: 401,
            length: 78,
            headers: &[
                (
                    "www-authenticate",
                    r#"DPoP error="invalid_dpop_proof", algs="ES256 EdDSA", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#,
                ),
                NO_STORE,
            ],
            body: r#"{"error":"invalid_dpop_proof","error_description":"The DPoP proof is invalid"}"#,
        },
        Recipe {
            name: "4.2 DPoP nonce (RFC 9449 section 9)",
            denial: Denial::use_dpop_nonce(&dpop_challenge(), "abc"),
            status: 401,
            length: 80,
            headers: &[
                (
                    "www-authenticate",
                    r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#,
                ),
                ("dpop-nonce", "abc"),
                NO_STORE,
            ],
            body: r#"{"error":"use_dpop_nonce","error_description":"The DPoP proof needs this nonce"}"#,
        },
        Recipe {
            name: "4.2 malformed credentials",
            denial: Denial::invalid_credentials(&challenge(), Reason::MultipleAuth),
            status: 400,
            length: 114,
            headers: &[
                (
                    "www-authenticate",
                    r#"Bearer error="invalid_request", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Exactly one access token in the Authorization header is required""#,
                ),
                NO_STORE,
            ],
            body: r#"{"error":"invalid_request","error_description":"Exactly one access token in the Authorization header is required"}"#,
        },
        Recipe {
            name: "4.3 insufficient scope",
            denial: Denial::insufficient_scope(
                &challenge(),
                &id("7"),
                vec!["files:read".into(), "files:write".into()],
            ),
            status: 403,
            length: 151,
            headers: &[
                (
                    "www-authenticate",
                    r#"Bearer error="insufficient_scope", scope="files:read files:write", resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp", error_description="Additional permission required""#,
                ),
                NO_STORE,
            ],
            body: r#"{"jsonrpc":"2.0","id":7,"error":{"code":-31403,"message":"Insufficient scope","data":{"reason":"insufficient_scope","scope":"files:read files:write"}}}"#,
        },
        Recipe {
            name: "4.4 header mismatch",
            denial: Denial::header_mismatch(
                Some(&id("1")),
                "Mcp-Name header does not match request body",
            ),
            status: 400,
            length: 121,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch: Mcp-Name header does not match request body"}}"#,
        },
        Recipe {
            name: "4.5 origin",
            denial: Denial::origin(),
            status: 403,
            length: 72,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Origin not allowed"}}"#,
        },
        Recipe {
            name: "4.6 too large",
            denial: Denial::body_too_large(),
            status: 413,
            length: 76,
            headers: &[("connection", "close")],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Request body too large"}}"#,
        },
        Recipe {
            name: "4.6 too slow",
            denial: Denial::body_too_slow(),
            status: 408,
            length: 74,
            headers: &[("connection", "close")],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Request body timeout"}}"#,
        },
        Recipe {
            name: "4.7 content type",
            denial: Denial::content_type(),
            status: 415,
            length: 91,
            headers: &[("accept-post", "application/json")],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Content-Type must be application/json"}}"#,
        },
        Recipe {
            name: "4.7 content encoding",
            denial: Denial::content_encoding(),
            status: 415,
            length: 84,
            headers: &[("accept-encoding", "identity")],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Content-Encoding not supported"}}"#,
        },
        Recipe {
            name: "4.8 accept",
            denial: Denial::not_acceptable(),
            status: 406,
            length: 112,
            headers: &[],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Accept must include application/json and text/event-stream"}}"#,
        },
        Recipe {
            name: "4.9 method",
            denial: Denial::method_not_allowed("POST"),
            status: 405,
            length: 0,
            headers: &[("allow", "POST")],
            body: "",
        },
        Recipe {
            name: "4.10 unknown session",
            denial: Denial::session_not_found(Reason::SessionUnknown),
            status: 404,
            length: 17,
            headers: &[NO_STORE, ("content-type", "text/plain; charset=utf-8")],
            body: "Session not found",
        },
        Recipe {
            name: "4.10 session required",
            denial: Denial::session_required(Some(&id("3"))),
            status: 400,
            length: 91,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32600,"message":"Mcp-Session-Id header required"}}"#,
        },
        Recipe {
            name: "4.11 unsupported version",
            denial: Denial::unsupported_version(Some(&id("1")), "2027-01-01", &Version::ALL),
            status: 400,
            length: 189,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"],"requested":"2027-01-01"}}}"#,
        },
        Recipe {
            name: "4.11 not negotiated",
            denial: Denial::not_negotiated(Some(&id("4")), Version::V2025_06_18),
            status: 400,
            length: 130,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":4,"error":{"code":-32600,"message":"MCP-Protocol-Version does not match the negotiated version 2025-06-18"}}"#,
        },
        Recipe {
            name: "4.11 no handshake",
            denial: Denial::no_handshake(&id("0"), "2025-11-25", &[Version::V2026_07_28]),
            status: 400,
            length: 214,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"Unsupported protocol version. This server supports only 2026-07-28 (no initialize handshake)","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}}"#,
        },
        Recipe {
            name: "4.11 missing meta",
            denial: Denial::missing_meta(&id("1"), "io.modelcontextprotocol/clientCapabilities"),
            status: 400,
            length: 139,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params: missing _meta field io.modelcontextprotocol/clientCapabilities"}}"#,
        },
        Recipe {
            name: "4.11 unknown method, modern",
            denial: Denial::unknown_method(&id("1"), Era::Modern),
            status: 404,
            length: 77,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
        },
        Recipe {
            name: "4.11 unknown method, legacy",
            denial: Denial::unknown_method(&id("1"), Era::Legacy),
            status: 200,
            length: 77,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
        },
        Recipe {
            name: "4.11 parse error",
            denial: Denial::parse_error(),
            status: 400,
            length: 65,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}"#,
        },
        Recipe {
            name: "4.11 shape error",
            denial: Denial::invalid_request(Reason::BadRpc),
            status: 400,
            length: 69,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"}}"#,
        },
        Recipe {
            name: "4.12 hidden tool",
            denial: Denial::hidden(
                &modern,
                HiddenAs::Unknown(TargetKind::Tool, "delete_user"),
                Reason::DefaultDeny,
            ),
            status: 200,
            length: 86,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: delete_user"}}"#,
        },
        Recipe {
            name: "4.12 hidden prompt",
            denial: Denial::hidden(
                &legacy,
                HiddenAs::Unknown(TargetKind::Prompt, "payroll"),
                Reason::PolicyDenied,
            ),
            status: 200,
            length: 84,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown prompt: payroll"}}"#,
        },
        Recipe {
            name: "4.12 hidden resource, modern",
            denial: Denial::hidden(
                &modern,
                HiddenAs::Unknown(TargetKind::Resource, "file:///payroll.csv"),
                Reason::PolicyDenied,
            ),
            status: 200,
            length: 116,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        },
        Recipe {
            name: "4.12 hidden resource, legacy",
            denial: Denial::hidden(
                &legacy,
                HiddenAs::Unknown(TargetKind::Resource, "file:///payroll.csv"),
                Reason::PolicyDenied,
            ),
            status: 200,
            length: 116,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        },
        Recipe {
            name: "4.12 explained",
            denial: Denial::explained(
                &modern,
                "0192f3c1-7c1e-7c6a-9b1e-2f4d5a6b7c8d",
                Reason::PolicyDenied,
            ),
            status: 200,
            length: 166,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"error":{"code":-31403,"message":"Forbidden by policy","data":{"reason":"policy_denied","decisionId":"0192f3c1-7c1e-7c6a-9b1e-2f4d5a6b7c8d"}}}"#,
        },
        Recipe {
            name: "4.12 tool result, modern",
            denial: Denial::tool_result(&modern, Reason::PolicyDenied),
            status: 200,
            length: 151,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","content":[{"type":"text","text":"You are not permitted to use this tool."}],"isError":true}}"#,
        },
        Recipe {
            name: "4.16 rate limit",
            denial: Denial::rate_limited(Some(&id("9")), std::time::Duration::from_secs(5)),
            status: 429,
            length: 78,
            headers: &[("retry-after", "5"), NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":9,"error":{"code":-31429,"message":"Too many requests"}}"#,
        },
        Recipe {
            name: "4.16 keys unavailable",
            denial: Denial::keys_unavailable(std::time::Duration::from_secs(10)),
            status: 503,
            length: 103,
            headers: &[("retry-after", "10"), NO_STORE],
            body: r#"{"error":"temporarily_unavailable","error_description":"Token verification is temporarily unavailable"}"#,
        },
        Recipe {
            name: "4.16 upstream",
            denial: Denial::upstream(Some(&id("9"))),
            status: 502,
            length: 75,
            headers: &[NO_STORE],
            body: r#"{"jsonrpc":"2.0","id":9,"error":{"code":-32603,"message":"Upstream error"}}"#,
        },
    ]
}

#[test]
fn recipes_are_exact() {
    for recipe in recipes() {
        let Recipe { name, denial, status, length, headers, body } = recipe;
        let response = denial.clone().into_response::<Empty<Bytes>>();
        assert_eq!(response.status(), status, "{name}");
        for (field, value) in headers {
            assert_eq!(response.headers().get(*field).unwrap(), value, "{name}: {field}");
        }
        assert_eq!(response.headers()[header::CONTENT_LENGTH], length.to_string(), "{name}");
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter().count();
        assert!(challenges <= 1, "{name}: one challenge line");
        assert!(response.denial().is_some(), "{name}: the denial travels with the response");

        let bytes = response.into_body().collect();
        let bytes = futures_now(bytes).unwrap().to_bytes();
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), body, "{name}");
        assert_eq!(bytes.len(), length, "{name}");
    }
}

/// R-062: emitted codes are the specification's own or outside its reserved range.
#[test]
fn codes_are_ours_to_emit() {
    for Recipe { name, denial, .. } in recipes() {
        let Some(code) = denial.rpc_code() else { continue };
        let defined = [-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32022];
        let own = !(-32768..=-32000).contains(&code);
        assert!(own || defined.contains(&code), "{name}: {code}");
    }
}

#[test]
fn client_text_is_escaped() {
    let name = "x\"}\r\nSet-Cookie: a=b\u{2028}";
    let denial = Denial::hidden(
        &request(Version::V2026_07_28, "\"a\""),
        HiddenAs::Unknown(TargetKind::Tool, name),
        Reason::DefaultDeny,
    );
    let value: serde_json::Value = serde_json::from_str(denial.rpc_object().unwrap()).unwrap();
    assert_eq!(value["error"]["message"], format!("Unknown tool: {name}"));
    assert_eq!(value["id"], "a");

    let long = "9".repeat(1000);
    let denial = Denial::unsupported_version(None, &long, &Version::ALL);
    let value: serde_json::Value = serde_json::from_str(denial.rpc_object().unwrap()).unwrap();
    assert_eq!(value["error"]["data"]["requested"].as_str().unwrap().len(), 64);
    assert!(value.get("id").is_none(), "no id rather than null");
}

#[test]
fn a_scope_that_cannot_be_challenged_is_our_own_fault() {
    let denial = Denial::insufficient_scope(&challenge(), &id("1"), vec!["a\"b".into()]);
    assert_eq!(denial.kind(), DenialKind::Miswired);
    assert_eq!(denial.status(), 500);
}

/// Own bodies are ready at once.
fn futures_now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("an own body never waits"),
    }
}

/// R-169: the line of `Bearer` first, because deployed clients read no other.
#[test]
fn dpop_is_offered_in_a_second_line() {
    let dpop = dpop_challenge();
    for denial in [Denial::no_token(&dpop), Denial::invalid_token(&dpop, Reason::BadAud)] {
        let response = denial.into_response::<Empty<Bytes>>();
        let lines: Vec<_> = response.headers().get_all(header::WWW_AUTHENTICATE).iter().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].to_str().unwrap().starts_with("Bearer "));
        assert!(lines[1].to_str().unwrap().starts_with("DPoP algs="));
    }
}

#[test]
fn a_dpop_challenge_that_was_not_set_up_is_our_own_fault() {
    for denial in [
        Denial::invalid_dpop_proof(&challenge(), Reason::DpopInvalid),
        Denial::use_dpop_nonce(&challenge(), "abc"),
    ] {
        assert_eq!(denial.kind(), DenialKind::Miswired);
    }
}
