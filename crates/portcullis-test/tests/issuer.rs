#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use portcullis_core::{Clock, ManualClock};
use portcullis_test::{DevIssuer, Person, send_http1};
use serde_json::{Value, json};

const MCP: &str = "https://mcp.example.com/mcp";
const CALLBACK: &str = "http://127.0.0.1:9/cb";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Stage {
    issuer: DevIssuer,
    hand: ManualClock,
}

impl Stage {
    async fn new() -> Self {
        let (clock, hand) = Clock::manual(1_000_000);
        let issuer = DevIssuer::builder()
            .person(Person::new("rita").groups(["staff"]).scopes(["notes:read", "notes:write"]))
            .person(Person::new("<b>&\"ed").scopes(["notes:read"]))
            .clock(clock)
            .bind(([127, 0, 0, 1], 0).into())
            .await
            .unwrap();
        Self { issuer, hand }
    }

    fn addr(&self) -> SocketAddr {
        self.issuer.issuer_url().strip_prefix("http://").unwrap().parse().unwrap()
    }

    async fn get(&self, path: &str) -> Response<Bytes> {
        send_http1(self.addr(), Request::get(path).body(Bytes::new()).unwrap()).await
    }

    async fn post(&self, path: &str, kind: &str, body: String) -> (u16, Value) {
        let request = Request::post(path).header("content-type", kind).body(body.into()).unwrap();
        let response = send_http1(self.addr(), request).await;
        let json = serde_json::from_slice(response.body()).unwrap_or_default();
        (response.status().as_u16(), json)
    }

    async fn token(&self, form: &[(&str, &str)]) -> (u16, Value) {
        self.post("/token", "application/x-www-form-urlencoded", query(form)).await
    }

    async fn register(&self) -> String {
        let body = json!({ "client_name": "<i>test", "redirect_uris": [CALLBACK] }).to_string();
        let (status, client) = self.post("/register", "application/json", body).await;
        assert_eq!(status, 201, "{client}");
        assert_eq!(client["token_endpoint_auth_method"], "none");
        assert_eq!(client["redirect_uris"], json!([CALLBACK]));
        assert!(client.get("client_secret").is_none());
        client["client_id"].as_str().unwrap().to_owned()
    }

    /// The parameters with which the client is sent back, or the status of a refusal.
    async fn authorize(&self, params: &[(&str, &str)]) -> Result<Vec<(String, String)>, u16> {
        let response = self.get(&format!("/authorize?{}", query(params))).await;
        if response.status() != 302 {
            return Err(response.status().as_u16());
        }
        let location = response.headers()["location"].to_str().unwrap().to_owned();
        let sent = location.strip_prefix(&format!("{CALLBACK}?")).expect("the client's address");
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), value.replace("%3A", ":").replace("%2F", "/").replace("%20", " "))
        };
        Ok(sent.split('&').map(pair).collect())
    }

    async fn code(&self, client_id: &str) -> String {
        let sent = self.authorize(&request(client_id, &[])).await.unwrap();
        value(&sent, "code").to_owned()
    }

    async fn redeem(&self, client_id: &str, code: &str) -> (u16, Value) {
        self.token(&redemption(client_id, code, &[])).await
    }
}

fn query(params: &[(&str, &str)]) -> String {
    let encode = |text: &str| -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        text.bytes()
            .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect()
    };
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    pairs.join("&")
}

/// `base` with members replaced, or removed by an empty value.
fn changed<'a>(
    base: &[(&'a str, &'a str)],
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut all = base.to_vec();
    for change in changes {
        all.retain(|(name, _)| *name != change.0);
        all.push(*change);
    }
    all.retain(|(_, value)| !value.is_empty());
    all
}

fn request<'a>(client_id: &'a str, changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", MCP),
        ("scope", "notes:read admin:all"),
        ("state", "s 1"),
        ("login_hint", "rita"),
    ];
    changed(&base, changes)
}

