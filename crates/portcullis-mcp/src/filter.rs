//! Filters one JSON document from the service behind the gate (requirements 2.4, 2.5).
//!
//! One pass reads the document strictly and copies it only when something has to go. Lists are
//! known by their shape and not by the request they answer, so that no replayed, reordered or
//! misattributed answer escapes (R-071). What is kept keeps its bytes.

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::{Reason, TargetKind, Version};

use crate::json::{JsonLimits, Kind, Scanner, Str};
use crate::judge::Judge;
use crate::listen::Listen;
use crate::names;
use crate::splice::Splice;
use crate::violation::{BAD_RPC, Violation};

/// The key of the subscription's id in `_meta` (R-081).
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// What the exchange says about how its documents are to be filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facets<'a> {
    pub(crate) limits: JsonLimits,
    /// Answers carry caching hints, which are then the caller's own (R-224, R-225).
    pub(crate) modern: bool,
    /// The method asked for is one whose answers must carry them.
    pub(crate) cacheable: bool,
    /// The longest `ttlMs` allowed now.
    pub(crate) ttl_ms: u64,
    /// `result.contents` may be what a resource holds.
    pub(crate) contents: bool,
    /// For `server/discover`: the versions that the gate speaks (R-045).
    pub(crate) discover: Option<&'a [Version]>,
    /// For `subscriptions/listen`: what was asked for.
    pub(crate) listen: Option<&'a Listen>,
}

/// A document.
#[derive(Debug)]
pub(crate) enum Document<'a> {
    One(Message<'a>),
    Batch(Vec<Message<'a>>),
}

/// A JSON-RPC message of a document.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// Where it was.
    pub(crate) range: Range<usize>,
    /// What to send in its place, when something had to go.
    pub(crate) edited: Option<Vec<u8>>,
    pub(crate) shape: Shape<'a>,
}

#[derive(Debug)]
pub(crate) enum Shape<'a> {
    Request { method: Cow<'a, str> },
    Notification { method: Cow<'a, str>, passes: bool },
    Response(Answer<'a>),
}

/// What a response says, as far as the gate cares.
#[derive(Debug, Default)]
pub(crate) struct Answer<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) error: Option<RpcError>,
    pub(crate) result_type: Option<Cow<'a, str>>,
    pub(crate) is_error: bool,
    pub(crate) protocol_version: Option<Cow<'a, str>>,
    pub(crate) subscription: Id<'a>,
    pub(crate) input_requests: Option<Range<usize>>,
    listed: bool,
}

#[derive(Debug)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) range: Range<usize>,
}

