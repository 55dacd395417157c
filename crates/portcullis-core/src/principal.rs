//! A verified caller.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};

mod builder;

pub use builder::PrincipalBuilder;

/// A verified caller: what the token said and the verifier checked.
///
/// The identity is the triple issuer, subject, client id; two principals are equal when
/// these are, whatever else their tokens say, so that session and cache keys survive a token
/// refresh. Never identify anyone by e-mail address or display name. No raw token is inside.
///
/// Cheap to clone: a clone shares what is known, and starts without memos.
#[derive(Clone)]
pub struct Principal {
    known: Arc<Known>,
    memo: Memo,
}

#[derive(Clone)]
struct Known {
    issuer: String,
    subject: String,
    client_id: Option<String>,
    tenant: Option<String>,
    audiences: Vec<String>,
    scopes: Vec<String>,
    groups: Vec<String>,
    groups_unknown: bool,
    roles: Vec<String>,
    actors: Vec<Actor>,
    method: &'static str,
    expires_at: Option<Duration>,
    is_client: bool,
    token: TokenInfo,
    claims: Claims,
}

impl Principal {
    /// Who vouches for this caller (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.known.issuer
    }

    /// The caller's stable name at that issuer (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.known.subject
    }

    /// The OAuth client that holds the token.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.known.client_id.as_deref()
    }

    /// The issuer's tenant, where the issuer has several.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.known.tenant.as_deref()
    }

    /// Every audience of the token, this resource's among them.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.known.audiences
    }

    /// The scopes granted.
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.known.scopes
    }

    /// Whether `scope` was granted, by exact equality.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.known.scopes.iter().any(|held| held == scope)
    }

    /// The groups the issuer put the caller in. Meaningless while
    /// [`groups_unknown`](Self::groups_unknown) holds.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.known.groups
    }

    /// Whether the token says that there are more groups than it lists: a rule that needs
    /// a group must then deny.
    #[must_use]
    pub fn groups_unknown(&self) -> bool {
        self.known.groups_unknown
    }

    /// The roles the issuer assigned; policy maps them to its own.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.known.roles
    }

    /// Who acts for this caller, nearest first (`act`, RFC 8693 §4.1).
    #[must_use]
    pub fn actors(&self) -> &[Actor] {
        &self.known.actors
    }

    /// How the caller was authenticated to this gate: `bearer`, ….
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.known.method
    }

    /// When the proof ends, as time since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> Option<Duration> {
        self.known.expires_at
    }

    /// Whether this is a client on its own behalf, with no person behind it.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.known.is_client
    }

    /// What may be recorded of the token itself.
    #[must_use]
    pub fn token(&self) -> &TokenInfo {
        &self.known.token
    }

    /// Every claim of the token, for policies that need more than the fields above. A map may be
    /// made of them when they are asked for first, and is then kept.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        self.known.claims.get()
    }

    /// What a policy makes of this principal, worked out once and kept as long as the principal,
    /// which sign-in layers cache: `make` runs when `owner` asks first.
    ///
    /// There are a few places, for policy, for inspection, and for the policies that come after one
    /// another while this principal is remembered. `None` says that all are taken. An `owner` must
    /// be unique in the process for each type that it keeps, and what `make` returns must depend on
    /// nothing but the owner and this principal.
    pub fn memo<T: Any + Send + Sync>(&self, owner: u64, make: impl FnOnce() -> T) -> Option<&T> {
        let mut make = Some(make);
        let mut memo = &self.memo;
        for _ in 0..Memo::PLACES {
            let page = memo.0.get_or_init(|| {
                let kept = make.take().map(|make| Box::new(make()) as Box<dyn Any + Send + Sync>);
                Box::new(Page { owner, kept, next: Memo::default() })
            });
            let ours = page.kept.as_ref().and_then(|kept| kept.downcast_ref());
            if page.owner == owner && ours.is_some() {
                return ours;
            }
            memo = &page.next;
        }
        None
    }
}

type ReadClaims = fn(&str) -> Map<String, Value>;

/// Claims, or the text of them until somebody asks: few policies do, and a map takes several times
/// the room.
#[derive(Clone, Default)]
struct Claims {
    text: Option<(Box<str>, ReadClaims)>,
    read: OnceLock<Map<String, Value>>,
}

