//! What an authority publishes, and what it signs with.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_jwt::Algorithm;
use serde_json::{Map, Value, json};

use crate::testing::Outage;
use crate::testing::key::SigningKey;

/// The state that an authority and its server share.
pub(crate) struct Published {
    state: Mutex<State>,
    fetches: AtomicUsize,
}

struct State {
    /// The newest last; it signs.
    keys: Vec<Named>,
    made: usize,
    metadata: Map<String, Value>,
    outage: Option<Outage>,
}

#[derive(Clone)]
pub(crate) struct Named {
    pub(crate) kid: String,
    pub(crate) key: Arc<SigningKey>,
}

impl Published {
    pub(crate) fn new(issuer: &str, algorithm: Algorithm) -> Self {
        let base = issuer.strip_suffix('/').unwrap_or(issuer);
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/token"),
            "registration_endpoint": format!("{base}/register"),
            "jwks_uri": format!("{base}/jwks"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [algorithm.as_str()],
        });
        let metadata = metadata.as_object().cloned().unwrap_or_default();
        let state = State { keys: Vec::new(), made: 0, metadata, outage: None };
        let published = Self { state: Mutex::new(state), fetches: AtomicUsize::new(0) };
        published.add_key(algorithm);
        published
    }

    pub(crate) fn add_key(&self, algorithm: Algorithm) {
        let key = Arc::new(SigningKey::generate(algorithm));
        let mut state = self.state();
        state.made += 1;
        let kid = format!("key-{}", state.made);
        state.keys.push(Named { kid, key });
    }

    /// Withdraws every key but the newest.
    pub(crate) fn withdraw_old_keys(&self) {
        let mut state = self.state();
        let old = state.keys.len().saturating_sub(1);
        state.keys.drain(..old);
    }

    #[expect(clippy::expect_used, reason = "INVARIANT: there is a key from the start")]
    pub(crate) fn signer(&self) -> Named {
        self.state().keys.last().cloned().expect("a key")
    }

    pub(crate) fn jwks(&self) -> String {
        let state = self.state();
        let keys = state.keys.iter().map(|named| named.key.published_jwk(&named.kid));
        json!({ "keys": keys.collect::<Vec<_>>() }).to_string()
    }

    pub(crate) fn metadata(&self) -> String {
        Value::Object(self.state().metadata.clone()).to_string()
    }

    pub(crate) fn set_metadata(&self, name: &str, value: Value) {
        let mut state = self.state();
        match value {
            Value::Null => state.metadata.remove(name),
            value => state.metadata.insert(name.to_owned(), value),
        };
    }

    pub(crate) fn outage(&self) -> Option<Outage> {
        self.state().outage
    }

    pub(crate) fn set_outage(&self, outage: Option<Outage>) {
        self.state().outage = outage;
    }

    pub(crate) fn count_fetch(&self) {
        self.fetches.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::Acquire)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
