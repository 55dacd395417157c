//! A batch of requests: each element goes on, or is answered, on its own.

use std::collections::HashSet;

use bytes::Bytes;
use http::HeaderMap;
use portcullis_core::{Caller, Denial, McpMessage, Reason, Version};

use super::{
    Inspected, SessionUse, built, check_known, is_about_request, is_initialize, questions,
};
use crate::config::InspectConfig;
use crate::mirror::Named;
use crate::parse::{self, Member, Message, Parsed, Shape};
use crate::{era, head, rewrite, task};

/// A batch, which only 2025-03-26 has.
pub(super) fn batch(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
    body: &Bytes,
    messages: &[Message<'_>],
) -> Result<Inspected, Denial> {
    const ONLY: Version = Version::V2025_03_26;
    let refused = || Denial::invalid_request(Reason::BatchRefused);
    let header = era::header(Named::of(headers).version, None)?;
    let modern = |message: &Message<'_>| !matches!(message.params.meta.version, Member::Absent);
    if header.is_some_and(|header| header != ONLY.as_str())
        || !config.supports(ONLY)
        || messages.iter().any(|message| modern(message) || is_initialize(message))
        // This revision has no tasks: nothing in it belongs to one.
        || messages.iter().any(|message| message.params.meta.related.is_some())
    {
        return Err(refused());
    }
    let session = head::session(config, caller, headers)?;
    if session.as_ref().is_some_and(|session| session.version != ONLY) {
        return Err(refused());
    }
    let responses = messages.iter().filter(|message| message.shape == Shape::Response).count();
    if responses != 0 && responses != messages.len() {
        return Err(refused());
    }
    if responses != 0 && session.is_none() {
        return Err(Denial::session_required(None));
    }
    let mut ids = HashSet::new();
    if !messages
        .iter()
        .filter_map(|message| message.id.clone())
        .all(|id| ids.insert(rewrite::id_key(body, id)))
    {
        return Err(refused());
    }

    // A notification has no answer of its own that could say so.
    messages.iter().try_for_each(|message| check_known(config, message))?;

    let session = SessionUse::of(session);
    let questions = questions(config, caller, &session);
    let rewritten = rewrite::legacy(config, caller, body, messages, questions, None)?;
    let body = rewritten.as_ref().unwrap_or(body);
    let parsed = rewritten.as_ref().map(|new| parse::parse(new, &config.limits)).transpose()?;
    let messages = match &parsed {
        None => messages,
        Some(Parsed::Batch(messages)) => messages,
        Some(Parsed::One(_)) => return Err(refused()),
    };

    let mut kept = Vec::with_capacity(messages.len());
    let mut answers = Vec::new();
    let alone = matches!(session, SessionUse::None);
    for message in messages {
        if alone && is_about_request(message) {
            continue;
        }
        let allowed = task::check_allowed(config, ONLY, body, message);
        match allowed.and_then(|()| built(config, ONLY, message, body, None)) {
            Ok(Some(message)) => kept.push(message),
            Ok(None) => {}
            Err(denial) => answers.push(denial),
        }
    }
    let forwarded = if kept.len() == messages.len() { body.clone() } else { rewrite::array(&kept) };
    let built = (!kept.is_empty()).then(|| McpMessage::Batch(kept.into()));
    let inspected = Inspected::new(ONLY, session, forwarded, built);
    Ok(Inspected { refused: answers, ..inspected })
}