fn redemption<'a>(
    client_id: &'a str,
    code: &'a str,
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let base = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", client_id),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", MCP),
    ];
    changed(&base, changes)
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    &pairs.iter().find(|(other, _)| other == name).expect(name).1
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let segment = token.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(segment).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn metadata_is_what_clients_need() {
    let stage = Stage::new().await;
    let issuer = stage.issuer.issuer_url();
    let mut documents = Vec::new();
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
        documents.push(serde_json::from_slice::<Value>(response.body()).unwrap());
    }
    assert_eq!(documents[0], documents[1]);
    let document = &documents[0];
    assert_eq!(document["issuer"], issuer);
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["scopes_supported"], json!(["notes:read", "notes:write"]));
    assert!(document["development_only"].is_string());
    for endpoint in
        ["authorization_endpoint", "token_endpoint", "registration_endpoint", "jwks_uri"]
    {
        assert!(document[endpoint].as_str().unwrap().starts_with(issuer), "{endpoint}");
    }
    let keys = stage.get("/jwks").await;
    assert_eq!(std::str::from_utf8(keys.body()).unwrap(), stage.issuer.jwks());
    assert!(!stage.issuer.jwks().contains("\"d\""), "the private key is published");
}

#[tokio::test]
async fn browsers_may_use_the_endpoints_of_programs() {
    let stage = Stage::new().await;
    for path in ["/token", "/register", "/.well-known/oauth-authorization-server", "/jwks"] {
        let request = Request::options(path).body(Bytes::new()).unwrap();
        let response = send_http1(stage.addr(), request).await;
        assert_eq!(response.status(), 204, "{path}");
        assert_eq!(response.headers()["access-control-allow-origin"], "*", "{path}");
    }
    let page = stage.get("/authorize").await;
    assert!(page.headers().get("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn registration_refuses_what_is_no_client() {
    let stage = Stage::new().await;
    let many = vec![CALLBACK; 11];
    let rows = [
        ("not json", "nonsense".to_owned(), "invalid_client_metadata"),
        ("not an object", "[]".to_owned(), "invalid_redirect_uri"),
        ("no uris", "{}".to_owned(), "invalid_redirect_uri"),
        ("many uris", json!({ "redirect_uris": many }).to_string(), "invalid_redirect_uri"),
        (
            "script",
            json!({ "redirect_uris": ["javascript:x"] }).to_string(),
            "invalid_redirect_uri",
        ),
        (
            "http",
            json!({ "redirect_uris": ["http://a.example/"] }).to_string(),
            "invalid_redirect_uri",
        ),
        ("type", json!({ "redirect_uris": [1] }).to_string(), "invalid_client_metadata"),
    ];
    for (name, body, error) in rows {
        let (status, answer) = stage.post("/register", "application/json", body).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{name}");
    }
}

#[tokio::test]
async fn a_code_becomes_a_token_once() {
    let stage = Stage::new().await;
    let client = stage.register().await;
    let sent = stage.authorize(&request(&client, &[])).await.unwrap();
    assert_eq!(value(&sent, "state"), "s 1");
    assert_eq!(value(&sent, "iss"), stage.issuer.issuer_url());

    let (status, tokens) = stage.redeem(&client, value(&sent, "code")).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(tokens["scope"], "notes:read", "only what this person may have");
    let claims = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["iss"], stage.issuer.issuer_url());
    assert_eq!((&claims["sub"], &claims["aud"]), (&json!("rita"), &json!(MCP)));
    assert_eq!((&claims["client_id"], &claims["scope"]), (&json!(client), &json!("notes:read")));
    assert_eq!(claims["groups"], json!(["staff"]));
    assert_eq!((&claims["iat"], &claims["exp"]), (&json!(1_000_000), &json!(1_000_600)));

    let (status, again) = stage.redeem(&client, value(&sent, "code")).await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")));
}

#[tokio::test]
async fn authorization_requests_that_are_refused() {
    let stage = Stage::new().await;
    let client = stage.register().await;
    let at_client = [
        ("token flow", ("response_type", "token"), "unsupported_response_type"),
        ("no type", ("response_type", ""), "invalid_request"),
        ("no challenge", ("code_challenge", ""), "invalid_request"),
        ("short challenge", ("code_challenge", "abc"), "invalid_request"),
        ("plain challenge", ("code_challenge_method", "plain"), "invalid_request"),
        ("default method is plain", ("code_challenge_method", ""), "invalid_request"),
        ("no resource", ("resource", ""), "invalid_target"),
        ("resource with a fragment", ("resource", "https://a.example/#x"), "invalid_target"),
        ("resource not absolute", ("resource", "mcp"), "invalid_target"),
        ("unknown person", ("login_hint", "mallory"), "access_denied"),
        ("no scope left", ("scope", "admin:all"), "access_denied"),
    ];
    for (name, change, error) in at_client {
        let sent = stage.authorize(&request(&client, &[change])).await.expect(name);
        assert_eq!(value(&sent, "error"), error, "{name}");
        assert_eq!(value(&sent, "state"), "s 1", "{name}");
        assert_eq!(value(&sent, "iss"), stage.issuer.issuer_url(), "{name}");
    }
    let here = [
        ("unknown client", ("client_id", "nobody")),
        ("no client", ("client_id", "")),
        ("other address", ("redirect_uri", "https://evil.example/cb")),
        ("longer address", ("redirect_uri", "http://127.0.0.1:9/cb/../evil")),
        ("no address", ("redirect_uri", "")),
    ];
    for (name, change) in here {
        let refused = stage.authorize(&request(&client, &[change])).await;
        assert_eq!(refused, Err(400), "{name}");
    }
    let mut twice = request(&client, &[]);
    twice.push(("resource", "https://evil.example/"));
    assert_eq!(stage.authorize(&twice).await, Err(400), "a parameter twice");
}

#[tokio::test]
async fn codes_are_bound() {
    let stage = Stage::new().await;
    let client = stage.register().await;
    let other = stage.register().await;
    let rows = [
        ("another client", ("client_id", other.as_str()), "invalid_grant"),
        ("another address", ("redirect_uri", "http://127.0.0.1:9/other"), "invalid_grant"),
        ("another verifier", ("code_verifier", CHALLENGE), "invalid_grant"),
        ("no verifier", ("code_verifier", ""), "invalid_request"),
        ("another resource", ("resource", "https://evil.example/"), "invalid_target"),
        ("another code", ("code", "guess"), "invalid_grant"),
        ("no grant type", ("grant_type", ""), "invalid_request"),
        ("unknown grant type", ("grant_type", "password"), "unsupported_grant_type"),
    ];
    for (name, change, error) in rows {
        let code = stage.code(&client).await;
        let (status, answer) = stage.token(&redemption(&client, &code, &[change])).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{name}");
    }
    let code = stage.code(&client).await;
    stage.hand.advance(Duration::from_secs(60));
    assert_eq!(stage.redeem(&client, &code).await.1["error"], "invalid_grant", "expired");
    let (status, answer) = stage.post("/token", "application/json", "{}".to_owned()).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "not a form");
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    let stage = Stage::new().await;
    let client = stage.register().await;
    let refresh = |token: &Value, changes: &[(&'static str, &'static str)]| {
        let token = token.as_str().unwrap().to_owned();
        let base = [("grant_type", "refresh_token"), ("client_id", client.as_str())];
        let mut form: Vec<(String, String)> = changed(&base, changes)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        form.push(("refresh_token".to_owned(), token));
        let stage = &stage;
        async move {
            let form: Vec<(&str, &str)> =
                form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            stage.token(&form).await
        }
    };
    let wide = [("scope", "notes:read notes:write")];
    let sent = stage.authorize(&request(&client, &wide)).await.unwrap();
    let (_, first) = stage.redeem(&client, value(&sent, "code")).await;
    let first = &first["refresh_token"];

    let (status, wider) = refresh(first, &[("scope", "notes:read admin:all")]).await;
    assert_eq!((status, &wider["error"]), (400, &json!("invalid_scope")));
    let (status, elsewhere) = refresh(first, &[("resource", "https://evil.example/")]).await;
    assert_eq!((status, &elsewhere["error"]), (400, &json!("invalid_target")));
    let (status, narrow) = refresh(first, &[("scope", "notes:read")]).await;
    assert_eq!((status, &narrow["scope"]), (200, &json!("notes:read")));
    let (status, full) = refresh(&narrow["refresh_token"], &[]).await;
    assert_eq!((status, &full["scope"]), (200, &json!("notes:read notes:write")));

    let (_, second_line) = stage.redeem(&client, &stage.code(&client).await).await;
    let stolen = &second_line["refresh_token"];
    let (status, foreign) = refresh(stolen, &[("client_id", "another")]).await;
    assert_eq!((status, &foreign["error"]), (400, &json!("invalid_grant")), "another client's");

    let (status, replayed) = refresh(first, &[]).await;
    assert_eq!((status, &replayed["error"]), (400, &json!("invalid_grant")));
    let (status, ended) = refresh(&full["refresh_token"], &[]).await;
    assert_eq!((status, &ended["error"]), (400, &json!("invalid_grant")), "a replay ends the line");
}

