//! JSON-RPC shape: what kind of message a body holds, and where the members are that count.
//!
//! The whole document is scanned before anything is said about it, so that a body which is not
//! strict JSON is always answered as such, whatever else is wrong with it.

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::{Arguments, Denial, Reason};

use crate::Limits;
use crate::json::{JsonError, Kind, Scanner, Str};
use crate::names::{self, is_variant};

/// How long an id or a method name may be, in bytes.
const MAX_TOKEN: usize = 256;

/// What a body holds.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(crate) enum Parsed<'a> {
    One(Message<'a>),
    /// Never empty, never longer than the limit.
    Batch(Vec<Message<'a>>),
}

/// The kinds of messages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Shape {
    #[default]
    Request,
    Notification,
    Response,
}

/// One message, by reference into the body.
#[derive(Debug, Default)]
pub(crate) struct Message<'a> {
    pub(crate) shape: Shape,
    pub(crate) range: Range<usize>,
    /// The raw token, quotes included. Absent in notifications.
    pub(crate) id: Option<Range<usize>>,
    /// Unescaped. Empty in responses.
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Params<'a>,
}

/// The members of `params` that policy, version and session rules read.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Member<'a>,
    pub(crate) uri: Member<'a>,
    pub(crate) protocol_version: Member<'a>,
    pub(crate) arguments: ArgumentsAt,
    pub(crate) meta: Meta<'a>,
    pub(crate) reference: Reference<'a>,
    pub(crate) listen: Option<Listen<'a>>,
}

/// A member that should be a string.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Member<'a> {
    #[default]
    Absent,
    /// Present, and something else than a string.
    Wrong,
    Text(Str<'a>),
}

/// Where `params.arguments` is.
#[derive(Debug, Default)]
#[expect(clippy::large_enum_variant, reason = "part of a value that is never moved far")]
pub(crate) enum ArgumentsAt {
    /// Not there, or `null`.
    #[default]
    Absent,
    /// Present, and something else than an object.
    Wrong,
    Object {
        range: Range<usize>,
        /// The first names, as places in the body.
        names: [Range<usize>; Arguments::MAX_KEYS],
        total: usize,
    },
}

/// `params._meta`.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    /// Where it is, when it is an object.
    pub(crate) range: Option<Range<usize>>,
    pub(crate) version: Member<'a>,
    /// Whether `clientCapabilities` is there and an object.
    pub(crate) capabilities: bool,
    /// Whether it has any member that belongs to modern requests only.
    pub(crate) modern: bool,
}

/// `params.ref` of `completion/complete`.
#[derive(Debug, Default)]
pub(crate) struct Reference<'a> {
    pub(crate) kind: Member<'a>,
    pub(crate) name: Member<'a>,
    pub(crate) uri: Member<'a>,
}

/// `params.notifications` of `subscriptions/listen`.
#[derive(Debug, Default)]
pub(crate) struct Listen<'a> {
    pub(crate) resources: Vec<Str<'a>>,
    /// Whether `taskIds` is there.
    pub(crate) tasks: bool,
    /// Whether something has the wrong type.
    pub(crate) wrong: bool,
}

/// Reads `body` as one message or a batch.
///
/// # Errors
/// Recipe 4.11: `-32700` for what is not strict JSON, `-32600` for what is not JSON-RPC.
pub(crate) fn parse<'a>(body: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, Denial> {
    let mut fault = None;
    let parsed = scan(body, limits, &mut fault).map_err(|error| match error {
        JsonError::Syntax | JsonError::Limit => Denial::parse_error(),
        JsonError::Duplicate => Denial::invalid_request(Reason::DupKey),
        JsonError::Reserved => Denial::invalid_request(Reason::BadJson),
    })?;
    match (fault, parsed) {
        (None, Some(parsed)) => Ok(parsed),
        (fault, _) => Err(Denial::invalid_request(fault.unwrap_or(Reason::BadRpc))),
    }
}

