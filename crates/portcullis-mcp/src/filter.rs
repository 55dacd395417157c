//! Filters one JSON document from the service behind the gate (requirements 2.4, 2.5).
//!
//! One pass reads the document strictly and copies it only when something has to go. Lists are
//! known by their shape and not by the request they answer, so that no replayed, reordered or
//! misattributed answer escapes. What is kept keeps its bytes.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use portcullis_core::{Clock, Reason, Version};

use crate::completion::Completion;
use crate::custom::{Catalogue, Param};
use crate::json::{JsonLimits, Kind, Scanner, Str};
use crate::judge::Judge;
use crate::listen::Listen;
use crate::names::{self, Known};
use crate::pins::ToolPins;
use crate::splice::Splice;
use crate::task_book::OwnTasks;
use crate::violation::{BAD_RPC, Violation};

mod id;
mod item;
mod links;
mod list;
mod notice;
mod pass;
mod result;
mod surface;

pub(crate) use id::Id;
use pass::Pass;

/// The key of the subscription's id in `_meta`.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The key in `_meta` under which a server says who it is.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// What the exchange says about how its documents are to be filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facets<'a> {
    pub(crate) limits: JsonLimits,
    /// Answers carry caching hints, which are then the caller's own.
    pub(crate) modern: bool,
    /// What the answer may say about a task of 2026-07-28.
    pub(crate) task: TaskNews,
    /// Tools say that they do not run as tasks.
    pub(crate) no_tasks: bool,
    /// Values for a variable are checked as what they lead to.
    pub(crate) completion: Option<&'a Completion>,
    /// Values are left out, since nobody knows for what they are.
    pub(crate) no_completions: bool,
    /// The method asked for is one whose answers must carry them.
    pub(crate) cacheable: bool,
    /// The longest `ttlMs` allowed now.
    pub(crate) ttl: Ttl<'a>,
    /// `result.contents` may be what a resource holds.
    pub(crate) contents: bool,
    /// For `server/discover`: the versions that the gate speaks.
    pub(crate) discover: Option<&'a [Version]>,
    /// For `subscriptions/listen`: what was asked for.
    pub(crate) listen: Option<&'a Listen>,
    /// Results are searched for links to resources.
    pub(crate) links: bool,
    /// What the server says about itself is left out.
    pub(crate) no_instructions: bool,
    /// Features of which the caller may use nothing are left out.
    pub(crate) no_idle_features: bool,
    /// The UIs that tools name are checked.
    pub(crate) tool_uis: bool,
    /// The tools that a server offers the client's model are checked.
    pub(crate) sampling_tools: bool,
    /// Tools are listed by their approved definitions only.
    pub(crate) pins: Option<&'a ToolPins>,
    /// For a modern `tools/list`: what earlier ones declared.
    pub(crate) catalogue: Option<&'a Catalogue>,
    /// Where the revision has lists of tasks and notices about them: which are the caller's.
    pub(crate) tasks: Option<OwnTasks<'a>>,
}

/// How long an answer may be kept. Few answers say it, so the clock is asked when one does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ttl<'a> {
    pub(crate) cap: Duration,
    /// Until when the caller's proof is good, by this clock.
    pub(crate) until: Option<(Duration, &'a Clock)>,
}

