//! Which answers of a document the hooks of the deployment are asked about.

use std::ops::Range;

use bytes::Bytes;
use portcullis_core::{Era, McpRequest, Method, Note};

use super::{Asked, Exchange, Pending};
use crate::filter::{Id, skip};
use crate::hook::answer::{At, Revised, Run};
use crate::hook::chain::Bounds;
use crate::json::{Kind, Scanner};
use crate::violation::{BAD_RPC, Violation};

/// What is to be done with a document before it is read.
#[derive(Debug)]
pub(crate) enum Interception {
    /// Nothing.
    None,
    /// It repeats an answer to nobody knows what: no hook can be asked about it.
    Withhold,
    /// Wait for the hooks, and read what they have made of it.
    Run(Run),
}

/// An answer in a document.
struct Found<'a> {
    id: Id<'a>,
    message: Range<usize>,
    payload: Range<usize>,
    is_error: bool,
}

impl Exchange {
    /// Finds the answers in `source` that hooks are to be asked about. What is not as it should be
    /// is left for the reading to refuse.
    pub(crate) fn intercept(&self, source: &Bytes) -> Result<Interception, Violation> {
        if !self.config.hooks.on_answers() {
            return Ok(Interception::None);
        }
        let mut found = Vec::new();
        let mut scanner = Scanner::new(source, self.json())?;
        match scanner.peek()? {
            Kind::Object => found.extend(answer(&mut scanner)?),
            Kind::Array => scanner.array(|scanner| {
                match scanner.peek()? {
                    Kind::Object => found.extend(answer(scanner)?),
                    _ => skip(scanner)?,
                }
                Ok::<_, Violation>(())
            })?,
            _ => skip(&mut scanner)?,
        }
        scanner.finish()?;

        let bounds = Bounds { bytes: self.config.limits.response, json: self.json() };
        let mut run = Run::new(source, self.trail.clone());
        for Found { id, message, payload, is_error } in found {
            match self.asked_for(id, is_error) {
                Some(pending) => {
                    let outer = (payload, is_error);
                    let Some((payload, is_error)) =
                        self.payload(source, &pending.request, outer)?
                    else {
                        continue;
                    };
                    let at = At { message, payload, is_error, element: pending.element };
                    run.ask(&self.config, bounds, &self.eyes.caller, &pending.request, at);
                }
                None if self.asked == (Asked::Stream { resumed: true }) => {
                    return Ok(Interception::Withhold);
                }
                None => {}
            }
        }
        Ok(if run.is_empty() { Interception::None } else { Interception::Run(run) })
    }

    /// The part of an answer to `request` that hooks are asked about, and whether it is an error. Of what
    /// is said about a task, only what it has come to: that is the answer to the call it began with.
    fn payload(
        &self,
        source: &Bytes,
        request: &McpRequest,
        (payload, is_error): (Range<usize>, bool),
    ) -> Result<Option<(Range<usize>, bool)>, Violation> {
        if request.method() != Method::TasksGet {
            return Ok(Some((payload, is_error)));
        }
        if is_error || self.eyes.version.era() == Era::Legacy {
            return Ok(None);
        }
        let mut found = None;
        let result = source.get(payload.clone()).unwrap_or_default();
        Scanner::new(result, self.json())?.object(|scanner, name| {
            let is_object = scanner.peek()? == Kind::Object;
            let range = scanner.skip()?;
            let is_error = name.eq("error");
            if is_object && (is_error || name.eq("result")) {
                let inner = payload.start + range.start..payload.start + range.end;
                // One or the other: what is both would be a change that hooks do not see.
                if found.replace((inner, is_error)).is_some() {
                    return Err(BAD_RPC);
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The request that is answered under `id`.
    fn asked_for(&self, id: Id<'_>, is_error: bool) -> Option<&Pending> {
        let adopted = is_error && matches!(id, Id::Absent | Id::Null);
        let mut all = self.one.iter().chain(&self.more);
        all.find(|pending| {
            (adopted && self.asked == Asked::Request) || id.is(pending.request.id().as_str())
        })
    }

    /// Records what the hooks withheld.
    pub(crate) fn revised(&self, revised: &Revised) {
        for (element, name, reason) in &revised.withheld {
            let note = Note::Hook { name, reason: *reason };
            match &self.trail {
                Some(trail) if self.asked == Asked::Batch => trail.note_for(*element, note),
                _ => self.note(note),
            }
        }
    }
}

/// The answer that this message is, if it is one.
fn answer<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Found<'a>>, Violation> {
    let start = scanner.at();
    let mut id = Id::Absent;
    let mut payload = None;
    scanner.object(|scanner, name| {
        match (&*name.decoded(), scanner.peek()?) {
            ("id", _) => id = Id::read(scanner)?,
            ("result", Kind::Object) => payload = Some((scanner.skip()?, false)),
            ("error", Kind::Object) => payload = Some((scanner.skip()?, true)),
            _ => skip(scanner)?,
        }
        Ok::<_, Violation>(())
    })?;
    let message = start..scanner.at_end();
    Ok(payload.map(|(payload, is_error)| Found { id, message, payload, is_error }))
}
