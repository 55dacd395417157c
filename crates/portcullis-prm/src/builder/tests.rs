use serde_json::json;

use super::*;

fn base() -> ResourceMetadataBuilder {
    ResourceMetadata::builder("https://mcp.example.com/mcp")
        .authorization_server("https://auth.example.com")
}

#[test]
fn what_is_not_set_is_absent() {
    let metadata = base().build().unwrap();
    assert_eq!(
        metadata.document(),
        r#"{"resource":"https://mcp.example.com/mcp","authorization_servers":["https://auth.example.com"],"bearer_methods_supported":["header"]}"#
    );
    assert!(metadata.challenge().scopes().is_empty());
}

#[test]
fn everything_that_is_set_is_there_once() {
    let metadata = base()
        .authorization_server("https://second.example/")
        .authorization_server("https://auth.example.com")
        .scope("a")
        .scope("b")
        .scope("a")
        .resource_name("\"Example\" \u{1F512}")
        .documentation("http://old.localhost/")
        .documentation("https://docs.example/?a#b")
        .policy_uri("https://docs.example/policy")
        .tos_uri("https://docs.example/tos")
        .jwks_uri("https://mcp.example.com/jwks")
        .resource_signing_alg("ES256")
        .dpop_signing_alg("ES256")
        .dpop_signing_alg("EdDSA")
        .dpop_signing_alg("ES256")
        .dpop_bound_access_tokens_required()
        .dpop_bound_access_tokens_required()
        .tls_client_certificate_bound_access_tokens()
        .authorization_details_type("payment")
        .member("resource_name#de", "alt")
        .resource_name_in("de", "Beispiel")
        .member("x_limits", json!({ "calls": 0, "burst": false }))
        .build()
        .unwrap();
    let document: Value = serde_json::from_slice(metadata.document()).unwrap();
    assert_eq!(
        document,
        json!({
            "resource": "https://mcp.example.com/mcp",
            "authorization_servers": ["https://auth.example.com", "https://second.example/"],
            "scopes_supported": ["a", "b"],
            "bearer_methods_supported": ["header"],
            "resource_name": "\"Example\" \u{1F512}",
            "resource_documentation": "https://docs.example/?a#b",
            "resource_policy_uri": "https://docs.example/policy",
            "resource_tos_uri": "https://docs.example/tos",
            "jwks_uri": "https://mcp.example.com/jwks",
            "resource_signing_alg_values_supported": ["ES256"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
            "authorization_details_types_supported": ["payment"],
            "dpop_bound_access_tokens_required": true,
            "tls_client_certificate_bound_access_tokens": true,
            "resource_name#de": "Beispiel",
            "x_limits": { "calls": 0, "burst": false },
        })
    );
    let text = std::str::from_utf8(metadata.document()).unwrap();
    for member in
        ["resource_name#de", "resource_documentation", "dpop_bound_access_tokens_required"]
    {
        assert_eq!(text.matches(member).count(), 1, "{member}");
    }
    assert_eq!(metadata.challenge().scopes(), ["a", "b"]);
}

#[test]
fn settings_that_are_refused() {
    let rows = [
        ("no server", ResourceMetadata::builder("https://h.example"), "authorization_servers"),
        (
            "http server",
            base().authorization_server("http://auth.example.com"),
            "authorization_servers",
        ),
        (
            "server with a query",
            base().authorization_server("https://a.example/?t"),
            "authorization_servers",
        ),
        ("empty server", base().authorization_server(""), "authorization_servers"),
        ("http resource", ResourceMetadata::builder("http://h.example/mcp"), "resource"),
        ("openid", base().scope("openid"), "scopes_supported"),
        ("offline_access", base().scope("offline_access"), "scopes_supported"),
        ("wildcard", base().scope("mcp:*"), "scopes_supported"),
        ("all", base().scope("*"), "scopes_supported"),
        ("two scopes in one", base().scope("a b"), "scopes_supported"),
        ("empty scope", base().scope(""), "scopes_supported"),
        ("quote in a scope", base().scope("a\"b"), "scopes_supported"),
        ("empty name", base().resource_name(" "), "resource_name"),
        ("script link", base().documentation("javascript:alert(1)"), "resource_documentation"),
        ("empty link", base().policy_uri(""), "resource_policy_uri"),
        ("relative link", base().tos_uri("/tos"), "resource_tos_uri"),
        ("http keys", base().jwks_uri("http://h.example/jwks"), "jwks_uri"),
        ("none", base().dpop_signing_alg("none"), "dpop_signing_alg_values_supported"),
        ("secret", base().resource_signing_alg("HS256"), "resource_signing_alg_values_supported"),
        (
            "empty type",
            base().authorization_details_type(""),
            "authorization_details_types_supported",
        ),
        ("null", base().member("x", Value::Null), "member"),
        ("empty text", base().member("x", ""), "member"),
        ("empty list", base().member("x", json!([])), "member"),
        ("empty object", base().member("x", json!({})), "member"),
        ("no name", base().member("", 1), "member"),
        ("scopes by the back door", base().member("scopes_supported", json!(["openid"])), "member"),
        ("resource by the back door", base().member("resource", "https://evil.example"), "member"),
    ];
    for (name, builder, setting) in rows {
        let error = builder.build().expect_err(name);
        assert_eq!(error.setting(), setting, "{name}: {error}");
        let text = error.to_string();
        assert!(!text.contains('\n') && !text.ends_with('.'), "{name}: {text}");
    }
}

#[test]
fn urls_follow_from_the_identifier() {
    let rows = [
        ("https://h.example/mcp", "/mcp", "/.well-known/oauth-protected-resource/mcp"),
        ("https://h.example", "", "/.well-known/oauth-protected-resource"),
        ("https://h.example/", "/", "/.well-known/oauth-protected-resource"),
        ("https://h.example/a/b/", "/a/b/", "/.well-known/oauth-protected-resource/a/b/"),
        ("http://127.0.0.1:80801", "", ""),
        ("http://127.0.0.1:8080/mcp", "/mcp", "/.well-known/oauth-protected-resource/mcp"),
    ];
    for (resource, path, well_known) in rows {
        let built =
            ResourceMetadata::builder(resource).authorization_server("https://a.example").build();
        let Ok(metadata) = built else {
            assert_eq!(well_known, "", "{resource}");
            continue;
        };
        assert_eq!(metadata.resource(), resource);
        assert_eq!(metadata.path(), path, "{resource}");
        assert_eq!(metadata.well_known_path(), well_known, "{resource}");
        assert!(metadata.url().ends_with(well_known) && metadata.url().starts_with("http"));
        assert_eq!(metadata.challenge().resource_metadata(), Some(metadata.url()));
    }
}

#[test]
fn the_root_copy_is_one_more_path() {
    let paths = |builder: ResourceMetadataBuilder| -> Vec<String> {
        builder.build().unwrap().well_known_paths().map(str::to_owned).collect()
    };
    let root = "/.well-known/oauth-protected-resource";
    assert_eq!(paths(base()), [format!("{root}/mcp")]);
    assert_eq!(paths(base().serve_at_root()), [format!("{root}/mcp"), root.to_owned()]);
    let at_root = ResourceMetadata::builder("https://h.example")
        .authorization_server("https://a.example")
        .serve_at_root();
    assert_eq!(paths(at_root), [root]);
}

#[test]
fn a_signed_copy_that_differs_is_refused() {
    // {"alg":"ES256"} . {"iss":"https://a","resource":…} . sig
    let jwt = |claims: &str| {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", encode(r#"{"alg":"ES256"}"#), encode(claims))
    };
    let same = jwt(r#"{"iss":"https://a","resource":"https://mcp.example.com/mcp"}"#);
    assert!(base().member("signed_metadata", same).build().is_ok());
    let other = jwt(r#"{"iss":"https://a","resource":"https://evil.example/mcp"}"#);
    let error = base().member("signed_metadata", other).build().unwrap_err();
    assert_eq!(error.setting(), "signed_metadata");
    assert!(base().resource_name_in("not a language", "x").build().is_err());
}