impl Ttl<'_> {
    fn milliseconds(self) -> u64 {
        let left = self.until.map(|(until, clock)| until.saturating_sub(clock.unix()));
        let most = self.cap.min(left.unwrap_or(Duration::MAX));
        u64::try_from(most.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A document.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(crate) enum Document<'a> {
    One(Message<'a>),
    Batch(Vec<Message<'a>>),
}

/// A JSON-RPC message of a document.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// Where it was.
    pub(crate) range: Range<usize>,
    /// Which of what the judge hid was in it.
    pub(crate) hidden: Range<usize>,
    /// What to send in its place, when something had to go.
    pub(crate) edited: Option<Vec<u8>>,
    pub(crate) shape: Shape<'a>,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(crate) enum Shape<'a> {
    Request { method: Cow<'a, str>, id: Id<'a> },
    Notification { method: Cow<'a, str>, passes: bool },
    Response(Answer<'a>),
}

/// What a response says, as far as the gate cares.
#[derive(Debug, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) error: Option<RpcError<'a>>,
    pub(crate) result_type: Option<Cow<'a, str>>,
    pub(crate) is_error: bool,
    pub(crate) content: Option<Range<usize>>,
    pub(crate) protocol_version: Option<Cow<'a, str>>,
    pub(crate) subscription: Id<'a>,
    /// Where the server says who it is.
    pub(crate) server_info: Option<Range<usize>>,
    /// Whether it says that it belongs to a task of 2025-11-25.
    pub(crate) related: bool,
    pub(crate) input_requests: Option<Range<usize>>,
    /// Which headers the tools of a list declare, as far as that is news.
    pub(crate) declared: Vec<(Str<'a>, Vec<Param>)>,
    /// Whether it says what a task has come to.
    pub(crate) inlined: bool,
    /// The error that ended a task.
    pub(crate) inlined_error: Option<Box<RpcError<'a>>>,
    listed: bool,
}

/// What an answer may say about a task of 2026-07-28.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TaskNews {
    /// Nothing.
    None,
    /// That it begins.
    Begins,
    /// What has become of it.
    State,
}

#[derive(Debug)]
pub(crate) struct RpcError<'a> {
    pub(crate) code: i64,
    pub(crate) said: Option<Str<'a>>,
    pub(crate) range: Range<usize>,
}

/// Reads `source` and filters it.
pub(crate) fn document<'a>(
    source: &'a [u8],
    facets: Facets<'_>,
    judge: &mut Judge<'_>,
) -> Result<Document<'a>, Violation> {
    let mut scanner = Scanner::new(source, facets.limits)?;
    let document = match scanner.peek()? {
        Kind::Object => Document::One(message(source, &mut scanner, facets, judge)?),
        Kind::Array => {
            let mut messages = Vec::new();
            scanner.array(|scanner| {
                messages.push(message(source, scanner, facets, judge)?);
                Ok::<_, Violation>(())
            })?;
            Document::Batch(messages)
        }
        _ => return Err(BAD_RPC),
    };
    scanner.finish()?;
    Ok(document)
}

fn message<'a>(
    source: &'a [u8],
    scanner: &mut Scanner<'a>,
    facets: Facets<'_>,
    judge: &mut Judge<'_>,
) -> Result<Message<'a>, Violation> {
    let start = scanner.at();
    let hidden = judge.hidden();
    let splice = Splice::new(source, start);
    let mut pass = Pass { facets, judge, splice, declared: Vec::new(), renames: Vec::new() };
    let mut is_rpc = false;
    let mut method = None;
    let mut params = None;
    let mut result = false;
    let mut answer = Answer::default();
    expect(scanner, Kind::Object)?;
    scanner.object(|scanner, name| {
        match member(name, &names::ROOT)? {
            Some("jsonrpc") => {
                expect(scanner, Kind::String)?;
                is_rpc = scanner.string()?.eq("2.0");
            }
            Some("id") => answer.id = Id::read(scanner)?,
            Some("method") => {
                expect(scanner, Kind::String)?;
                method = Some(scanner.string()?.decoded());
            }
            Some("params") => {
                expect(scanner, Kind::Object)?;
                params = Some(scanner.skip()?);
            }
            Some("result") => {
                expect(scanner, Kind::Object)?;
                result = true;
                pass.result(scanner, &mut answer)?;
            }
            Some("error") => {
                expect(scanner, Kind::Object)?;
                answer.error = Some(pass.error(scanner)?);
            }
            _ => skip(scanner)?,
        }
        Ok::<_, Violation>(())
    })?;
    let end = scanner.at();
    answer.declared = std::mem::take(&mut pass.declared);
    let shape = match (method, result, answer.error.is_some()) {
        _ if !is_rpc => return Err(BAD_RPC),
        (Some(method), false, false) => match answer.id {
            Id::Absent => {
                let passes = pass.notification(source, &method, params)?;
                Shape::Notification { method, passes }
            }
            Id::Null => return Err(BAD_RPC),
            id @ (Id::Text(_) | Id::Number(_)) => {
                if let (true, Some(params)) = (facets.sampling_tools, params) {
                    pass.part(source, params, Pass::offer)?;
                }
                Shape::Request { method, id }
            }
        },
        (None, true, false) | (None, false, true) if params.is_none() => Shape::Response(answer),
        _ => return Err(BAD_RPC),
    };
    let hidden = hidden..pass.judge.hidden();
    Ok(Message { range: start..end, hidden, edited: pass.splice.finish(end), shape })
}

/// Refuses a value of any other kind.
pub(crate) fn expect(scanner: &mut Scanner<'_>, kind: Kind) -> Result<(), Violation> {
    if scanner.peek()? == kind { Ok(()) } else { Err(BAD_RPC) }
}

/// Reads a value that does not matter, with all checks.
pub(crate) fn skip(scanner: &mut Scanner<'_>) -> Result<(), Violation> {
    scanner.skip().map(drop).map_err(Violation::from)
}

/// A name that some clients would read as another.
const TWIN: Violation = Violation::new(Reason::DupKey);

/// Which of `names` this is. One that differs only in letter case is a violation: some clients
/// would read it as that name (as R-025 has it for requests).
#[inline]
fn member(name: Str<'_>, names: &Known) -> Result<Option<&'static str>, Violation> {
    if name.escaped() {
        let name = name.decoded();
        // Some clients drop a NUL, or what is behind it.
        return if name.contains('\0') { Err(TWIN) } else { known(&name, names) };
    }
    known(name.raw(), names)
}

#[inline]
fn known(name: &str, names: &Known) -> Result<Option<&'static str>, Violation> {
    let known = names.find(name);
    if known.is_none() && names::is_variant(name, names) {
        return Err(TWIN);
    }
    Ok(known)
}

/// What of a `_meta` object the gate cares for.
#[derive(Default)]
struct Meta<'a> {
    /// The subscription's id.
    subscription: Id<'a>,
    server_info: Option<Range<usize>>,
    /// Whether it names a task.
    related: bool,
}

fn meta<'a>(scanner: &mut Scanner<'a>) -> Result<Meta<'a>, Violation> {
    let mut meta = Meta::default();
    scanner.object(|scanner, name| {
        if name.eq(SUBSCRIPTION_ID) {
            meta.subscription = Id::read(scanner)?;
        } else {
            let value = scanner.skip()?;
            if name.eq(SERVER_INFO) {
                meta.server_info = Some(value);
            }
            meta.related |= name.eq(names::META_RELATED);
        }
        Ok::<_, Violation>(())
    })?;
    Ok(meta)
}

#[cfg(test)]
mod tests;
