use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_core::ManualClock;
use portcullis_test::Mint;

use super::*;
use crate::fetch::{FetchError, Fetched};

const ISSUER: &str = "https://id.example.com";
const TEN_MINUTES: Duration = Duration::from_secs(600);
const HOUR: Duration = Duration::from_secs(3600);

/// An issuer whose answers a test scripts; `None` is a failure.
#[derive(Clone)]
struct Idp {
    answer: Arc<Mutex<Option<JwkSet>>>,
    fetches: Arc<AtomicUsize>,
    dropped: Arc<Notify>,
    held: Arc<tokio::sync::Semaphore>,
}

impl Idp {
    fn new(mint: &Mint) -> Self {
        Self {
            answer: Arc::new(Mutex::new(Some(keys(mint)))),
            fetches: Arc::default(),
            dropped: Arc::default(),
            held: Arc::new(tokio::sync::Semaphore::new(1)),
        }
    }

    fn answers(&self, answer: Option<JwkSet>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

struct IdpFetch(Idp);

impl Fetch for IdpFetch {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let _turn = self.0.held.acquire().await.unwrap();
        let answer = self.0.answer.lock().unwrap().clone();
        match answer {
            Some(keys) => Ok(Fetched { keys, lifetime: TEN_MINUTES }),
            None => Err(FetchError::new("down")),
        }
    }
}

impl Drop for IdpFetch {
    fn drop(&mut self) {
        self.0.dropped.notify_one();
    }
}

struct World {
    keys: RemoteKeys,
    idp: Idp,
    hand: ManualClock,
}

impl World {
    fn new(idp: &Idp) -> Self {
        let (clock, hand) = Clock::manual(1_700_000_000);
        let keys = RemoteKeys::start(ISSUER, IdpFetch(idp.clone()), clock, HOUR).unwrap();
        Self { keys, idp: idp.clone(), hand }
    }

    /// Moves all clocks, in steps short enough for every timer to fire in its turn.
    async fn pass(&self, time: Duration) {
        let step = Duration::from_secs(1);
        for _ in 0..time.as_secs() {
            self.hand.advance(step);
            tokio::time::advance(step).await;
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// As a request does: asks, waits if told to, asks again.
    async fn verify(&self, token: &str) -> Result<(), TokenError> {
        let token = Token::parse(token).ok().unwrap();
        let refused = |obstacle| match obstacle {
            Obstacle::Refused(error) => error,
            Obstacle::Wait(_) => panic!("waits twice"),
        };
        match self.keys.verify(&token, Turn::First) {
            Err(Obstacle::Wait(keys)) => {
                keys.await;
                self.keys.verify(&token, Turn::Last).map_err(refused)
            }
            done => done.map_err(refused),
        }
    }

    async fn reason(&self, token: &str) -> Option<Reason> {
        self.verify(token).await.err().map(|error| error.reason())
    }
}

fn keys(mint: &Mint) -> JwkSet {
    JwkSet::from_json(mint.jwks()).unwrap()
}

fn unknown(mint: &Mint, kid: usize) -> String {
    mint.token().header("kid", format!("kid-{kid}")).sign()
}

#[tokio::test(start_paused = true)]
async fn the_first_request_waits_for_the_first_fetch() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    assert_eq!(world.reason(&mint.token().sign()).await, None);
    assert_eq!(world.idp.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_share_one_fetch() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    let hold = world.idp.held.clone().acquire_owned().await.unwrap();
    let tokens: Vec<String> = (0..50).map(|_| mint.token().sign()).collect();
    let requests = tokens.iter().map(|token| world.verify(token));
    let all = futures(requests);
    let release = async {
        tokio::task::yield_now().await;
        drop(hold);
    };
    let (results, ()) = tokio::join!(all, release);
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(world.idp.fetches(), 1);
}

/// Polls all futures to their ends, at the same time.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |cx| {
        use std::task::Poll;
        let mut pending = false;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return Poll::Pending;
        }
        Poll::Ready(all.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}

/// a new key is found at once, and an old one ends with the next refresh.
#[tokio::test(start_paused = true)]
async fn rotation() {
    let (old, new) = (Mint::es256(ISSUER), Mint::es256(ISSUER));
    let world = World::new(&Idp::new(&old));
    assert_eq!(world.reason(&old.token().sign()).await, None);
    world.idp.answers(Some(keys(&new)));
    assert_eq!(world.reason(&old.token().sign()).await, None, "not yet refreshed");
    assert_eq!(world.reason(&new.token().sign()).await, None, "an unknown kid refreshes");
    assert_eq!(world.reason(&old.token().sign()).await, Some(Reason::UnknownKid));
    assert_eq!(world.idp.fetches(), 2);

    world.idp.answers(Some(keys(&old)));
    world.pass(TEN_MINUTES).await;
    assert_eq!(world.idp.fetches(), 3, "refreshed without being asked");
    assert_eq!(world.reason(&new.token().sign()).await, Some(Reason::UnknownKid), "removed");
}

///
#[tokio::test(start_paused = true)]
async fn ten_thousand_unknown_kids_cost_one_fetch() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    let storm: Vec<String> = (0..10_000).map(|kid| unknown(&mint, kid)).collect();
    for token in &storm {
        assert_eq!(world.reason(token).await, Some(Reason::UnknownKid));
    }
    assert!(world.idp.fetches() <= 2, "{}", world.idp.fetches());
    let before = world.idp.fetches();
    world.pass(Duration::from_secs(29)).await;
    assert_eq!(world.reason(&storm[7]).await, Some(Reason::UnknownKid));
    assert_eq!(world.idp.fetches(), before, "not before the floor");
    world.pass(Duration::from_secs(2)).await;
    futures(storm.iter().map(|token| world.verify(token))).await;
    assert_eq!(world.idp.fetches(), before + 1, "one after it");
    assert_eq!(world.reason(&mint.token().sign()).await, None, "good tokens pass all the while");
}

/// A kid the issuer was just found not to have does not even use up the floor.
#[tokio::test(start_paused = true)]
async fn known_unknown_kids_ask_for_nothing() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    world.verify(&mint.token().sign()).await.unwrap();
    assert_eq!(world.reason(&unknown(&mint, 1)).await, Some(Reason::UnknownKid));
    assert_eq!(world.idp.fetches(), 2);
    world.pass(Duration::from_secs(31)).await;
    assert_eq!(world.reason(&unknown(&mint, 1)).await, Some(Reason::UnknownKid));
    assert_eq!(world.idp.fetches(), 2, "remembered for a minute");
    world.pass(Duration::from_secs(31)).await;
    assert_eq!(world.reason(&unknown(&mint, 1)).await, Some(Reason::UnknownKid));
    assert_eq!(world.idp.fetches(), 3, "and then forgotten");
}

