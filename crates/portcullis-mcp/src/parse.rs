//! JSON-RPC shape: what kind of message a body holds, and where the members are that count.
//!
//! The whole document is scanned before anything is said about it, so that a body which is not
//! strict JSON is always answered as such, whatever else is wrong with it.

mod params;

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::{Denial, Reason};

pub(crate) use self::params::{ArgumentsAt, Member, Params};
use crate::Limits;
use crate::json::{JsonError, Kind, Scanner};
use crate::names::{self, Known, is_unclear};

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

// By hand: `#[default]` is for variants without fields.
impl Default for Parsed<'_> {
    fn default() -> Self {
        Self::One(Message::default())
    }
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

/// Reads `body` as one message or a batch.
///
/// # Errors
/// Recipe 4.11: `-32700` for what is not strict JSON, `-32600` for what is not JSON-RPC.
pub(crate) fn parse<'a>(body: &'a [u8], limits: &Limits) -> Result<Parsed<'a>, Denial> {
    let mut parsed = Parsed::default();
    parse_into(&mut parsed, body, limits).map(|()| parsed)
}

/// The same into `parsed`, which is large, and must not hold a message yet.
pub(crate) fn parse_into<'a>(
    parsed: &mut Parsed<'a>,
    body: &'a [u8],
    limits: &Limits,
) -> Result<(), Denial> {
    let mut fault = None;
    let scanned = scan(body, limits, parsed, &mut fault);
    match (scanned, fault) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(reason)) => Err(Denial::invalid_request(reason)),
        (Err(JsonError::Syntax | JsonError::Limit), _) => Err(Denial::parse_error()),
        (Err(JsonError::Duplicate), _) => Err(Denial::invalid_request(Reason::DupKey)),
        (Err(JsonError::Reserved), _) => Err(Denial::invalid_request(Reason::BadJson)),
    }
}

/// The first thing that is wrong with the shape.
type Fault = Option<Reason>;

fn scan<'a>(
    body: &'a [u8],
    limits: &Limits,
    parsed: &mut Parsed<'a>,
    fault: &mut Fault,
) -> Result<(), JsonError> {
    let mut scanner = Scanner::new(body, limits.json())?;
    match scanner.peek()? {
        Kind::Object => {
            if let Parsed::One(one) = parsed {
                message(&mut scanner, one, fault)?;
            }
        }
        Kind::Array => {
            let mut batch = Vec::new();
            scanner.array(|scanner| {
                if scanner.peek()? != Kind::Object || batch.len() >= limits.batch {
                    fault.get_or_insert(Reason::BatchRefused);
                    return scanner.pass();
                }
                let mut element = Message::default();
                message(scanner, &mut element, fault)?;
                batch.push(element);
                Ok(())
            })?;
            if batch.is_empty() {
                fault.get_or_insert(Reason::BatchRefused);
            }
            *parsed = Parsed::Batch(batch);
        }
        _ => {
            fault.get_or_insert(Reason::BadRpc);
            scanner.pass()?;
        }
    }
    scanner.finish()
}

/// Reads a message into `message`, which is large and therefore not returned.
fn message<'a>(
    scanner: &mut Scanner<'a>,
    message: &mut Message<'a>,
    fault: &mut Fault,
) -> Result<(), JsonError> {
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
                params::read(scanner, &mut message.params, fault)?;
            }
            "params" => {
                fault.get_or_insert(Reason::BadRpc);
                scanner.pass()?;
            }
            other => {
                result |= other == "result";
                error |= other == "error";
                refuse_unclear(other, &names::ROOT, fault);
                scanner.pass()?;
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
    Ok(())
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

fn text<'a>(scanner: &mut Scanner<'a>) -> Result<Member<'a>, JsonError> {
    if scanner.peek()? == Kind::String {
        return scanner.string().map(Member::Text);
    }
    scanner.pass()?;
    Ok(Member::Wrong)
}

/// Notes a name that some decoders would take for a recognised one.
fn refuse_variant(name: &str, recognised: &Known, fault: &mut Fault) {
    if is_unclear(name, recognised) {
        fault.get_or_insert(Reason::DupKey);
    }
}

/// As [`refuse_variant`], and notes names that mean something to JavaScript objects.
fn refuse_unclear(name: &str, recognised: &Known, fault: &mut Fault) {
    refuse_variant(name, recognised, fault);
    if matches!(name, "__proto__" | "constructor") {
        fault.get_or_insert(Reason::BadRpc);
    }
}