/// The first thing that is wrong with the shape.
type Fault = Option<Reason>;

fn scan<'a>(
    body: &'a [u8],
    limits: &Limits,
    fault: &mut Fault,
) -> Result<Option<Parsed<'a>>, JsonError> {
    let mut scanner = Scanner::new(body, limits.json())?;
    let parsed = match scanner.peek()? {
        Kind::Object => Some(Parsed::One(message(&mut scanner, fault)?)),
        Kind::Array => {
            let mut batch = Vec::new();
            scanner.array(|scanner| {
                if scanner.peek()? != Kind::Object || batch.len() >= limits.batch {
                    fault.get_or_insert(Reason::BatchRefused);
                    return scanner.skip().map(drop);
                }
                batch.push(message(scanner, fault)?);
                Ok::<_, JsonError>(())
            })?;
            if batch.is_empty() {
                fault.get_or_insert(Reason::BatchRefused);
            }
            Some(Parsed::Batch(batch))
        }
        _ => {
            scanner.skip()?;
            None
        }
    };
    scanner.finish()?;
    Ok(parsed)
}

fn message<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Message<'a>, JsonError> {
    let mut message = Message::default();
    let (mut version, mut method, mut result, mut error) = (false, false, false, false);
    let mut has_params = false;
    let start = scanner.at();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "jsonrpc" => version = matches!(text(scanner)?, Member::Text(text) if text.eq("2.0")),
            "method" => {
                method = true;
                match text(scanner)? {
                    Member::Text(text) => message.method = text.decoded(),
                    Member::Absent | Member::Wrong => {}
                }
                if message.method.is_empty() || message.method.len() > MAX_TOKEN {
                    fault.get_or_insert(Reason::BadRpc);
                }
            }
            "id" => message.id = Some(id(scanner, fault)?),
            "params" if scanner.peek()? == Kind::Object => {
                has_params = true;
                message.params = params(scanner, fault)?;
            }
            "params" => {
                fault.get_or_insert(Reason::BadRpc);
                scanner.skip()?;
            }
            other => {
                result |= other == "result";
                error |= other == "error";
                refuse_unclear(other, names::ROOT, fault);
                scanner.skip()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    message.range = start..scanner.at_end();
    message.shape = match (method, message.id.is_some(), result, error) {
        (true, true, false, false) => Shape::Request,
        (true, false, false, false) => Shape::Notification,
        (false, true, true, false) | (false, true, false, true) if !has_params => Shape::Response,
        _ => {
            fault.get_or_insert(Reason::BadRpc);
            Shape::Notification
        }
    };
    if !version {
        fault.get_or_insert(Reason::BadRpc);
    }
    Ok(message)
}

/// A string or an integer token.
fn id(scanner: &mut Scanner<'_>, fault: &mut Fault) -> Result<Range<usize>, JsonError> {
    let kind = scanner.peek()?;
    let range = scanner.skip()?;
    let token = scanner.slice(range.clone());
    let valid = match kind {
        // The quotes do not count.
        Kind::String => token.len() <= MAX_TOKEN + 2,
        Kind::Number => {
            token.len() <= MAX_TOKEN && token != "-0" && !token.contains(['.', 'e', 'E'])
        }
        Kind::Object | Kind::Array | Kind::Bool | Kind::Null => false,
    };
    if !valid {
        fault.get_or_insert(Reason::BadRpc);
    }
    Ok(range)
}

fn params<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Params<'a>, JsonError> {
    let mut params = Params::default();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "name" => params.name = text(scanner)?,
            "uri" => params.uri = text(scanner)?,
            "protocolVersion" => params.protocol_version = text(scanner)?,
            "arguments" => params.arguments = arguments(scanner)?,
            "_meta" if scanner.peek()? == Kind::Object => params.meta = meta(scanner, fault)?,
            "ref" if scanner.peek()? == Kind::Object => {
                params.reference = reference(scanner, fault)?;
            }
            "notifications" if scanner.peek()? == Kind::Object => {
                params.listen = Some(listen(scanner, fault)?);
            }
            "task" if scanner.peek()? == Kind::Object => {
                scanner.object(|scanner, name| {
                    refuse_variant(&name.decoded(), names::TASK, fault);
                    scanner.skip().map(drop)
                })?;
            }
            other => {
                refuse_unclear(other, names::PARAMS, fault);
                scanner.skip()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(params)
}

