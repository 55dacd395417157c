//! The task that keeps the keys of one issuer fresh.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::Clock;

use super::Cache;
use crate::fetch::Fetch;

/// Between attempts while the issuer fails: doubles from the first to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Fetches for ever: when keys are due, and when a request asks.
pub(super) async fn refresh<F: Fetch>(cache: Arc<Cache>, issuer: String, fetch: F, clock: Clock) {
    let _closing = Closing(Arc::clone(&cache));
    let mut backoff = BACKOFF.0;
    loop {
        cache.begin(clock.instant());
        let delay = match fetch.fetch().await {
            Ok(fetched) => {
                backoff = BACKOFF.0;
                tracing::debug!(issuer, keys = fetched.keys.len(), "fetched keys");
                cache.replace(fetched.keys, fetched.lifetime, clock.instant());
                fetched.lifetime
            }
            Err(error) => {
                tracing::warn!(issuer, %error, "cannot fetch keys");
                cache.fail(Some(error.to_string()));
                let delay = backoff;
                backoff = backoff.saturating_mul(2).min(BACKOFF.1);
                delay
            }
        };
        cache.asked_within(jittered(delay)).await;
    }
}

/// Up to a tenth less than `delay`, so that replicas do not fetch in step.
fn jittered(delay: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 1_000;
    let less = delay / 10_000 * u32::try_from(random).unwrap_or_default();
    delay.saturating_sub(less)
}

/// Tells waiting requests that the task is gone, whatever ended it.
struct Closing(Arc<Cache>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.fail(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    #[test]
    fn jitter_takes_off_at_most_a_tenth() {
        for _ in 0..1_000 {
            let delay = jittered(TEN_MINUTES);
            assert!(delay <= TEN_MINUTES && delay >= TEN_MINUTES.mul_f64(0.9), "{delay:?}");
        }
    }
}