/// A failed fetch proves nothing about a kid.
#[tokio::test(start_paused = true)]
async fn a_failed_fetch_condemns_no_kid() {
    let (old, new) = (Mint::es256(ISSUER), Mint::es256(ISSUER));
    let world = World::new(&Idp::new(&old));
    world.verify(&old.token().sign()).await.unwrap();
    world.idp.answers(None);
    assert_eq!(world.reason(&new.token().sign()).await, Some(Reason::UnknownKid));
    // The task's own attempt finds the set of before; the new key comes a moment later.
    world.idp.answers(Some(keys(&old)));
    world.pass(Duration::from_secs(31)).await;
    world.idp.answers(Some(keys(&new)));
    assert_eq!(world.reason(&new.token().sign()).await, None, "asked for again");
}

/// the last good set serves until it is stale; then 503, never 401; then all is well again.
#[tokio::test(start_paused = true)]
async fn an_outage() {
    let mint = Mint::es256(ISSUER);
    let token = mint.token().sign();
    let world = World::new(&Idp::new(&mint));
    world.verify(&token).await.unwrap();
    world.idp.answers(None);
    world.pass(TEN_MINUTES + HOUR / 2).await;
    assert_eq!(world.reason(&token).await, None, "half an hour past the refresh");
    assert_eq!(
        world.reason(&unknown(&mint, 1)).await,
        Some(Reason::UnknownKid),
        "bad tokens are still bad"
    );
    world.pass(HOUR / 2 - Duration::from_secs(1)).await;
    assert_eq!(world.reason(&token).await, None, "the last second");
    world.pass(Duration::from_secs(1)).await;
    let error = world.verify(&token).await.unwrap_err();
    assert_eq!(error.reason(), Reason::JwksUnavailable);
    assert!(error.retry_after().is_some());
    assert_eq!(world.reason(&unknown(&mint, 2)).await, Some(Reason::JwksUnavailable));
    world.idp.answers(Some(keys(&mint)));
    world.pass(Duration::from_secs(61)).await;
    assert_eq!(world.reason(&token).await, None, "recovered by itself");
}