#[tokio::test]
async fn scripts_need_no_browser() {
    let stage = Stage::new().await;
    let base = [("grant_type", "client_credentials"), ("client_id", "rita"), ("resource", MCP)];
    let (status, tokens) = stage.token(&base).await;
    assert_eq!((status, &tokens["scope"]), (200, &json!("notes:read notes:write")));
    assert!(tokens.get("refresh_token").is_none());
    let rows = [
        ("unknown person", ("client_id", "mallory"), "invalid_client"),
        ("no resource", ("resource", ""), "invalid_target"),
        ("no scope left", ("scope", "admin:all"), "invalid_scope"),
    ];
    for (name, change, error) in rows {
        let (status, answer) = stage.token(&changed(&base, &[change])).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)), "{name}");
    }
    let token = stage.issuer.token_for("rita", MCP, &["notes:write", "admin:all"]);
    assert_eq!(claims(&token)["scope"], "notes:write");
    assert!(claims(&stage.issuer.token_for("rita", MCP, &["admin:all"])).get("scope").is_none());
}

#[tokio::test]
async fn the_page_offers_people_and_escapes_what_it_shows() {
    let stage = Stage::new().await;
    let client = stage.register().await;
    let changes = [("login_hint", ""), ("state", "\"><script>alert(1)</script>")];
    let path = format!("/authorize?{}", query(&request(&client, &changes)));
    let response = stage.get(&path).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("'none'"));
    let page = std::str::from_utf8(response.body()).unwrap();
    assert!(page.contains("For development only"));
    assert!(page.contains("&lt;i&gt;test") && !page.contains("<i>"), "client name");
    assert!(page.contains("&lt;b&gt;&amp;&quot;ed") && !page.contains("<b><b>"), "person");
    assert!(!page.contains("<script"), "state");

    let link = page.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let signed_in = stage.get(&link.replace("&amp;", "&")).await;
    assert_eq!(signed_in.status(), 302);
    assert!(signed_in.headers()["location"].to_str().unwrap().contains("?code="));

    let index = stage.get("/").await;
    assert!(std::str::from_utf8(index.body()).unwrap().contains("For development only"));
}

#[tokio::test]
async fn only_loopback_and_only_while_held() {
    let refused = DevIssuer::builder().bind(([0, 0, 0, 0], 0).into()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);

    let stage = Stage::new().await;
    let addr = stage.addr();
    stage.get("/").await;
    drop(stage);
    // The listener closes as soon as its task runs; connecting until then is not an answer.
    let gone = async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
}
