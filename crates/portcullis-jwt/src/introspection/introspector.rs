//! Questions about tokens: remembered, shared, limited, and ended with their issuer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use portcullis_core::{Clock, Principal, Reason, TokenInfo};
use quick_cache::sync::Cache;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::answer::check;
use super::asker::Asker;
use super::flight::{Flight, Flights, Landing, Outcome};
use super::{Introspection, Opaque, Terms};
use crate::claim::{self, Claims};
use crate::discovery::Found;
use crate::error::TokenError;
use crate::fetch::within_time;
use crate::keys::Obstacle;
use crate::principal::principal;
use crate::revocation::Revocations;
use crate::token_cache::{CAPACITY, KeyGeneration, Tag, TokenCache, Verdict};
use crate::verifier::Trusted;
use crate::wait::Wait;
use crate::{ConfigError, Issuer};

/// How many questions may wait for each one under way.
const WAITING: usize = 8;

/// For how long, and of how many tokens, it is remembered that they are not active. A client that
/// goes on with a dead token then costs its issuer one question in this time. Nothing else that is
/// bad is remembered: all else may be better a moment later.
const INACTIVE_FOR: Duration = Duration::from_secs(5);
const MAX_INACTIVE: usize = 4096;

/// What clients are told while the issuer cannot be asked.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The state of the gate before a question, for verdicts that a change makes void.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) now: Duration,
    pub(super) issuers: u64,
    pub(super) revision: u64,
}

/// Asks one issuer about tokens; ends all questions when dropped.
pub(crate) struct Introspector {
    pub(super) opaque: Opaque,
    pub(super) jwts: bool,
    terms: Terms,
    cache_for: Duration,
    most: usize,
    active: TokenCache,
    shared: Arc<Shared>,
    flights: Arc<Flights>,
    runtime: Handle,
    tasks: Mutex<JoinSet<()>>,
}

/// What a question needs.
struct Shared {
    asker: Asker,
    clock: Clock,
    in_flight: Semaphore,
    /// When each was found not to be active.
    inactive: Cache<Tag, Duration>,
}

impl Introspector {
    pub(crate) fn new(
        issuer: &Issuer,
        settings: &Introspection,
        found: &Found,
        clock: &Clock,
    ) -> Result<Self, ConfigError> {
        settings.check()?;
        let name = &issuer.name;
        let runtime = Handle::try_current().map_err(|_| {
            ConfigError::new(format!("no tokio runtime to ask {name} about tokens on"))
        })?;
        let shared = Shared {
            asker: Asker::new(issuer, settings, found)?,
            clock: clock.clone(),
            in_flight: Semaphore::new(settings.in_flight),
            inactive: Cache::new(MAX_INACTIVE),
        };
        Ok(Self {
            opaque: settings.opaque.clone(),
            jwts: settings.jwts,
            terms: settings.terms,
            cache_for: settings.cache_for,
            most: settings.in_flight.saturating_mul(1 + WAITING),
            active: TokenCache::new(CAPACITY)?,
            shared: Arc::new(shared),
            flights: Arc::default(),
            runtime,
            tasks: Mutex::default(),
        })
    }

    /// Whom `token` speaks for, if that is known; else asks, or joins those who have.
    pub(super) fn ask(
        &self,
        trusted: &Arc<Trusted>,
        token: &str,
        before: Before,
        revocations: &Revocations,
    ) -> Result<Arc<Principal>, Obstacle> {
        let tag = self.active.tag(token.as_bytes()).ok_or_else(unavailable)?;
        if let Some(principal) = self.active.get(tag, before.now, before.issuers, revocations) {
            return Ok(principal);
        }
        if self.shared.is_inactive(tag, before.now) {
            return Err(Reason::Inactive.into());
        }
        let start = || {
            let Before { now, issuers, revision } = before;
            Flight::new(Arc::downgrade(trusted), tag, now, issuers, revision)
        };
        let (wait, landing) = self.flights.join(tag, self.most, start).ok_or_else(unavailable)?;
        if let Some(landing) = landing {
            let metadata =
                (!self.shared.asker.has_endpoint()).then(|| trusted.keys.wait()).flatten();
            let shared = Arc::clone(&self.shared);
            let question = shared.run(token.to_owned(), tag, metadata, landing);
            // No code panics while it holds the lock.
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn_on(question, &self.runtime);
        }
        Err(Obstacle::Wait(wait))
    }

    /// Whom the answer to a question is about.
    pub(super) fn conclude(
        &self,
        trusted: &Trusted,
        issuer: &str,
        flight: &Flight,
        now: Duration,
        revocations: &Revocations,
    ) -> Result<Arc<Principal>, TokenError> {
        let claims = match flight.outcome() {
            Outcome::Active(claims) => claims.clone(),
            Outcome::Inactive => return Err(TokenError::refused(Reason::Inactive)),
            Outcome::Unavailable => return Err(unavailable_error()),
        };
        let refused = TokenError::refused;
        let rules = &trusted.rules;
        // INVARIANT: a principal is made only of claims that the issuer said are of an active token.
        let claims =
            check(rules, self.terms, issuer, claims, flight.asked, now).map_err(refused)?;
        let said = Claims::of(&claims);
        let ends = claim::date(&said, "exp").ok().flatten().map(Duration::from_secs);
        let principal = principal(rules, issuer, &said, TokenInfo::default()).map_err(refused)?;
        let principal = Arc::new(principal.claims(claims).build());
        if revocations.has(&principal) {
            return Err(refused(Reason::Revoked));
        }
        let until = flight.asked.saturating_add(self.cache_for).min(ends.unwrap_or_default());
        self.active.insert(
            flight.tag,
            Verdict {
                principal: Arc::clone(&principal),
                from: flight.asked,
                until,
                issuers: flight.issuers,
                keys: KeyGeneration::FIXED,
                revision: flight.revision,
            },
        );
        Ok(principal)
    }
}

impl Shared {
    /// Asks, within the time and the number of questions that are allowed, and wakes who waits.
    async fn run(
        self: Arc<Self>,
        token: String,
        tag: Tag,
        metadata: Option<Wait>,
        landing: Landing,
    ) {
        let asked = within_time(async {
            let _turn = self.in_flight.acquire().await;
            if let Some(metadata) = metadata {
                metadata.await;
            }
            self.asker.ask(&token, self.clock.unix()).await
        })
        .await;
        let now = self.clock.unix();
        landing.with(match asked {
            Ok(outcome) => {
                if matches!(outcome, Outcome::Inactive) {
                    self.inactive.insert(tag, now);
                }
                outcome
            }
            Err(error) => {
                self.asker.report(&error, now);
                Outcome::Unavailable
            }
        });
    }

    fn is_inactive(&self, tag: Tag, now: Duration) -> bool {
        let since = self.inactive.get(&tag);
        // A clock that was set back makes a miss.
        since.is_some_and(|since| (since..since.saturating_add(INACTIVE_FOR)).contains(&now))
    }
}

fn unavailable() -> Obstacle {
    Obstacle::Refused(unavailable_error())
}

pub(super) fn unavailable_error() -> TokenError {
    TokenError::unavailable(Reason::IntrospectionUnavailable, RETRY_AFTER)
}