/// An issuer that is down is not hammered: attempts are ever further apart.
#[tokio::test(start_paused = true)]
async fn failures_back_off() {
    let mint = Mint::es256(ISSUER);
    let idp = Idp::new(&mint);
    idp.answers(None);
    let world = World::new(&idp);
    let token = mint.token().sign();
    assert_eq!(world.reason(&token).await, Some(Reason::JwksUnavailable), "never fetched");
    world.pass(HOUR).await;
    let fetches = world.idp.fetches();
    assert!((60..=80).contains(&fetches), "{fetches}");
    world.idp.answers(Some(keys(&mint)));
    world.pass(Duration::from_secs(61)).await;
    assert_eq!(world.reason(&token).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_signature_that_fails_asks_for_nothing() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    let forged = Mint::es256(ISSUER).with_kid(mint.kid()).token().sign();
    assert_eq!(world.reason(&forged).await, Some(Reason::BadSig));
    assert_eq!(world.reason(&forged).await, Some(Reason::BadSig));
    let without_kid = Mint::eddsa(ISSUER).token().without_header("kid").sign();
    assert_eq!(world.reason(&without_kid).await, Some(Reason::BadAlg));
    assert_eq!(world.idp.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_owner() {
    let idp = Idp::new(&Mint::es256(ISSUER));
    let world = World::new(&idp);
    world.pass(Duration::from_secs(1)).await;
    drop(world);
    idp.dropped.notified().await;
}

/// Should the task end early, say with its runtime, requests are answered, not left waiting.
#[tokio::test(start_paused = true)]
async fn without_its_task_the_cache_fails_closed() {
    let mint = Mint::es256(ISSUER);
    let world = World::new(&Idp::new(&mint));
    let _hold = world.idp.held.clone().acquire_owned().await.unwrap();
    let token = mint.token().sign();
    let end = async {
        tokio::task::yield_now().await;
        world.keys.task.abort();
    };
    let (reason, ()) = tokio::join!(world.reason(&token), end);
    assert_eq!(reason, Some(Reason::JwksUnavailable));
    assert_eq!(world.reason(&token).await, Some(Reason::JwksUnavailable));
}

#[test]
fn no_runtime_is_an_error_of_set_up() {
    let idp = Idp::new(&Mint::es256(ISSUER));
    assert!(RemoteKeys::start(ISSUER, IdpFetch(idp), Clock::system(), HOUR).is_err());
}

#[tokio::test(start_paused = true)]
async fn only_other_keys_are_a_change() {
    let idp = Idp::new(&Mint::es256(ISSUER));
    let world = World::new(&idp);
    let generation = || world.keys.generation().load(Ordering::SeqCst);
    world.pass(Duration::from_secs(2)).await;
    let first = generation();
    world.pass(TEN_MINUTES).await;
    assert!(idp.fetches.load(Ordering::SeqCst) > 1, "fetched again");
    assert_eq!(generation(), first, "the same keys");
    assert!(world.keys.usable_for() > HOUR);

    idp.answers(Some(keys(&Mint::es256(ISSUER))));
    world.pass(TEN_MINUTES).await;
    assert_eq!(generation(), first + 1);

    idp.answers(None);
    world.pass(HOUR + TEN_MINUTES).await;
    assert_eq!(world.keys.usable_for(), Duration::ZERO, "past max_stale nothing counts");
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_of_age_failures_and_changes() {
    let (mint, other) = (Mint::es256(ISSUER), Mint::es256(ISSUER));
    let world = World::new(&Idp::new(&mint));
    let status = || world.keys.status(ISSUER);
    let before = status();
    assert!(!before.usable && !before.failing && before.age.is_none(), "{before:?}");
    assert_eq!((before.fetches, before.failures, before.changes), (0, 0, 0));

    world.pass(Duration::from_secs(5)).await;
    let fresh = status();
    assert!(fresh.usable && fresh.fetched && !fresh.failing, "{fresh:?}");
    assert_eq!((fresh.fetches, fresh.failures, fresh.changes), (1, 0, 1));
    let age = fresh.age.unwrap();
    assert!(age <= Duration::from_secs(5));
    assert_eq!(fresh.usable_for, TEN_MINUTES + HOUR - age);

    world.idp.answers(None);
    world.pass(TEN_MINUTES).await;
    let failing = status();
    assert!(failing.usable && failing.failing, "{failing:?}");
    assert!(failing.failures > 0 && failing.fetches == failing.failures + 1);
    assert!(failing.age.unwrap() >= TEN_MINUTES);

    world.pass(HOUR + TEN_MINUTES).await;
    assert!(!status().usable, "too old");

    world.idp.answers(Some(keys(&other)));
    world.pass(Duration::from_secs(70)).await;
    let well = status();
    assert!(well.usable && !well.failing && well.changes == 2, "{well:?}");
}
