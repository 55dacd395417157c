//! Several gated services on one listener: each with its own issuer, audience and documents.

use portcullis::testing::Authority;
use portcullis::{Gates, Policy, Portcullis, PortcullisLayer};

use crate::support::{Ask, Upstream, h1, h2, serve};

const NOTES: &str = "https://mcp.example.com/notes";
const PAYROLL: &str = "https://mcp.example.com/payroll";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn gate(resource: &str, authority: &Authority) -> PortcullisLayer<Policy> {
    builder(resource, authority, false)
}

fn builder(resource: &str, authority: &Authority, root_copy: bool) -> PortcullisLayer<Policy> {
    let builder = Portcullis::builder()
        .resource(resource)
        .issuer(authority.issuer())
        .policy(Policy::danger_permit_all());
    let builder = if root_copy { builder.metadata(|m| m.serve_at_root()) } else { builder };
    builder.build().unwrap()
}

fn named(name: &str) -> Authority {
    Authority::builder().name(name).in_process()
}

/// A token opens the gate it is for, and each challenge leads to its own gate's document.
#[tokio::test]
async fn two_services_on_one_listener() {
    let (staff, hr) = (named("https://id.example.com"), named("https://hr.example.com"));
    let (notes, payroll) = (Upstream::echo(), Upstream::echo());
    let router: axum::Router = Gates::new()
        .add(&gate(NOTES, &staff), notes.clone())
        .add(&gate(PAYROLL, &hr), payroll.clone())
        .router()
        .unwrap();
    let addr = serve(router).await;

    let rows = [
        ("staff at notes", "/notes", staff.token(NOTES), 200),
        ("hr at payroll", "/payroll", hr.token(PAYROLL), 200),
        ("staff's token for notes at payroll", "/payroll", staff.token(NOTES), 401),
        ("staff's token for payroll at payroll", "/payroll", staff.token(PAYROLL), 401),
        ("hr's token for payroll at notes", "/notes", hr.token(PAYROLL), 401),
        ("hr's token for notes at notes", "/notes", hr.token(NOTES), 401),
        ("staff's token for payroll at notes", "/notes", staff.token(PAYROLL), 401),
    ];
    for (name, path, token, status) in rows {
        let ask = Ask::call("get_weather").path(path).bearer(&token.sign());
        for reply in [h1(addr, &ask).await, h2(addr, &ask).await] {
            assert_eq!(reply.status, status, "{name}: {reply:?}");
            if status == 401 {
                let to = format!(r#"="https://mcp.example.com{WELL_KNOWN}{path}""#);
                assert!(reply.header("www-authenticate").unwrap().contains(&to), "{name}");
            }
        }
    }
    assert_eq!((notes.count(), payroll.count()), (2, 2));

    for (path, resource, issuer) in
        [("/notes", NOTES, staff.name()), ("/payroll", PAYROLL, hr.name())]
    {
        let document = h1(addr, &Ask::get(&format!("{WELL_KNOWN}{path}"))).await.json();
        assert_eq!(document["resource"], resource);
        assert_eq!(document["authorization_servers"], serde_json::json!([issuer]));
    }
    for path in [
        WELL_KNOWN,
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource/notes/",
        "/.well-known/oauth-authorization-server",
        "/notes/",
        "/Notes",
        "/",
    ] {
        assert_eq!(h1(addr, &Ask::get(path)).await.status, 404, "{path}");
    }
}

/// X-44: no header chooses the gate, or a byte of an answer.
#[tokio::test]
async fn headers_choose_nothing() {
    let (staff, hr) = (named("https://id.example.com"), named("https://hr.example.com"));
    let router: axum::Router = Gates::new()
        .add(&gate(NOTES, &staff), Upstream::echo())
        .add(&gate(PAYROLL, &hr), Upstream::echo())
        .router()
        .unwrap();
    let addr = serve(router).await;
    let spoofs: [&[(&str, &str)]; 3] = [
        &[("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")],
        &[("x-original-url", "/payroll"), ("x-rewrite-url", "/payroll")],
        &[("x-forwarded-prefix", "/payroll"), ("x-forwarded-proto", "http")],
    ];
    let document = Ask::get(&format!("{WELL_KNOWN}/notes"));
    let call = Ask::call("get_weather").path("/notes");
    let (own, challenge) = (h1(addr, &document).await, h1(addr, &call).await);
    for spoof in spoofs {
        let with = |ask: &Ask| {
            spoof.iter().fold(ask.clone(), |ask, (name, value)| ask.header(name, value))
        };
        let got = h1(addr, &with(&document)).await;
        assert_eq!((got.status, &got.body), (200, &own.body), "{spoof:?}");
        let got = h1(addr, &with(&call)).await;
        assert_eq!(got.status, 401, "{spoof:?}");
        assert_eq!(got.headers["www-authenticate"], challenge.headers["www-authenticate"]);
    }
    let other = h1(addr, &document.clone().host("evil.example")).await;
    assert_eq!((other.status, &other.body), (200, &own.body), "public, and the same bytes");
    assert_eq!(h1(addr, &call.host("evil.example")).await.status, 403);
}

#[tokio::test]
async fn what_cannot_share_a_listener() {
    let staff = named("https://id.example.com");
    let one = gate(NOTES, &staff);
    let rows = [
        ("the same path", gate(NOTES, &staff), "another gate answers"),
        (
            "a root copy",
            builder(PAYROLL, &staff, true),
            "https://mcp.example.com/payroll has a root copy",
        ),
        ("another origin", gate("https://b.example.com/payroll", &staff), "another origin"),
        ("another port", gate("https://mcp.example.com:8443/p", &staff), "another origin"),
    ];
    for (name, other, problem) in rows {
        let gates = Gates::<()>::new().add(&one, Upstream::echo()).add(&other, Upstream::echo());
        let error = gates.router().unwrap_err();
        assert_eq!(error.part(), "resources", "{name}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(problem), "{name}: {cause}");
    }
    // One alone may have its copy, and the origin itself may be a resource beside another.
    let alone = builder(PAYROLL, &staff, true);
    let router: axum::Router = Gates::new().add(&alone, Upstream::echo()).router().unwrap();
    let addr = serve(router).await;
    assert_eq!(h1(addr, &Ask::get(WELL_KNOWN)).await.json()["resource"], PAYROLL);
    let root = gate("https://mcp.example.com", &staff);
    let gates = Gates::new().add(&one, Upstream::echo()).add(&root, Upstream::echo());
    let router: axum::Router = gates.router().unwrap();
    let addr = serve(router).await;
    let document = h1(addr, &Ask::get(WELL_KNOWN)).await.json();
    assert_eq!(document["resource"], "https://mcp.example.com");
}