impl Claims {
    fn get(&self) -> &Map<String, Value> {
        let read = || self.text.as_ref().map(|(text, read)| read(text)).unwrap_or_default();
        self.read.get_or_init(read)
    }
}

/// See [`Principal::memo`]. A clone starts empty.
#[derive(Default)]
struct Memo(OnceLock<Box<Page>>);

impl Memo {
    const PLACES: usize = 8;
}

struct Page {
    owner: u64,
    kept: Option<Box<dyn Any + Send + Sync>>,
    next: Memo,
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.issuer() == other.issuer()
            && self.subject() == other.subject()
            && self.client_id() == other.client_id()
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.issuer().hash(state);
        self.subject().hash(state);
        self.client_id().hash(state);
    }
}

// By hand: claims hold personal data that no log line should show by accident.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.known.issuer)
            .field("subject", &self.known.subject)
            .field("client_id", &self.known.client_id)
            .finish_non_exhaustive()
    }
}

/// Someone who acts for the principal (`act`, RFC 8693 §4.1).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Actor {
    issuer: Option<String>,
    subject: String,
}

impl Actor {
    /// An actor known to `issuer`, or to the token's own issuer when there is none, as `subject`.
    #[must_use]
    pub fn new(issuer: Option<String>, subject: impl Into<String>) -> Self {
        Self { issuer, subject: subject.into() }
    }

    /// Who vouches for the actor, when the claim says so.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The actor's name.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// What may be recorded of a token: enough to find it at the issuer, nothing to use it with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TokenInfo {
    /// The token's own id (`jti`).
    pub id: Option<String>,
    /// The signature algorithm.
    pub algorithm: Option<&'static str>,
    /// The id of the key that signed it.
    pub key_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_is_issuer_subject_and_client() {
        let alice = || Principal::builder("https://a.example", "alice").client_id("ide");
        assert_eq!(
            alice().scope("x").build(),
            alice().group("y").build(),
            "a refresh changes nobody"
        );
        assert_ne!(alice().build(), alice().client_id("other").build());
        assert_ne!(
            Principal::builder("https://a.example", "1").build(),
            Principal::builder("https://b.example", "1").build(),
            "the same subject at another issuer is someone else"
        );
    }

    #[test]
    fn a_memo_is_made_once_for_each_owner() {
        let alice = Principal::builder("i", "alice").build();
        assert_eq!(alice.memo(1, || "first"), Some(&"first"));
        assert_eq!(alice.memo(1, || "second"), Some(&"first"));
        assert_eq!(alice.memo(1, || 5_u8), Some(&5), "another type");
        assert_eq!(alice.memo(2, || "other owner"), Some(&"other owner"));
        assert_eq!(alice.memo(1, || 6_u8), Some(&5));
        assert_eq!(alice.memo(1, || "third"), Some(&"first"), "and the first is still there");
        for owner in 3..8 {
            assert_eq!(alice.memo(owner, || owner), Some(&owner));
        }
        assert_eq!(alice.memo(9, || 9_u64), None, "bounded");
        assert_eq!(alice.clone().memo(2, || "afresh"), Some(&"afresh"));
    }

    #[test]
    fn claims_are_read_when_asked_for() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        static READ: AtomicUsize = AtomicUsize::new(0);
        let read = |text: &str| {
            READ.fetch_add(1, Ordering::Relaxed);
            Map::from_iter([("text".to_owned(), text.into())])
        };
        let alice = Principal::builder("i", "alice").claims_text("{}", read).build();
        let clone = alice.clone();
        assert_eq!(READ.load(Ordering::Relaxed), 0);
        assert_eq!(alice.claims()["text"], "{}");
        assert_eq!(clone.claims()["text"], "{}");
        assert_eq!(READ.load(Ordering::Relaxed), 1, "once, also for clones");
        assert!(Principal::builder("i", "alice").build().claims().is_empty());
    }

    #[test]
    fn debug_shows_no_claims() {
        let mut claims = Map::new();
        claims.insert("email".into(), "alice@example.com".into());
        let shown = format!("{:?}", Principal::builder("i", "s").claims(claims).build());
        assert!(!shown.contains("alice@example.com"), "{shown}");
    }
}
