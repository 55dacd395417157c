//! A gate behind a sidecar: identity comes in headers, from one peer only.

use std::net::{IpAddr, Ipv4Addr};

use portcullis::audit::MemorySink;
use portcullis::forwarded::{Peer, PeerInfo, Profile};
use portcullis::{Policy, Portcullis};
use tower::Layer as _;

use crate::support::{Ask, RESOURCE, Upstream, h1, serve, wait_for};

const POLICY: &str = "
roles:
  reader: { groups: [staff] }
rules:
  - id: read
    roles: [reader]
    allow: { tools: [get_weather] }
";

/// A gate whose connections all come from `peer`.
async fn gate(peer: IpAddr, upstream: &Upstream, records: &MemorySink) -> std::net::SocketAddr {
    let layer = Portcullis::builder()
        .resource(RESOURCE)
        .metadata(|document| document.authorization_server("https://auth.example.com"))
        .forwarded(|sidecar| {
            sidecar
                .profile(Profile::oauth2_proxy())
                .issuer("https://proxy.example.com")
                .trust(Peer::address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5))))
                .peer(move |_| Some(PeerInfo::address(peer)))
        })
        .policy(Policy::from_yaml(POLICY).unwrap())
        .audit(records.clone())
        .build()
        .unwrap();
    serve(layer.layer(upstream.clone())).await
}

#[tokio::test]
async fn only_the_sidecar_is_believed() {
    let ask = Ask::call("get_weather")
        .header("x-auth-request-user", "alice")
        .header("x-auth-request-groups", "staff");

    let (upstream, records) = (Upstream::echo(), MemorySink::new());
    let addr = gate(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), &upstream, &records).await;
    let reply = h1(addr, &ask).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let seen = upstream.last();
    assert!(seen.headers.keys().all(|name| !name.as_str().starts_with("x-auth-")));
    let decision = &wait_for(&records, 1).await[0];
    assert_eq!(decision["principal"]["sub"], "alice");
    assert_eq!(decision["principal"]["iss"], "https://proxy.example.com");

    // Smuggled past the sidecar: another spelling, a second line, dropped on the way.
    for (name, value) in [
        ("x_auth_request_user", "root"),
        ("x-auth-request-user", "root"),
        ("connection", "x-auth-request-groups"),
    ] {
        let reply = h1(addr, &ask.clone().header(name, value)).await;
        assert_eq!(reply.status, 400, "{name}");
    }
    assert_eq!(upstream.count(), 1);

    let (upstream, records) = (Upstream::echo(), MemorySink::new());
    let addr = gate(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6)), &upstream, &records).await;
    let reply = h1(addr, &ask).await;
    assert_eq!(reply.status, 401);
    assert!(reply.header("www-authenticate").unwrap().contains("resource_metadata="));
    assert_eq!(upstream.count(), 0);
}

/// what a sidecar or a stranger says about the host changes no byte of an answer.
#[tokio::test]
async fn forwarding_headers_change_no_answer() {
    let sidecar = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5));
    let stranger = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6));
    for peer in [sidecar, stranger] {
        let (upstream, records) = (Upstream::echo(), MemorySink::new());
        let addr = gate(peer, &upstream, &records).await;
        let metadata = Ask::get("/.well-known/oauth-protected-resource/mcp");
        for ask in [Ask::call("get_weather"), metadata] {
            let plain = h1(addr, &ask).await;
            for (name, value) in [
                ("x-forwarded-host", "evil.example"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-prefix", "/evil"),
                ("x-forwarded-for", "10.0.0.5"),
                ("forwarded", "for=10.0.0.5;host=evil.example;proto=http"),
                ("x-original-url", "/admin"),
                ("x-rewrite-url", "/admin"),
                ("x-original-host", "evil.example"),
            ] {
                let reply = h1(addr, &ask.clone().header(name, value)).await;
                assert_eq!(reply.status, plain.status, "{name} from {peer}");
                assert_eq!(reply.body, plain.body, "{name} from {peer}");
                for header in ["www-authenticate", "location", "link"] {
                    assert_eq!(reply.header(header), plain.header(header), "{name} from {peer}");
                }
            }
        }
        assert_eq!(upstream.count(), 0);
    }
}
