//! The others, for one issuer and one resource, with every check on that they offer for bearer tokens.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use portcullis_test::Mint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::{Layer as _, service_fn};

use crate::peer::{Body, ISSUER, Peer, RESOURCE, inner, runtime};
use crate::support::keep;

pub fn all(mint: &Mint) -> Vec<Peer> {
    vec![
        jsonwebtoken(mint),
        jwt_authorizer(mint),
        oauth_resource_server(mint),
        tower_oauth2(mint),
        huskarl(mint),
    ]
}

/// What a program would read.
#[derive(Clone, Deserialize, Serialize)]
struct Claims {
    sub: String,
    scope: Option<String>,
    groups: Option<Vec<String>>,
}

/// As programs use it by hand.
fn jsonwebtoken(mint: &Mint) -> Peer {
    use jsonwebtoken::jwk::JwkSet;
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};

    let set: JwkSet = serde_json::from_str(&mint.jwks()).unwrap();
    let keys = set
        .keys
        .iter()
        .map(|jwk| (jwk.common.key_id.clone().unwrap(), DecodingKey::from_jwk(jwk).unwrap()));
    let keys: &'static HashMap<String, DecodingKey> = keep(keys.collect());
    let mut validation = Validation::new(mint.algorithm().parse().unwrap());
    validation.validate_nbf = true;
    validation.set_audience(&[RESOURCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let validation: &'static Validation = keep(validation);

    let passes = move |token: &str| {
        let kid = decode_header(token).ok()?.kid?;
        decode::<Claims>(token, keys.get(&kid)?, validation).ok()
    };
    let service = service_fn(move |mut request: Request<()>| async move {
        let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        let Some(token) = token.and_then(passes) else { return Ok(unauthorized()) };
        hand_over(&mut request, token.claims);
        Ok(Response::new(Body::default()))
    });
    Peer::new("jsonwebtoken 11, by hand", service)
}

fn jwt_authorizer(mint: &Mint) -> Peer {
    use jwt_authorizer::{Authorizer, IntoLayer as _, JwtAuthorizer, Validation};

    let checks = Validation::new().iss(&[ISSUER]).aud(&[RESOURCE]).nbf(true);
    let builder = JwtAuthorizer::<Claims>::from_jwks_text(&mint.jwks()).validation(checks);
    let authorizer: Authorizer<Claims> = runtime().block_on(builder.build()).unwrap();
    let service = authorizer.into_layer().layer(inner::<axum_07::body::Body>());
    Peer::new("jwt-authorizer 0.15", service)
}

fn oauth_resource_server(mint: &Mint) -> Peer {
    use oauth_resource_server::http_layer::HttpAuthLayer;
    use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};

    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.into(),
        jwks_uri: Some(serve(mint.jwks())),
        audience: RESOURCE.into(),
        resource: RESOURCE.into(),
        required_scope: Some("mcp:read".into()),
        require_at_jwt: true,
        algorithms: vec![mint.algorithm().to_owned()],
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).unwrap().unwrap();
    let validator = OAuthValidator::builder(&config).initial_jwks(&mint.jwks()).build().unwrap();
    let layer = HttpAuthLayer::builder().oauth(Arc::new(validator)).build().unwrap();
    Peer::new("oauth-resource-server 0.4", layer.layer(inner::<Body>()))
}

fn tower_oauth2(mint: &Mint) -> Peer {
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;
    use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

    // Left out, the issuer is unchecked where keys are given. To check `nbf` is to refuse tokens without it.
    let audiences = vec![RESOURCE.to_owned()];
    let checks = ClaimsValidationSpec::recommended(ISSUER, &audiences).nbf(false);
    let tenant = TenantConfiguration::static_builder(mint.jwks())
        .identifier(ISSUER)
        .audiences(&[RESOURCE])
        .claims_validation(checks)
        .build()
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant);
    let server = runtime().block_on(server.build()).unwrap();
    let service = server.into_layer().layer(inner::<Body>());
    Peer::new("tower-oauth2-resource-server 0.12", service)
}

/// It has no layer: its verdict is asked for, and the service called.
fn huskarl(mint: &Mint) -> Peer {
    use huskarl_resource_server::core::server_metadata::AuthorizationServerMetadata;
    use huskarl_resource_server::validator::rfc9068::Rfc9068Validator;

    let metadata: AuthorizationServerMetadata = serde_json::from_value(serde_json::json!({
        "issuer": ISSUER,
        "token_endpoint": format!("{ISSUER}/token"),
        "jwks_uri": serve(mint.jwks()),
        "response_types_supported": ["code"],
    }))
    .unwrap();
    let validator = runtime().block_on(async {
        let client = huskarl_reqwest::ReqwestClient::builder().build().await.unwrap();
        let builder = Rfc9068Validator::builder_from_metadata(&metadata).with_claims::<Value>();
        builder.jwks_source(client).audience(RESOURCE).build().await.unwrap()
    });
    let validator: &'static Rfc9068Validator<Value> = keep(validator);
    let service = service_fn(move |mut request: Request<()>| async move {
        let (headers, method, uri) = (request.headers(), request.method(), request.uri());
        let verdict = validator.validate_request(headers, method, uri, None).await;
        let Ok(Some(token)) = verdict.outcome else { return Ok(unauthorized()) };
        hand_over(&mut request, Arc::new(token));
        Ok(Response::new(Body::default()))
    });
    Peer::new("huskarl-resource-server 0.11", service)
}

fn unauthorized() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response
}

/// As their layers do, for the service behind.
#[expect(clippy::disallowed_methods, reason = "what others found is no fact of ours")]
fn hand_over<T: Clone + Send + Sync + 'static>(request: &mut Request<()>, found: T) {
    request.extensions_mut().insert(found);
}

/// An address with these keys, for those that only take keys from one, or ask it about unknown ones.
fn serve(jwks: String) -> String {
    let jwks = Bytes::from(jwks);
    let service = service_fn(move |_| {
        let response = Response::builder().header("content-type", "application/json");
        let response = response.body(Body::new(jwks.clone())).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    keep(runtime().block_on(portcullis_test::serve(service))).url("/jwks")
}
