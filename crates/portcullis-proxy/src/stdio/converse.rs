//! What is said to a child, and what it answers first.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use portcullis_core::{Denial, Reason, Text};
use tokio::time::{Instant, timeout_at};

use super::child::Child;
use super::envelope::{self, Envelope, Kind};
use super::events::{Events, Listener};
use super::fault::Fault;
use super::outcome::Outcome;
use super::outlet::{Item, Outlet};
use super::pool::Pool;
use super::table::Told;

/// What a client sends at once.
pub(super) struct Messages<'a> {
    pub(super) each: Vec<(&'a str, Envelope)>,
    pub(super) batch: bool,
}

/// The one message, of the kind that inspection has found.
pub(super) fn one(text: &str, kind: Kind) -> Result<Messages<'_>, Denial> {
    let envelope = Envelope::read(text).filter(|envelope| envelope.kind == kind);
    let envelope = envelope.ok_or_else(|| Denial::invalid_request(Reason::BadRpc))?;
    Ok(Messages { each: vec![(text, envelope)], batch: false })
}

/// The messages of a batch (2025-03-26).
pub(super) fn several(text: &str) -> Result<Messages<'_>, Denial> {
    let invalid = || Denial::invalid_request(Reason::BadRpc);
    let each = envelope::batch(text).ok_or_else(invalid)?;
    let each = each.into_iter().map(|text| Some((text, Envelope::read(text)?)));
    let each: Vec<_> = each.collect::<Option<_>>().ok_or_else(invalid)?;
    Ok(Messages { each, batch: true })
}

/// Says the messages to the child, and waits for what it answers first: an answer alone, or something on
/// the way to it.
pub(super) async fn converse(
    pool: &Pool,
    child: &Arc<Child>,
    id: Option<&Text>,
    messages: Messages<'_>,
) -> Result<Outcome, Denial> {
    let asked = messages.each.iter().filter(|(_, envelope)| envelope.kind == Kind::Request).count();
    let mut listener = Listener {
        child: Arc::clone(child),
        outlet: Outlet::for_answers(asked, pool.config.max_message),
        numbers: Vec::with_capacity(asked),
    };
    let mut lines = Vec::with_capacity(messages.each.len());
    {
        let mut table = child.table();
        let mut fault = None;
        for (text, envelope) in &messages.each {
            if envelope.kind == Kind::Request {
                match table.ask(text, envelope, &listener.outlet) {
                    Ok((number, line)) => {
                        listener.numbers.push(number);
                        lines.push(line);
                    }
                    Err(cannot) => fault = fault.or(Some(cannot)),
                }
            } else {
                match table.tell(text, envelope) {
                    Told::Say(line) => lines.push(line),
                    // What comes with others goes the way of unknown notifications.
                    Told::Unasked if !messages.batch => {
                        return Err(Denial::invalid_request(Reason::UnexpectedResponse));
                    }
                    Told::Unasked | Told::Nothing => {}
                }
            }
        }
        if let Some(fault) = fault {
            // Nothing of it has been said yet.
            table.give_up(&listener.numbers);
            return Err(fault.denial(id));
        }
    }
    // From here on nobody knows what has been done of it.
    let answers = child.table().has_answered();
    let limit =
        if answers { pool.config.answer } else { pool.config.start.min(pool.config.answer) };
    let deadline = Instant::now() + limit;
    let first = async {
        for line in lines {
            child.say(line).await?;
        }
        let mut early = VecDeque::new();
        loop {
            match listener.outlet.next().await {
                Some(item @ Item::Message(_)) => {
                    early.push_back(item);
                    return Ok((early, false));
                }
                Some(Item::Failed(fault, _)) if !messages.batch => return Err(fault),
                Some(item) => early.push_back(item),
                None => return Ok((early, true)),
            }
        }
    };
    match timeout_at(deadline, first).await {
        // All that was asked has been cancelled.
        Ok(Ok((early, true))) if early.is_empty() && asked > 0 => {
            Ok(Outcome::Events(Events::new(listener, early)))
        }
        Ok(Ok((early, true))) => Ok(whole(early, messages.batch)),
        Ok(Ok((early, false))) => Ok(Outcome::Events(Events::new(listener, early))),
        Ok(Err(fault)) => Err(fault.denial(id)),
        Err(_) => {
            listener.give_up();
            if !child.table().has_answered() {
                child.stop();
            }
            let upstream = &pool.config.name;
            tracing::warn!(target: "portcullis::proxy", upstream, "a command took too long to answer");
            Err(Fault::Slow.denial(id))
        }
    }
}

/// The answers, when nothing was said beside them.
fn whole(answers: VecDeque<Item>, batch: bool) -> Outcome {
    let mut body = BytesMut::new();
    let mut code = None;
    for answer in answers {
        if !body.is_empty() {
            body.extend_from_slice(b",");
        }
        match answer {
            Item::Answer(answer, failed) => {
                body.extend_from_slice(&answer);
                code = failed;
            }
            Item::Failed(fault, id) => {
                let denial = fault.denial(Some(&Text::from(&*id)));
                body.extend_from_slice(denial.rpc_object().unwrap_or_default().as_bytes());
            }
            Item::Message(_) => {}
        }
    }
    if body.is_empty() {
        return Outcome::Nothing;
    }
    if batch {
        body = [b"[", &*body, b"]"].concat().as_slice().into();
        code = None;
    }
    Outcome::Document { body: body.freeze(), code }
}