/// A JSON-RPC id, or what stands in its place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Id<'a> {
    #[default]
    Absent,
    Null,
    Text(Str<'a>),
    Number(&'a str),
}

impl<'a> Id<'a> {
    pub(crate) fn read(scanner: &mut Scanner<'a>) -> Result<Self, Violation> {
        match scanner.peek()? {
            Kind::String => Ok(Self::Text(scanner.string()?)),
            Kind::Number => Ok(Self::Number(scanner.number()?)),
            Kind::Null => scanner.skip().map(|_| Self::Null).map_err(Violation::from),
            Kind::Object | Kind::Array | Kind::Bool => Err(BAD_RPC),
        }
    }

    /// Whether this is the id that stands as `raw` in the request: the same type and, for strings,
    /// the same text, however escaped (R-028, R-081).
    pub(crate) fn is(&self, raw: &str) -> bool {
        match self {
            Self::Absent | Self::Null => false,
            Self::Number(number) => *number == raw,
            Self::Text(text) => {
                let limits = JsonLimits { depth: 0, values: 1 };
                Scanner::new(raw.as_bytes(), limits)
                    .and_then(|mut raw| raw.string())
                    .is_ok_and(|raw| text.eq(&raw.decoded()))
            }
        }
    }
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
    let mut pass = Pass { facets, judge, splice: Splice::new(source, start) };
    let mut is_rpc = false;
    let mut method = None;
    let mut params = None;
    let mut result = false;
    let mut answer = Answer::default();
    expect(scanner, Kind::Object)?;
    scanner.object(|scanner, name| {
        match member(name, names::ROOT)? {
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
    let shape = match (method, result, answer.error.is_some()) {
        _ if !is_rpc => return Err(BAD_RPC),
        (Some(method), false, false) => match answer.id {
            Id::Absent => {
                let passes = pass.notification(source, &method, params)?;
                Shape::Notification { method, passes }
            }
            Id::Null => return Err(BAD_RPC),
            Id::Text(_) | Id::Number(_) => Shape::Request { method },
        },
        (None, true, false) | (None, false, true) if params.is_none() => Shape::Response(answer),
        _ => return Err(BAD_RPC),
    };
    Ok(Message { range: start..end, edited: pass.splice.finish(end), shape })
}

/// Refuses a value of any other kind.
pub(crate) fn expect(scanner: &mut Scanner<'_>, kind: Kind) -> Result<(), Violation> {
    if scanner.peek()? == kind { Ok(()) } else { Err(BAD_RPC) }
}

/// Reads a value that does not matter, with all checks.
pub(crate) fn skip(scanner: &mut Scanner<'_>) -> Result<(), Violation> {
    scanner.skip().map(drop).map_err(Violation::from)
}

/// Which of `names` this is. One that differs only in letter case is a violation: some clients
/// would read it as that name (as R-025 has it for requests).
fn member(
    name: Str<'_>,
    names: &'static [&'static str],
) -> Result<Option<&'static str>, Violation> {
    if let Some(known) = names.iter().find(|known| name.eq(known)) {
        return Ok(Some(known));
    }
    if names::is_variant(&name.decoded(), names) {
        return Err(Violation::new(Reason::DupKey));
    }
    Ok(None)
}

/// The lists that a result may have, and what names their items.
const LISTS: &[&str] = &["tools", "prompts", "resources", "resourceTemplates", "tasks"];

fn list(name: &str) -> Option<(TargetKind, &'static str)> {
    Some(match name {
        "tools" => (TargetKind::Tool, "name"),
        "prompts" => (TargetKind::Prompt, "name"),
        "resources" => (TargetKind::Resource, "uri"),
        "resourceTemplates" => (TargetKind::ResourceTemplate, "uriTemplate"),
        "tasks" => (TargetKind::Task, "taskId"),
        _ => return None,
    })
}

/// One pass over one message.
struct Pass<'p, 'j, 'a> {
    facets: Facets<'p>,
    judge: &'p mut Judge<'j>,
    splice: Splice<'a>,
}

impl<'a> Pass<'_, '_, 'a> {
    fn result(
        &mut self,
        scanner: &mut Scanner<'a>,
        answer: &mut Answer<'a>,
    ) -> Result<(), Violation> {
        let mut members = 0_usize;
        let mut end = scanner.at() + 1;
        let mut ttl = false;
        let mut scope = false;
        scanner.object(|scanner, name| {
            members += 1;
            match member(name, LISTS)? {
                Some(known) => {
                    answer.listed = true;
                    self.list(scanner, known)?;
                }
                None => match &*name.decoded() {
                    "contents" if self.facets.contents => {
                        expect(scanner, Kind::Array)?;
                        self.items(scanner, (TargetKind::Resource, "uri"))?;
                    }
                    "ttlMs" if self.facets.modern => {
                        ttl = true;
                        self.ttl(scanner)?;
                    }
                    "cacheScope" if self.facets.modern => {
                        scope = true;
                        self.cache_scope(scanner)?;
                    }
                    "supportedVersions" if self.facets.discover.is_some() => {
                        self.versions(scanner)?;
                    }
                    "resultType" if self.facets.modern => {
                        expect(scanner, Kind::String)?;
                        answer.result_type = Some(scanner.string()?.decoded());
                    }
                    "isError" if scanner.peek()? == Kind::Bool => {
                        let range = scanner.skip()?;
                        answer.is_error = scanner.slice(range) == "true";
                    }
                    "protocolVersion" if scanner.peek()? == Kind::String => {
                        answer.protocol_version = Some(scanner.string()?.decoded());
                    }
                    "_meta" if scanner.peek()? == Kind::Object => {
                        answer.subscription = subscription(scanner)?;
                    }
                    "inputRequests" => answer.input_requests = Some(scanner.skip()?),
                    _ => skip(scanner)?,
                },
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        let complete = matches!(answer.result_type.as_deref(), None | Some("complete"));
        if self.facets.modern && complete && (self.facets.cacheable || answer.listed) {
            let mut comma = if members == 0 { "" } else { "," };
            for (present, text) in [(ttl, r#""ttlMs":0"#), (scope, r#""cacheScope":"private""#)] {
                if !present {
                    self.splice.replace(end..end, comma);
                    self.splice.replace(end..end, text);
                    comma = ",";
                }
            }
        }
        Ok(())
    }

    fn error(&mut self, scanner: &mut Scanner<'a>) -> Result<RpcError, Violation> {
        let start = scanner.at();
        let mut code = None;
        let mut end = start;
        scanner.object(|scanner, name| {
            match &*name.decoded() {
                "code" => {
                    expect(scanner, Kind::Number)?;
                    code = scanner.number()?.parse().ok();
                }
                // An error may list what there is instead of what was asked for (X-138).
                "data" if scanner.peek()? == Kind::Object => self.lists_in(scanner)?,
                _ => skip(scanner)?,
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        Ok(RpcError { code: code.ok_or(BAD_RPC)?, range: start..end + 1 })
    }

    /// Filters the lists among the members of an object that has no need to have any.
    fn lists_in(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        scanner.object(|scanner, name| match member(name, LISTS)? {
            Some(known) => self.list(scanner, known),
            None => skip(scanner),
        })
    }

    fn list(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Result<(), Violation> {
        expect(scanner, Kind::Array)?; // X-145.
        match list(name) {
            Some(list) => self.items(scanner, list),
            None => Err(BAD_RPC),
        }
    }

    /// Filters a list whose items are objects that are named by `key`.
    fn items(
        &mut self,
        scanner: &mut Scanner<'a>,
        (kind, key): (TargetKind, &str),
    ) -> Result<(), Violation> {
        self.keep(scanner, |pass, scanner| {
            let name = item_name(scanner, key)?;
            if name.is_none() {
                pass.judge.hide(kind, None); // It cannot be authorized (R-223).
            }
            Ok(name.is_some_and(|name| pass.judge.shows(kind, name)))
        })
    }

    /// Keeps the items of an array for which `shown`, which reads one item, says so.
    fn keep(
        &mut self,
        scanner: &mut Scanner<'a>,
        mut shown: impl FnMut(&mut Self, &mut Scanner<'a>) -> Result<bool, Violation>,
    ) -> Result<(), Violation> {
        let mut kept = false;
        let mut gap = None;
        // The end of the item before, white space included.
        let mut end = 0;
        scanner.array(|scanner| {
            let start = scanner.at();
            if shown(self, scanner)? {
                if let Some(from) = gap.take() {
                    self.splice.replace(from..start, if kept { "," } else { "" });
                }
                kept = true;
            } else if gap.is_none() {
                gap = Some(if kept { end } else { start });
            }
            end = scanner.at();
            Ok::<_, Violation>(())
        })?;
        if let Some(from) = gap {
            self.splice.replace(from..end, "");
        }
        Ok(())
    }

    fn ttl(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let range = scanner.skip()?;
        let sent = scanner.slice(range.clone());
        let allowed = match sent.parse::<u64>() {
            Ok(sent) if sent <= self.facets.ttl_ms => return Ok(()),
            Ok(_) => self.facets.ttl_ms,
            // A fraction, an exponent, a negative number, or no number: no time that we promise.
            Err(_) => 0,
        };
        self.splice.replace(range, &allowed.to_string());
        Ok(())
    }

    fn cache_scope(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let range = scanner.skip()?;
        if scanner.slice(range.clone()) != r#""private""# {
            self.splice.replace(range, r#""private""#);
        }
        Ok(())
    }

    /// Offers only the versions that the gate speaks (R-045), and never none (R-087).
    fn versions(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let Some(enabled) = self.facets.discover else { return Err(BAD_RPC) };
        expect(scanner, Kind::Array)?;
        let mut any = false;
        self.keep(scanner, |_, scanner| {
            expect(scanner, Kind::String)?;
            let version = Version::parse(&scanner.string()?.decoded());
            let known = version.is_some_and(|version| enabled.contains(&version));
            any |= known;
            Ok(known)
        })?;
        if any { Ok(()) } else { Err(Violation::new(Reason::BadVersion)) }
    }

    /// Whether the notification may pass, after filtering what it says.
    fn notification(
        &mut self,
        source: &'a [u8],
        method: &str,
        params: Option<Range<usize>>,
    ) -> Result<bool, Violation> {
        let range = params.unwrap_or(0..0);
        let part = source.get(range.clone()).unwrap_or_default();
        if let Some(listen) = self.facets.listen
            && !listen.delivers(method)
        {
            return Ok(false);
        }
        let mut splice = Splice::new(part, 0);
        std::mem::swap(&mut self.splice, &mut splice);
        let passes = if part.is_empty() {
            // Without parameters there is nothing to say whom it is for, or what is new.
            Ok(self.facets.listen.is_none() && !names_something(method))
        } else {
            let part: &'a [u8] = part;
            Scanner::new(part, self.facets.limits)
                .map_err(Violation::from)
                .and_then(|mut scanner| self.params(method, &mut scanner))
        };
        std::mem::swap(&mut self.splice, &mut splice);
        if let Some(edited) = splice.finish(part.len()) {
            // What was JSON is still JSON: only whole values went.
            let edited = std::str::from_utf8(&edited).map_err(|_| BAD_RPC)?;
            self.splice.replace(range, edited);
        }
        passes
    }

    fn params(&mut self, method: &str, scanner: &mut Scanner<'a>) -> Result<bool, Violation> {
        let mut uri = None;
        let mut id = Id::Absent;
        let mut acknowledged = false;
        scanner.object(|scanner, name| {
            match member(name, LISTS)? {
                Some(known) if scanner.peek()? == Kind::Array => self.list(scanner, known)?,
                Some(_) => return Err(BAD_RPC),
                None => match &*name.decoded() {
                    "uri" if scanner.peek()? == Kind::String => uri = Some(scanner.string()?),
                    "_meta" if scanner.peek()? == Kind::Object => id = subscription(scanner)?,
                    "notifications" if scanner.peek()? == Kind::Object => {
                        acknowledged = true;
                        self.acknowledged(scanner)?;
                    }
                    _ => skip(scanner)?,
                },
            }
            Ok::<_, Violation>(())
        })?;
        if let Some(listen) = self.facets.listen
            && !listen.is_marked(id)
        {
            return Ok(false);
        }
        Ok(match method {
            // The URI delivered counts, not the one subscribed to (R-210).
            "notifications/resources/updated" => {
                uri.is_some_and(|uri| self.judge.shows(TargetKind::Resource, uri))
            }
            "notifications/subscriptions/acknowledged" => acknowledged,
            _ => true,
        })
    }

    /// Reduces an acknowledgement to what was asked for and may be seen (R-209, X-146).
    fn acknowledged(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Violation> {
        let Some(listen) = self.facets.listen else {
            return skip(scanner);
        };
        scanner.object(|scanner, name| {
            let name = name.decoded();
            match scanner.peek()? {
                Kind::Array => self.keep(scanner, |pass, scanner| {
                    if name != "resourceSubscriptions" || scanner.peek()? != Kind::String {
                        scanner.skip()?;
                        return Ok(false);
                    }
                    let uri = scanner.string()?;
                    Ok(listen.asked_for(&uri.decoded())
                        && pass.judge.shows(TargetKind::Resource, uri))
                }),
                _ => {
                    let range = scanner.skip()?;
                    if !listen.wants(&name) && scanner.slice(range.clone()) != "false" {
                        self.splice.replace(range, "false");
                    }
                    Ok(())
                }
            }
        })
    }
}

/// Whether a notification without parameters leaves out what it is about.
fn names_something(method: &str) -> bool {
    matches!(method, "notifications/resources/updated" | "notifications/subscriptions/acknowledged")
}

/// Reads one item and returns its name, if it is an object that has one.
fn item_name<'a>(scanner: &mut Scanner<'a>, key: &str) -> Result<Option<Str<'a>>, Violation> {
    if scanner.peek()? != Kind::Object {
        scanner.skip()?;
        return Ok(None);
    }
    let mut found = None;
    let mut twin = false;
    scanner.object(|scanner, name| {
        if name.eq(key) && scanner.peek()? == Kind::String {
            found = Some(scanner.string()?);
        } else {
            // A client that ignores case would show it under a name that nobody checked.
            twin |= name.raw().len() == key.len() && name.raw().eq_ignore_ascii_case(key);
            scanner.skip()?;
        }
        Ok::<_, Violation>(())
    })?;
    Ok(found.filter(|_| !twin))
}

/// The subscription's id in a `_meta` object.
fn subscription<'a>(scanner: &mut Scanner<'a>) -> Result<Id<'a>, Violation> {
    let mut id = Id::Absent;
    scanner.object(|scanner, name| {
        if name.eq(SUBSCRIPTION_ID) {
            id = Id::read(scanner)?;
        } else {
            scanner.skip()?;
        }
        Ok::<_, Violation>(())
    })?;
    Ok(id)
}

#[cfg(test)]
mod tests;