fn arguments(scanner: &mut Scanner<'_>) -> Result<ArgumentsAt, JsonError> {
    match scanner.peek()? {
        Kind::Object => {}
        Kind::Null => {
            scanner.skip()?;
            return Ok(ArgumentsAt::Absent);
        }
        _ => {
            scanner.skip()?;
            return Ok(ArgumentsAt::Wrong);
        }
    }
    let start = scanner.at();
    let mut names = [const { 0..0 }; Arguments::MAX_KEYS];
    let mut total = 0;
    scanner.object(|scanner, name| {
        if let Some(slot) = names.get_mut(total) {
            *slot = name.range();
        }
        total += 1;
        scanner.skip().map(drop)
    })?;
    Ok(ArgumentsAt::Object { range: start..scanner.at_end(), names, total })
}

fn meta<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Meta<'a>, JsonError> {
    let mut meta = Meta::default();
    let start = scanner.at();
    scanner.object(|scanner, name| {
        let name = name.decoded();
        meta.modern |= names::MODERN_META.contains(&&*name);
        match &*name {
            names::META_VERSION => meta.version = text(scanner)?,
            names::META_CAPABILITIES => {
                meta.capabilities = scanner.peek()? == Kind::Object;
                scanner.skip()?;
            }
            other => {
                refuse_variant(other, names::META, fault);
                scanner.skip()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    meta.range = Some(start..scanner.at_end());
    Ok(meta)
}

fn reference<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Reference<'a>, JsonError> {
    let mut reference = Reference::default();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "type" => reference.kind = text(scanner)?,
            "name" => reference.name = text(scanner)?,
            "uri" => reference.uri = text(scanner)?,
            other => {
                refuse_variant(other, names::REF, fault);
                scanner.skip()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(reference)
}

fn listen<'a>(scanner: &mut Scanner<'a>, fault: &mut Fault) -> Result<Listen<'a>, JsonError> {
    let mut listen = Listen::default();
    scanner.object(|scanner, name| {
        match &*name.decoded() {
            "resourceSubscriptions" if scanner.peek()? == Kind::Array => {
                scanner.array(|scanner| {
                    match text(scanner)? {
                        Member::Text(uri) => listen.resources.push(uri),
                        Member::Absent | Member::Wrong => listen.wrong = true,
                    }
                    Ok::<_, JsonError>(())
                })?;
            }
            other => {
                listen.wrong |= other == "resourceSubscriptions";
                listen.tasks |= other == "taskIds";
                refuse_variant(other, names::NOTIFICATIONS, fault);
                scanner.skip()?;
            }
        }
        Ok::<_, JsonError>(())
    })?;
    Ok(listen)
}

fn text<'a>(scanner: &mut Scanner<'a>) -> Result<Member<'a>, JsonError> {
    if scanner.peek()? == Kind::String {
        return scanner.string().map(Member::Text);
    }
    scanner.skip()?;
    Ok(Member::Wrong)
}

/// Notes a name that some decoders would take for a recognised one.
fn refuse_variant(name: &str, recognised: &[&str], fault: &mut Fault) {
    if is_variant(name, recognised) {
        fault.get_or_insert(Reason::DupKey);
    }
}

/// As [`refuse_variant`], and notes names that mean something to JavaScript objects.
fn refuse_unclear(name: &str, recognised: &[&str], fault: &mut Fault) {
    refuse_variant(name, recognised, fault);
    if matches!(name, "__proto__" | "constructor") {
        fault.get_or_insert(Reason::BadRpc);
    }
}
