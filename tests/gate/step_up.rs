//! What callers are told to ask for, through the whole gate (R-163 to R-168).

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::core::Text;
use portcullis::testing::{Authority, Token};
use portcullis::{Answer, Authorizer, Decision, Grantable, Never, Policy, Portcullis, Query};
use tower::Layer as _;

use crate::support::{Ask, RESOURCE, Reply, Upstream, h1, serve};

const POLICY: &str = "
scope_hierarchy:
  files.all: [files:write]
  files:write: [files:read]
roles:
  reader: { groups: [staff] }
rules:
  - id: write
    roles: [reader]
    allow: { tools: [write_file] }
    requires_scopes: [files:read, files:write]
  - id: publish
    roles: [reader]
    allow: { tools: [publish] }
    requires_scopes: [site:publish]
";

async fn gate(authority: &Authority, authorizer: impl Authorizer) -> SocketAddr {
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .issuer(authority.issuer())
        .scope("mcp:read")
        .scope("mcp:list")
        .policy(authorizer)
        .build()
        .unwrap();
    serve(layer.layer(Upstream::echo())).await
}

fn policy() -> Policy {
    Policy::from_yaml(POLICY).unwrap()
}

fn legacy(tool: &str, version: &str) -> Ask {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    );
    Ask::post(body).header("mcp-protocol-version", version)
}

fn asked_for(reply: &Reply) -> &str {
    assert_eq!(reply.status, 403, "{reply:?}");
    let challenge = reply.header("www-authenticate").unwrap();
    challenge.split(r#"scope=""#).nth(1).unwrap().split('"').next().unwrap()
}

/// R-163: everything that the operation needs, at once; for clients of revisions with sessions, which
/// ask for exactly what they are told, also what they have of the base scopes.
/// R-230.
#[tokio::test]
async fn all_scopes_at_once_by_era() {
    let authority = Authority::in_process();
    let addr = gate(&authority, policy()).await;
    let staff = || authority.token(RESOURCE).group("staff");
    let some = || staff().scope("mcp:read").scope("other:scope");
    let rows: [(&str, Ask, Token, &str); 7] = [
        ("2026", Ask::call("write_file"), some(), "files:read files:write"),
        (
            "2025-11-25",
            legacy("write_file", "2025-11-25"),
            some(),
            "files:read files:write mcp:read",
        ),
        (
            "2025-11-25, nothing held",
            legacy("write_file", "2025-11-25"),
            staff(),
            "files:read files:write",
        ),
        (
            "2025-11-25, one held",
            legacy("write_file", "2025-11-25"),
            some().scope("files:read"),
            "files:read files:write mcp:read",
        ),
        (
            "2025-06-18",
            legacy("write_file", "2025-06-18"),
            some(),
            "files:read files:write mcp:read",
        ),
        (
            "2025-03-26",
            legacy("write_file", "2025-03-26"),
            some(),
            "files:read files:write mcp:read",
        ),
        (
            "one missing",
            Ask::call("write_file"),
            some().scope("files:read"),
            "files:read files:write",
        ),
    ];
    for (name, ask, token, expected) in rows {
        for _ in 0..2 {
            let reply = h1(addr, &ask.clone().bearer(&token.sign())).await;
            assert_eq!(asked_for(&reply), expected, "{name}");
        }
    }
}

/// R-164: a broad scope does for a narrow one.
#[tokio::test]
async fn broad_scopes_stand_for_narrow_ones() {
    let authority = Authority::in_process();
    let addr = gate(&authority, policy()).await;
    for (scope, status) in
        [("files:read", 403), ("files:write", 200), ("files.all", 200), ("files", 403)]
    {
        let token = authority.token(RESOURCE).group("staff").scope(scope).sign();
        let reply = h1(addr, &Ask::call("write_file").bearer(&token)).await;
        assert_eq!(reply.status, status, "{scope}");
    }
}

/// R-165: what must not be asked for is not accepted as configuration.
#[tokio::test]
async fn reserved_scopes_are_refused_at_start() {
    let authority = Authority::in_process();
    for scope in ["offline_access", "openid", "files:*", "*"] {
        let built = Portcullis::builder()
            .resource(RESOURCE)
            .issuer(authority.issuer())
            .scope(scope)
            .danger_permit_all()
            .build();
        assert_eq!(built.unwrap_err().part(), "metadata", "{scope}");
        let rule = POLICY.replace("site:publish", &format!("\"{scope}\""));
        assert!(Policy::from_yaml(&rule).is_err(), "{scope}");
    }
}

/// Wants scopes whatever the token has.
struct Insatiable;

impl Authorizer for Insatiable {
    type Later = Never;

    fn authorize(&self, _: &Query<'_>) -> Answer<Never> {
        Answer::Now(Decision::needs_scopes("more", vec!["files:read".to_owned()]))
    }

    fn version(&self) -> Text {
        Text::from_static("1")
    }
}

/// R-167: a token that has what was asked for is not asked again, fresh or not.
#[tokio::test]
async fn nobody_is_sent_in_circles() {
    let authority = Authority::in_process();
    let addr = gate(&authority, Insatiable).await;
    let token = authority.token(RESOURCE);
    let ask = |token: &Token| Ask::call("write_file").bearer(&token.sign());
    assert_eq!(asked_for(&h1(addr, &ask(&token)).await), "files:read");
    for age in [Duration::ZERO, Duration::from_secs(600)] {
        let held = token.clone().scope("files:read").issued_ago(age);
        let reply = h1(addr, &ask(&held)).await;
        assert_eq!((reply.status, reply.header("www-authenticate")), (200, None), "{age:?}");
        assert!(reply.text().contains("Unknown tool"), "{reply:?}");
    }
}

/// R-168: what the caller's own authorization server cannot grant is denied, and hidden.
#[tokio::test]
async fn ungrantable_scopes_are_not_asked_for() {
    let authority = Authority::in_process();
    let grantable = |issuer: &str| {
        Grantable::new(policy()).issuer(issuer, ["files:read"]).issuer(issuer, ["files:write"])
    };
    let rows = [
        ("its issuer", authority.name(), "publish", false),
        ("its issuer, grantable", authority.name(), "write_file", true),
        ("another issuer", "https://b.example", "publish", true),
    ];
    for (name, issuer, tool, asked) in rows {
        let addr = gate(&authority, grantable(issuer)).await;
        let staff = authority.token(RESOURCE).group("staff");
        let reply = h1(addr, &Ask::call(tool).bearer(&staff.sign())).await;
        if asked {
            asked_for(&reply);
        } else {
            assert_eq!((reply.status, reply.header("www-authenticate")), (200, None), "{name}");
            assert!(reply.text().contains("Unknown tool"), "{name}");
        }
        // What the token has already need not be granted.
        let held = staff.scope("site:publish").sign();
        assert_eq!(h1(addr, &Ask::call("publish").bearer(&held)).await.status, 200, "{name}");
    }
}
