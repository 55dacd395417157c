//! Every recipe of requirements section 4 that the gate answers, byte for byte, over real HTTP/1.1
//! and HTTP/2 connections.

use http::Method;

use crate::support::{Answer, Ask, Reply, Rig, Upstream, h1, h2, modern_body};

const METADATA: &str =
    r#"resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp""#;
const NO_STORE: (&str, &str) = ("cache-control", "no-store");
const JSON: (&str, &str) = ("content-type", "application/json");

struct Row {
    name: &'static str,
    ask: Ask,
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    /// Header fields that must not be there.
    absent: &'static [&'static str],
}

fn row(
    name: &'static str,
    ask: Ask,
    status: u16,
    headers: &[(&'static str, &str)],
    body: &'static str,
) -> Row {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Row { name, ask, status, headers, body, absent: &[] }
}

impl Row {
    fn absent(mut self, absent: &'static [&'static str]) -> Self {
        self.absent = absent;
        self
    }

    fn check(&self, protocol: &str, reply: &Reply) {
        let name = format!("{} over {protocol}", self.name);
        assert_eq!(reply.status, self.status, "{name}: {reply:?}");
        for (field, value) in &self.headers {
            // HTTP/2 has no Connection field (RFC 9113 section 8.2.2).
            if protocol == "HTTP/2" && *field == "connection" {
                continue;
            }
            assert_eq!(reply.headers.get(*field), Some(&vec![value.clone()]), "{name}: {field}");
        }
        for field in self.absent {
            assert_eq!(reply.headers.get(*field), None, "{name}: {field}");
        }
        assert_eq!(reply.text(), self.body, "{name}");
        assert_eq!(reply.header("content-length"), Some(&*self.body.len().to_string()), "{name}");
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn rows(rig: &Rig) -> Vec<Row> {
    let token = rig.token();
    let signed = |ask: Ask| ask.bearer(&token);
    let init = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let legacy = |body: &str| Ask::post(body).header("mcp-protocol-version", "2025-11-25");
    let call = modern_body("7", "tools/call", r#""name":"write_file","arguments":{},"#);
    let hidden = |tool: &str| modern_body("2", "tools/call", &format!(r#""name":"{tool}","#));
    vec![
        row(
            "4.1 no token",
            Ask::call("get_weather"),
            401,
            &[("www-authenticate", &format!(r#"Bearer scope="mcp:read", {METADATA}"#)), NO_STORE, JSON],
            r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
        ),
        row(
            "4.1 no token, GET",
            Ask::get("/mcp"),
            401,
            &[("www-authenticate", &format!(r#"Bearer scope="mcp:read", {METADATA}"#))],
            r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
        ),
        row(
            "4.1 Basic is no token",
            Ask::call("get_weather").header("authorization", "Basic YTpi"),
            401,
            &[("www-authenticate", &format!(r#"Bearer scope="mcp:read", {METADATA}"#))],
            r#"{"error":"unauthorized","error_description":"Authentication required"}"#,
        ),
        row(
            "4.2 wrong audience",
            Ask::call("get_weather").bearer(&rig.staff().audience("https://mcp.example.com/mcp2").sign()),
            401,
            &[
                (
                    "www-authenticate",
                    &format!(
                        r#"Bearer error="invalid_token", scope="mcp:read", {METADATA}, error_description="The access token is invalid or expired""#
                    ),
                ),
                NO_STORE,
                JSON,
            ],
            r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#,
        ),
        row(
            "4.2 two Authorization lines",
            signed(signed(Ask::call("get_weather"))),
            400,
            &[
                (
                    "www-authenticate",
                    &format!(
                        r#"Bearer error="invalid_request", {METADATA}, error_description="Exactly one access token in the Authorization header is required""#
                    ),
                ),
                NO_STORE,
                JSON,
            ],
            r#"{"error":"invalid_request","error_description":"Exactly one access token in the Authorization header is required"}"#,
        ),
        row(
            "4.2 token in the query",
            signed(Ask::call("get_weather").path("/mcp?access_token=x")),
            400,
            &[NO_STORE],
            r#"{"error":"invalid_request","error_description":"Exactly one access token in the Authorization header is required"}"#,
        ),
        row(
            "4.3 insufficient scope",
            signed(Ask::call("write_file").body(call)),
            403,
            &[
                (
                    "www-authenticate",
                    &format!(
                        r#"Bearer error="insufficient_scope", scope="files:read files:write", {METADATA}, error_description="Additional permission required""#
                    ),
                ),
                NO_STORE,
                JSON,
            ],
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-31403,"message":"Insufficient scope","data":{"reason":"insufficient_scope","scope":"files:read files:write"}}}"#,
        ),
        row(
            "4.4 header mismatch",
            signed(Ask::call("get_weather").set("mcp-name", "delete_user")),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch: Mcp-Name header does not match request body"}}"#,
        ),
        row(
            "4.4 missing header",
            signed(Ask::call("get_weather").without("mcp-method")),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch: missing required header Mcp-Method"}}"#,
        ),
        row(
            "4.5 origin",
            signed(Ask::call("get_weather").header("origin", "https://evil.example")),
            403,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Origin not allowed"}}"#,
        )
        .absent(&["access-control-allow-origin", "www-authenticate"]),
        row(
            "4.5 host",
            signed(Ask::call("get_weather").host("evil.example")),
            403,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Host not allowed"}}"#,
        ),
        row(
            "4.6 too large",
            signed(Ask::call("get_weather").body(vec![b' '; 4 * 1024 * 1024 + 1])),
            413,
            &[JSON, ("connection", "close")],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Request body too large"}}"#,
        ),
        row(
            "4.7 content type",
            signed(Ask::call("get_weather").set("content-type", "text/plain")),
            415,
            &[("accept-post", "application/json"), JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Content-Type must be application/json"}}"#,
        ),
        row(
            "4.7 content encoding",
            signed(Ask::call("get_weather").header("content-encoding", "gzip")),
            415,
            &[("accept-encoding", "identity"), JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Content-Encoding not supported"}}"#,
        ),
        row(
            "4.8 accept",
            signed(Ask::call("get_weather").set("accept", "application/json")),
            406,
            &[JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Accept must include application/json and text/event-stream"}}"#,
        ),
        row(
            "4.9 method, legacy enabled",
            signed(Ask::get("/mcp").method(Method::PUT)),
            405,
            &[("allow", "GET, POST, DELETE")],
            "",
        ),
        row(
            "4.10 unknown session",
            signed(
                legacy(r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#)
                    .header("mcp-session-id", "c29tZW9uZSBlbHNl"),
            ),
            404,
            &[NO_STORE, ("content-type", "text/plain; charset=utf-8")],
            "Session not found",
        ),
        row(
            "4.11 unsupported version",
            signed(
                Ask::call("get_weather")
                    .body(modern_body("1", "tools/list", "").replace("2026-07-28", "2027-01-01"))
                    .set("mcp-protocol-version", "2027-01-01"),
            ),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"Unsupported protocol version","data":{"supported":["2026-07-28","2025-11-25","2025-06-18","2025-03-26"],"requested":"2027-01-01"}}}"#,
        ),
        row(
            "4.11 missing meta",
            signed(Ask::modern("tools/list", "", None).body(
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
            )),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid params: missing _meta field io.modelcontextprotocol/clientCapabilities"}}"#,
        ),
        row(
            "4.11 removed method, modern",
            signed(Ask::modern("ping", "", None)),
            404,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        row(
            "4.11 unknown method, legacy",
            signed(legacy(r#"{"jsonrpc":"2.0","id":1,"method":"admin/reset"}"#)),
            200,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        row(
            "4.11 parse error",
            signed(Ask::call("get_weather").body("{} x")),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error"}}"#,
        ),
        row(
            "4.11 shape error",
            signed(Ask::call("get_weather").body(r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"ping"}"#)),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"}}"#,
        ),
        row(
            "4.12 hidden tool",
            signed(Ask::call("delete_user").body(hidden("delete_user"))),
            200,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown tool: delete_user"}}"#,
        )
        .absent(&["www-authenticate"]),
        row(
            "4.12 hidden prompt",
            signed(
                Ask::modern("prompts/get", "", Some("payroll"))
                    .body(modern_body("2", "prompts/get", r#""name":"payroll","#)),
            ),
            200,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Unknown prompt: payroll"}}"#,
        ),
        row(
            "4.12 hidden resource, modern",
            signed(
                Ask::modern("resources/read", "", Some("file:///payroll.csv"))
                    .body(modern_body("2", "resources/read", r#""uri":"file:///payroll.csv","#)),
            ),
            200,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        ),
        row(
            "4.12 hidden resource, legacy",
            signed(legacy(
                r#"{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"file:///payroll.csv"}}"#,
            )),
            200,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32002,"message":"Resource not found","data":{"uri":"file:///payroll.csv"}}}"#,
        ),
        row(
            "4.11 version of initialize in the header",
            signed(Ask::post(init).header("mcp-protocol-version", "2026-07-28")),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32020,"message":"Header mismatch: MCP-Protocol-Version header does not match request body"}}"#,
        ),
        row(
            "4.16 metadata",
            Ask::get("/.well-known/oauth-protected-resource/mcp"),
            200,
            &[
                JSON,
                ("cache-control", "public, max-age=3600"),
                ("access-control-allow-origin", "*"),
            ],
            r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://auth.example.com"],"scopes_supported":["mcp:read"],"bearer_methods_supported":["header"],"resource_name":"Example MCP"}"#,
        ),
    ]
}

#[tokio::test]
async fn recipes_over_http_1_and_2() {
    let rig = Rig::new(Upstream::echo()).await;
    for row in rows(&rig) {
        row.check("HTTP/1.1", &h1(rig.addr, &row.ask).await);
        row.check("HTTP/2", &h2(rig.addr, &row.ask).await);
    }
    assert_eq!(rig.upstream.count(), 0, "a refused request never reaches the upstream");
}

/// A server that answers before it has read the body closes an HTTP/1 connection, and says so:
/// clients that send head and body apart would put their next request into it (RFC 9112 §9.6).
#[tokio::test]
async fn an_unread_body_ends_the_connection() {
    let rig = Rig::new(Upstream::echo()).await;
    let call = || Ask::call("get_weather");
    let token = rig.token();
    let rows = [
        ("no token", call(), true),
        ("bad token", call().bearer("a.b.c"), true),
        ("two tokens", call().bearer(&token).bearer(&token), true),
        ("another host", call().host("evil.example"), true),
        ("another path", call().path("/other"), true),
        ("another type", call().bearer(&token).set("content-type", "text/plain"), true),
        ("no token, no body", Ask::get("/mcp"), false),
        ("read and refused", call().bearer(&token).set("mcp-name", "x"), false),
        ("read and hidden", Ask::call("delete_user").bearer(&token), false),
        ("read and passed", call().bearer(&token), false),
    ];
    for (name, ask, closes) in rows {
        let reply = h1(rig.addr, &ask).await;
        assert_eq!(reply.header("connection"), closes.then_some("close"), "{name}: {reply:?}");
        assert_eq!(h2(rig.addr, &ask).await.header("connection"), None, "{name} over HTTP/2");
    }
}

/// Recipes 4.9 and 4.11 for an endpoint without sessions.
#[tokio::test]
async fn modern_only() {
    let rig = Rig::modern_only(Upstream::echo()).await;
    let token = rig.token();
    let init = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let rows = [
        row("4.9", Ask::get("/mcp").bearer(&token), 405, &[("allow", "POST")], ""),
        row(
            "4.11 no handshake, no header",
            Ask::post(init).bearer(&token).header("mcp-protocol-version", "2026-07-28"),
            400,
            &[NO_STORE, JSON],
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32022,"message":"Unsupported protocol version. This server supports only 2026-07-28 (no initialize handshake)","data":{"supported":["2026-07-28"],"requested":"2025-11-25"}}}"#,
        ),
    ];
    for row in rows {
        row.check("HTTP/1.1", &h1(rig.addr, &row.ask).await);
        row.check("HTTP/2", &h2(rig.addr, &row.ask).await);
    }
}

/// Recipe 4.16: the filtered list. The upstream says `public` and five minutes; the token has less.
#[tokio::test]
async fn filtered_list() {
    let upstream = Answer::json(
        r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","tools":[{"name":"get_weather","inputSchema":{"type":"object"}},{"name":"delete_user","inputSchema":{"type":"object"}},{"name":"drop_table"}],"nextCursor":"p2","ttlMs":300000,"cacheScope":"public"}}"#,
    );
    let rig = Rig::new(Upstream::always(upstream)).await;
    let ask = Ask::modern("tools/list", "", None).body(modern_body("2", "tools/list", ""));
    let reply = rig.ask(ask).await;
    assert_eq!(
        reply.text(),
        r#"{"jsonrpc":"2.0","id":2,"result":{"resultType":"complete","tools":[{"name":"get_weather","inputSchema":{"type":"object"}}],"nextCursor":"p2","ttlMs":60000,"cacheScope":"private"}}"#
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
}

/// Recipe 4.16, and R-007, R-008.
#[tokio::test]
async fn cors() {
    let rig = Rig::new(Upstream::echo()).await;
    let preflight = Ask::get("/mcp")
        .method(Method::OPTIONS)
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization, content-type, mcp-param-region, x-auth-request-user",
        );
    let reply = rig.h1(&preflight).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example.com"));
    let allowed = reply.header("access-control-allow-headers").unwrap();
    assert_eq!(allowed, "authorization, content-type, mcp-param-region");
    assert_eq!(reply.header("access-control-max-age"), Some("600"));

    let refused = rig.h1(&Ask::call("x").header("origin", "https://app.example.com")).await;
    assert_eq!(refused.status, 401);
    let exposed = refused.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
    assert!(exposed.contains("www-authenticate"), "browser clients must read the challenge");
}

/// R-157: nothing in any answer comes from the request's own idea of where it is.
/// R-019, X-60.
#[tokio::test]
async fn metadata_is_the_same_for_every_host() {
    let rig = Rig::new(Upstream::echo()).await;
    let ask = Ask::get("/.well-known/oauth-protected-resource/mcp");
    let plain = rig.h1(&ask).await;
    let spoofed = ask
        .host("evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "http")
        .header("forwarded", "host=evil.example")
        .header("origin", "https://evil.example");
    let spoofed = rig.h1(&spoofed).await;
    assert_eq!((plain.status, plain.body), (spoofed.status, spoofed.body));
}

/// R-018, R-300, R-039: what the upstream gets is the caller's bytes, and none of its credentials.
#[tokio::test]
async fn what_is_forwarded() {
    let rig = Rig::new(Upstream::echo()).await;
    let ask = Ask::call("get_weather")
        .header("cookie", "a=b")
        .header("x-auth-request-user", "admin")
        .header("x_forwarded_user", "admin")
        .header("x-forwarded-for", "1.2.3.4")
        .header("mcp-session-id", "whatever")
        .header("mcp-param-region", "eu");
    let body = ask.body.clone();
    let reply = rig.ask(ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let seen = rig.upstream.last();
    assert_eq!(seen.body, body);
    for gone in [
        "authorization",
        "cookie",
        "x-auth-request-user",
        "x_forwarded_user",
        "x-forwarded-for",
        "mcp-session-id",
    ] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    assert_eq!(seen.headers["mcp-param-region"], "eu");
    assert_eq!(seen.headers["mcp-protocol-version"], "2026-07-28");
    assert_eq!(seen.headers["accept-encoding"], "identity");
}
