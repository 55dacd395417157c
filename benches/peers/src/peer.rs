//! What is asked whether a request may pass, and ours.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use portcullis::core::Challenge;
use portcullis::jwt::JwtLayer;
use portcullis::{Caller, Issuer, JwkSet, Principal, RequestFacts as _, Verifier};
use portcullis_test::Mint;
use tokio::runtime::Runtime;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use crate::support::keep;

pub const ISSUER: &str = "https://id.example.com";
pub const RESOURCE: &str = "https://mcp.example.com/mcp";

pub type Body = Full<bytes::Bytes>;

/// A service with something in front of it.
pub struct Peer {
    pub name: &'static str,
    ask: Box<dyn Fn(Request<()>) -> StatusCode>,
}

impl Peer {
    pub fn new<S, B>(name: &'static str, service: S) -> Self
    where
        S: Service<Request<()>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    {
        let ask = move |request| {
            let Ok(response) = runtime().block_on(service.clone().oneshot(request));
            response.status()
        };
        Self { name, ask: Box::new(ask) }
    }

    pub fn ask(&self, request: Request<()>) -> StatusCode {
        (self.ask)(request)
    }
}

/// A request with a token.
pub fn request(token: &str) -> Request<()> {
    let request = Request::post(RESOURCE).header("authorization", format!("Bearer {token}"));
    request.body(()).unwrap()
}

/// Everybody works on this thread, the only one whose time is taken.
pub fn runtime() -> &'static Runtime {
    thread_local! {
        static RUNTIME: &'static Runtime = keep(
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        );
    }
    RUNTIME.with(|runtime| *runtime)
}

/// The service behind all of them.
pub fn inner<B: Default + 'static>()
-> impl Service<Request<()>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send
{
    service_fn(|_| async { Ok(Response::new(B::default())) })
}

pub fn bare() -> Peer {
    Peer::new("the service alone", inner::<Body>())
}

/// Ours, with room to remember so many tokens.
pub fn portcullis(mint: &Mint, remembered: usize) -> Peer {
    let metadata = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    let challenge = Challenge::new(metadata, ["mcp:read"]).unwrap();
    let layer = JwtLayer::new(verifier(mint, remembered), challenge);
    Peer::new("portcullis", layer.layer(inner::<Body>()))
}

/// The cache that programs build themselves: by a digest of the token, and nothing is asked of a hit.
pub fn moka(mint: &Mint) -> Peer {
    let verifier = verifier(mint, 0);
    let cache = moka::sync::Cache::<[u8; 32], Arc<Principal>>::builder()
        .max_capacity(crate::ROOM as u64)
        .time_to_live(Duration::from_secs(300))
        .build();
    let service = service_fn(move |mut request: Request<()>| {
        let (verifier, cache) = (verifier.clone(), cache.clone());
        async move {
            let token = request.headers().get("authorization");
            let token = token.and_then(|value| value.to_str().ok());
            let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
            let digest: [u8; 32] = digest.as_ref().try_into().unwrap();
            let caller = match cache.get(&digest) {
                Some(caller) => caller,
                None => {
                    let caller = Arc::new(verifier.verify_token(token).await.unwrap());
                    cache.insert(digest, Arc::clone(&caller));
                    caller
                }
            };
            request.set_caller(Caller::Verified(caller));
            Ok(Response::new(Body::default()))
        }
    });
    Peer::new("moka by SHA-256", service)
}

fn verifier(mint: &Mint, remembered: usize) -> Verifier {
    let issuer = Issuer::new(ISSUER).keys(JwkSet::from_json(mint.jwks()).unwrap());
    Verifier::builder(RESOURCE).issuer(issuer).token_cache(remembered).build().unwrap()
}
