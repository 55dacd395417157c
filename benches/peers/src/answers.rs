//! What each answers to tokens that are not what they should be.

use http::StatusCode;
use portcullis_test::{Mint, TokenBuilder};
use serde_json::json;

use crate::others;
use crate::peer::{self, ISSUER, request};

const FAR: u64 = 4_000_000_000;

pub fn show() {
    let mint = Mint::es256(ISSUER);
    let mut peers = others::all(&mint);
    peers.insert(0, peer::portcullis(&mint, 100));
    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    println!("\n## answers\n\n| token | refused by | {} |", names.join(" | "));
    println!("|---|---|{}", "---|".repeat(peers.len()));
    for (name, source, token) in tokens(&mint) {
        let statuses: Vec<_> = peers.iter().map(|peer| peer.ask(request(&token))).collect();
        let right = if source.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(statuses[0], right, "ours: {name}");
        let cells: Vec<_> = statuses.iter().map(|status| cell(*status, right)).collect();
        println!("| {name} | {source} | {} |", cells.join(" | "));
    }
}

/// What is wrong stands out.
fn cell(status: StatusCode, right: StatusCode) -> String {
    if status == right { status.as_str().to_owned() } else { format!("**{}**", status.as_str()) }
}

/// Tokens, and where it is written that they are refused. The first are good.
fn tokens(mint: &Mint) -> Vec<(&'static str, &'static str, String)> {
    let good = || token(mint);
    let (header, claims) = (good().header("alg", "none").header_json(), good().claims_json());
    let unsigned = mint.sign_raw(&header, &claims);
    let unsigned = unsigned.rsplit_once('.').map(|(start, _)| format!("{start}.")).unwrap();
    let public = Mint::hs256_with(ISSUER, mint.public_pem().as_bytes()).with_kid(mint.kid());
    let stranger = Mint::es256(ISSUER).with_kid(mint.kid());
    vec![
        ("good", "", good().sign()),
        ("good, audience in an array", "", good().claim("aud", json!([peer::RESOURCE])).sign()),
        ("expired", "RFC 7519 4.1.4", good().at(1_000_000_000).sign()),
        ("no `exp`", "RFC 9068 2.2", good().without("exp").sign()),
        ("`exp` is a string", "RFC 7519 2", good().claim("exp", FAR.to_string()).sign()),
        ("`nbf` in the future", "RFC 7519 4.1.5", good().claim("nbf", FAR).sign()),
        ("`nbf` is a string", "RFC 7519 2", good().claim("nbf", FAR.to_string()).sign()),
        ("another issuer", "RFC 9068 4", good().claim("iss", "https://else.example.com").sign()),
        ("no `iss`", "RFC 9068 4", good().without("iss").sign()),
        ("another audience", "RFC 9068 4", good().audience("https://other.example.com").sign()),
        ("no `aud`", "RFC 9068 4", good().without("aud").sign()),
        ("no `sub`", "RFC 9068 2.2", good().without("sub").sign()),
        ("`typ` of another token (`JWT`)", "RFC 9068 4", good().header("typ", "JWT").sign()),
        ("bound to a key (`cnf`), as bearer", "RFC 9449 7.2", bound(good())),
        ("critical extension", "RFC 7515 4.1.11", good().header("crit", json!(["x"])).sign()),
        ("unknown `kid`", "RFC 6750 3.1", good().header("kid", "nobody").sign()),
        ("another's signature", "RFC 7515 5.2", token(&stranger).sign()),
        ("`alg` is `none`", "RFC 9068 4", unsigned),
        ("HMAC with the public key", "RFC 8725 3.1", token(&public).sign()),
    ]
}

/// A token with twenty groups: a payload of about 515 bytes.
pub fn token(mint: &Mint) -> TokenBuilder {
    let groups: Vec<_> = (0..20).map(|n| format!("group-{n:02}-abc")).collect();
    mint.token().scope("mcp:read notes:write").claim("groups", json!(groups))
}

fn bound(token: TokenBuilder) -> String {
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    token.claim("cnf", json!({ "jkt": thumbprint })).sign()
}
