//! How much a caller may ask at once and over time: the pure decision.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Caller, Denial, McpMessage, Method, NoMessage, Reason, TargetKind, Text};

use crate::config::InspectConfig;
use crate::crowd::{Kind, Seat, Tally};
use crate::rate::Rate;
use crate::rate_store::{MemoryRates, RateKey, RateStore as _, Taken, Taking};

/// When a seat may be free again: nobody knows.
const SEAT_RETRY: Duration = Duration::from_secs(5);
/// When a store that cannot say may be asked again.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// How many owners of misses are remembered.
const MISSERS: usize = 16_384;

/// How often callers have named sessions that are none.
#[derive(Clone, Debug)]
pub(crate) struct Misses {
    rates: Arc<MemoryRates>,
    rate: Option<Rate>,
}

impl Default for Misses {
    fn default() -> Self {
        let rate = Rate::per_minute(20).ok();
        Self { rates: Arc::new(MemoryRates::new(MISSERS)), rate }
    }
}

/// What somebody is told who names a session that is none: that, or that it was too often.
/// Sessions that there are stay open meanwhile.
pub(crate) fn missed(config: &InspectConfig, caller: &Caller, reason: Reason) -> Denial {
    let not_found = Denial::session_not_found(reason);
    let Some(rate) = config.misses.rate else { return not_found };
    let key = config.crowd.tally(caller);
    let key = key.rate_key(|| RateKey::of(&config.resource, caller));
    match config.misses.rates.take(key, 1, rate, config.clock.unix()).settled() {
        Ok(Taken::Refused { retry_after }) => {
            let seconds = retry_after.as_secs().max(1);
            Denial::rate_limited(None, Duration::from_secs(seconds)).because(reason)
        }
        _ => not_found,
    }
}

/// Takes a seat for `message`, and says what rates it counts against.
pub(crate) fn enter(
    config: &InspectConfig,
    caller: &Caller,
    message: &McpMessage,
) -> Result<(Seat, Demands), Denial> {
    let tally = config.crowd.tally(caller);
    let limits = &config.limits;
    let (kind, limit) = match message {
        McpMessage::NoMessage(NoMessage::Stream(_)) => (Kind::Stream, limits.open_streams),
        McpMessage::Request(request) if request.method() == Method::SubscriptionsListen => {
            (Kind::Stream, limits.open_streams)
        }
        _ => (Kind::Call, limits.calls_in_flight),
    };
    let weight = weight(message).min(limit).max(1);
    let seat = if is_probe(message) {
        // A client would take 429 for a legacy server.
        let seat = tally.enter(kind, weight, limit.saturating_mul(2));
        seat.ok_or_else(|| Denial::overloaded(id(message), SEAT_RETRY))
    } else {
        // What ends calls, or lets them end, must get past them.
        let limit = if has_answer(message) { limit } else { limit.saturating_mul(2) };
        let seat = tally.enter(kind, weight, limit);
        seat.ok_or_else(|| Denial::rate_limited(id(message), SEAT_RETRY))
    };
    let seat = seat.map_err(|denial| denial.because(Reason::ConcurrencyLimited))?;
    Ok((seat, demands(config, caller, message, &tally)))
}

/// What a message counts against, the last one first.
pub(crate) type Demands = Vec<Demand>;

/// So many calls out of one bucket.
#[derive(Debug)]
pub(crate) struct Demand {
    key: RateKey,
    rate: Rate,
    count: u32,
}

impl Demand {
    /// Asks the store.
    pub(crate) fn ask(&self, config: &InspectConfig) -> Taking {
        match &config.rate_limits {
            Some(limits) => {
                limits.store.take(&self.key, self.count, self.rate, config.clock.unix())
            }
            None => Taking::known(Taken::Granted),
        }
    }
}

/// What follows from the store's answer.
pub(crate) fn verdict(taken: Taken, message: &McpMessage) -> Result<(), Denial> {
    match taken {
        Taken::Granted => Ok(()),
        Taken::Refused { retry_after } => {
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            Err(Denial::rate_limited(id(message), Duration::from_secs(seconds.max(1))))
        }
        Taken::Unknown => {
            Err(Denial::overloaded(id(message), STORE_RETRY).because(Reason::RateUnavailable))
        }
    }
}

fn demands(
    config: &InspectConfig,
    caller: &Caller,
    message: &McpMessage,
    tally: &Tally,
) -> Demands {
    let Some(limits) = config.rate_limits.as_ref().filter(|_| !is_probe(message)) else {
        return Demands::new();
    };
    let key = tally.rate_key(|| RateKey::of(&config.resource, caller));
    let mut demands: Demands = Vec::new();
    for name in tools(message) {
        let Some(rate) = limits.tools.get(name) else { continue };
        let key = key.tool(name);
        match demands.iter_mut().find(|demand| demand.key == key) {
            Some(demand) => demand.count = demand.count.saturating_add(1),
            None => demands.push(Demand { key, rate: *rate, count: 1 }),
        }
    }
    if let Some(rate) = limits.per_principal {
        demands.push(Demand { key: *key, rate, count: messages(message) });
    }
    demands
}

/// The tools that a message calls.
fn tools(message: &McpMessage) -> impl Iterator<Item = &str> {
    elements(message)
        .filter_map(|message| match message {
            McpMessage::Request(request) if request.method() == Method::ToolsCall => Some(request),
            _ => None,
        })
        .flat_map(|request| request.targets())
        .filter(|target| target.kind() == TargetKind::Tool)
        .map(|target| target.name())
}

fn elements(message: &McpMessage) -> impl Iterator<Item = &McpMessage> {
    match message {
        McpMessage::Batch(elements) => elements.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

fn messages(message: &McpMessage) -> u32 {
    u32::try_from(elements(message).count()).unwrap_or(u32::MAX)
}

/// How many seats a message takes: one for each request in it.
fn weight(message: &McpMessage) -> u32 {
    let requests = elements(message).filter(|message| matches!(message, McpMessage::Request(_)));
    u32::try_from(requests.count()).unwrap_or(u32::MAX)
}

/// Whether clients tell the era of a server by the answer.
fn is_probe(message: &McpMessage) -> bool {
    matches!(message, McpMessage::Request(request)
        if matches!(request.method(), Method::Initialize | Method::ServerDiscover))
}

fn has_answer(message: &McpMessage) -> bool {
    weight(message) > 0 || matches!(message, McpMessage::NoMessage(NoMessage::Stream(_)))
}

fn id(message: &McpMessage) -> Option<&Text> {
    match message {
        McpMessage::Request(request) => Some(request.id()),
        _ => None,
    }
}
