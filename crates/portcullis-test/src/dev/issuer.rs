//! The running issuer.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use portcullis_core::Clock;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::person::Person;
use super::state::{Grant, State};
use super::{authorize, cors, metadata, page, register, token};

/// An authorization server for development and tests: anyone can sign in as anyone.
///
/// It offers metadata (RFC 8414), registration (RFC 7591, public clients), the authorization code
/// grant with PKCE `S256` (RFC 7636), resource indicators (RFC 8707), issuer identification
/// (RFC 9207), rotating refresh tokens, and client credentials, where each person doubles as a
/// client of the same name without a secret. Its signing key is made at start; access tokens live
/// for 10 minutes. Dropping it stops it.
///
/// For scripts: `login_hint` in the authorization request signs in at once.
pub struct DevIssuer {
    state: Arc<State>,
    _stop: oneshot::Sender<()>,
}

/// Settings of a [`DevIssuer`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct DevIssuerBuilder {
    people: Vec<Person>,
    clock: Clock,
}

impl DevIssuer {
    /// An issuer that knows nobody yet.
    pub fn builder() -> DevIssuerBuilder {
        DevIssuerBuilder::default()
    }

    /// The issuer identifier, `http://127.0.0.1:…`. The key set is at `/jwks` below it.
    #[must_use]
    pub fn issuer_url(&self) -> &str {
        &self.state.issuer
    }

    /// The public keys as a JWK set.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.state.mint.jwks()
    }

    /// An access token as `person` would get it for `resource`, with those of `scopes` that they
    /// may have (all of theirs if empty). The client is called `dev-cli`.
    ///
    /// # Panics
    /// When nobody has that name.
    #[must_use]
    pub fn token_for(&self, person: &str, resource: &str, scopes: &[&str]) -> String {
        let Some(known) = self.state.person(person) else {
            #[expect(clippy::panic, reason = "the name is the program's own, not a request's")]
            {
                panic!("nobody is called {person}")
            }
        };
        let scopes = known.granted(Some(&scopes.join(" ")));
        let grant = Grant {
            person: person.to_owned(),
            client_id: "dev-cli".to_owned(),
            resource: resource.to_owned(),
            scopes: scopes.clone(),
        };
        self.state.access_token(&grant, &scopes)
    }
}

impl fmt::Debug for DevIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevIssuer").field("issuer", &self.state.issuer).finish_non_exhaustive()
    }
}

impl DevIssuerBuilder {
    /// Adds someone to sign in as.
    pub fn person(mut self, person: Person) -> Self {
        self.people.push(person);
        self
    }

    /// Sets where the time comes from: the system unless set.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the issuer on `addr`; port 0 means any free one.
    ///
    /// # Errors
    /// When the address is taken, or is not a loopback address: this issuer lets everyone in.
    pub async fn bind(self, addr: SocketAddr) -> io::Result<DevIssuer> {
        if !addr.ip().is_loopback() {
            let problem = "the development issuer listens on loopback addresses only";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let listener = TcpListener::bind(addr).await?;
        let issuer = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(State::new(issuer, self.clock, self.people));
        let (stop, stopped) = oneshot::channel::<()>();
        let listener = listener.tap_io(|stream| {
            // Slower without, but right.
            let _ = stream.set_nodelay(true);
        });
        let server = axum::serve(listener, router(Arc::clone(&state)));
        let server = server.with_graceful_shutdown(async move {
            let _ = stopped.await;
        });
        tokio::spawn(async move { server.await });
        Ok(DevIssuer { state, _stop: stop })
    }
}

fn router(state: Arc<State>) -> Router {
    let programs = Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::metadata))
        .route("/.well-known/openid-configuration", get(metadata::metadata))
        .route("/jwks", get(metadata::jwks))
        .route("/register", post(register::register))
        .route("/token", post(token::token))
        .layer(middleware::from_fn(cors::open));
    Router::new()
        .route("/", get(page::index))
        .route("/authorize", get(authorize::authorize))
        .merge(programs)
        .with_state(state)
}
