//! Requests without credentials: in for the chosen methods, and asked for a token otherwise.

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{AnonymousPass, Caller, Denial, Method};

use crate::config::InspectConfig;
use crate::inspect::{self, Disposition, Inspected};
use crate::parse::{self, Message, Parsed};

/// As [`inspect::inspect`], for a request that has no more than `pass`.
///
/// Whatever is not a message of a permitted method gets the same answer, so that nobody without a
/// token learns anything from errors about it: not even whether a session exists.
pub(crate) fn inspect(
    pass: &AnonymousPass,
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Inspected, Denial> {
    let parsed = parse::parse(body, &config.limits).map_err(|_| pass.refusal())?;
    let inspected = inspect::parsed(config, caller, headers, body, &parsed);
    if is_permitted(pass, &parsed) {
        return inspected;
    }
    // What was understood is for the record.
    let inspected = inspected.map_err(|_| pass.refusal())?;
    Ok(Inspected { disposition: Disposition::SignIn, ..inspected })
}

fn is_permitted(pass: &AnonymousPass, parsed: &Parsed<'_>) -> bool {
    // A response has no method, so it is never permitted.
    let permitted = |message: &Message<'_>| {
        Method::parse(&message.method).is_some_and(|method| pass.permits(method))
    };
    match parsed {
        Parsed::One(message) => permitted(message),
        Parsed::Batch(messages) => messages.iter().all(permitted),
    }
}
