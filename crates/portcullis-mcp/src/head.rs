//! The head of a request: what can be said before any byte of the body is read.

use std::time::Duration;

use http::{HeaderMap, HeaderName, Method};
use portcullis_core::{Caller, Denial, Era, McpMessage, NoMessage, Reason, Version};

use crate::config::InspectConfig;
use crate::era;
use crate::inspect::{Disposition, Inspected, Plan, SessionUse};
use crate::lines::Lines;
use crate::media::{self, EVENTS, JSON};
use crate::mirror::Named;
use crate::questions::Questions;
use crate::session::Session;
use crate::throttle;

mod rewrite;

pub(crate) use rewrite::{fits, is_about_transfer, is_for_the_gate, rewrite_head};

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// What one look at the headers shows of the body, and of how long they are.
#[derive(Default)]
struct Seen<'h> {
    content_type: Lines<'h>,
    accept: Lines<'h>,
    length: Lines<'h>,
    is_coded: bool,
    /// One of MCP's is longer than it may be.
    long: bool,
}

impl<'h> Seen<'h> {
    fn of(config: &InspectConfig, headers: &'h HeaderMap) -> Self {
        let mut seen = Self::default();
        for (name, value) in headers {
            let name = name.as_str();
            match name {
                "accept" => seen.accept.add(value),
                "content-encoding" => seen.is_coded |= !media::is_identity(value),
                "content-length" => seen.length.add(value),
                "content-type" => seen.content_type.add(value),
                _ => {
                    let long = value.len() > config.limits.mcp_header;
                    seen.long |= long && name.starts_with("mcp-");
                }
            }
        }
        seen
    }
}

/// Steps 6 and 7 of requirements 0.3: HTTP method, media types, content coding, declared length.
pub(crate) fn check_head(
    config: &InspectConfig,
    caller: &Caller,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Plan, Denial> {
    let seen = Seen::of(config, headers);
    if seen.long {
        return Err(Denial::headers_too_large());
    }
    match *method {
        Method::POST => post(config, headers, &seen).map(|()| Plan::ReadBody),
        Method::GET if config.has_sessions() => stream(config, caller, headers).map(no_body),
        Method::DELETE if config.has_sessions() => end(config, caller, headers).map(no_body),
        _ => Err(Denial::method_not_allowed(config.allow())),
    }
}

fn post(config: &InspectConfig, headers: &HeaderMap, seen: &Seen<'_>) -> Result<(), Denial> {
    if !media::is_json(seen.content_type) {
        return Err(Denial::content_type());
    }
    if seen.is_coded {
        return Err(Denial::content_encoding());
    }
    let admits = if config.strict { media::names } else { media::accepts };
    if !media::admits_both(seen.accept) && !admits(headers, [JSON, EVENTS]) {
        return Err(Denial::not_acceptable());
    }
    if seen.length.are_several() {
        // Even when they are equal.
        return Err(Denial::bad_http(Reason::BadFraming));
    }
    let Some(length) = seen.length.first() else { return Ok(()) };
    let digits = length.as_bytes().iter().all(u8::is_ascii_digit);
    let length = length.to_str().ok().filter(|text| digits && !text.is_empty());
    // Too many digits for the type are too many bytes for the limit.
    match length.map(|text| text.parse::<usize>().unwrap_or(usize::MAX)) {
        Some(length) if length <= config.limits.body => Ok(()),
        Some(_) => Err(Denial::body_too_large()),
        None => Err(Denial::bad_http(Reason::BadFraming)),
    }
}

/// A legacy `GET`: opens or resumes a stream of server messages.
fn stream(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Inspected, Denial> {
    if !media::accepts(headers, [EVENTS]) {
        return Err(Denial::not_acceptable());
    }
    let (version, session) = bodiless(config, caller, headers)?;
    let mut resumed = headers.get_all(&LAST_EVENT).iter();
    let mut resumes = None;
    if let Some(name) = resumed.next() {
        let Some(session) = &session else {
            // Without a session nobody can say whose events these are.
            return Err(Denial::session_required(None));
        };
        if resumed.next().is_some() {
            return Err(Denial::invalid_request(Reason::BadRpc));
        }
        let questions = Questions { config, caller, session: &session.upstream_id };
        let id = name.to_str().ok().and_then(|name| questions.event_id(name));
        // An event of another stream is none of this client's.
        let id = id.ok_or_else(|| throttle::missed(config, caller, Reason::SessionUnknown))?;
        resumes = Some(id.into_boxed_str());
    }
    let session = SessionUse::of(session);
    let inspected = without_body(NoMessage::Stream(version), version, session);
    Ok(Inspected { resumes, ..inspected })
}

/// A legacy `DELETE`: ends a session.
fn end(config: &InspectConfig, caller: &Caller, headers: &HeaderMap) -> Result<Inspected, Denial> {
    match bodiless(config, caller, headers)? {
        (_, None) => Err(Denial::session_required(None)),
        (version, Some(session)) => {
            let session = SessionUse::Ends { upstream_id: session.upstream_id };
            Ok(without_body(NoMessage::EndSession(version), version, session))
        }
    }
}

fn no_body(inspected: Inspected) -> Plan {
    Plan::NoBody(Box::new(inspected))
}

fn without_body(message: NoMessage, version: Version, session: SessionUse) -> Inspected {
    Inspected {
        message: McpMessage::NoMessage(message),
        version,
        disposition: Disposition::Forward,
        session,
        body: bytes::Bytes::new(),
        refused: Vec::new(),
        task: None,
        watched: None,
        head_fits: false,
        resumes: None,
    }
}

/// Version and session of a request that has no body to ask.
fn bodiless(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(Version, Option<Session>), Denial> {
    let header = era::header(Named::of(headers).version, None)?;
    let named = match header.map(|header| (header, Version::parse(header))) {
        None => None,
        // A client of that revision is told that there is only POST.
        Some((_, Some(version))) if version.era() == Era::Modern => {
            return Err(Denial::method_not_allowed("POST"));
        }
        Some((_, Some(version))) if config.supports(version) => Some(version),
        Some((header, _)) => {
            return Err(Denial::unsupported_version(None, header, &config.versions));
        }
    };
    let session = session(config, caller, headers)?;
    let version = version(config, named, session.as_ref(), None)?;
    Ok((version, session))
}

/// The caller's session, when the request names one.
pub(crate) fn session(
    config: &InspectConfig,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<Option<Session>, Denial> {
    let mut ids = headers.get_all(SESSION).iter();
    let Some(id) = ids.next() else { return Ok(None) };
    let now: Duration = config.clock.unix();
    // Two ids name no session.
    let id = id.to_str().ok().filter(|_| ids.next().is_none() && !config.stateless);
    let times = (now, config.limits.session_lifetime);
    let session = id
        .ok_or(Reason::SessionUnknown)
        .and_then(|id| config.sessions.open(id, caller, &config.resource, times))
        .map_err(|reason| throttle::missed(config, caller, reason))?;
    // Where the version is not enabled any more, the client must start again.
    if !config.supports(session.version) || !config.session_table.goes_on(config, caller, &session)
    {
        return Err(Denial::session_not_found(Reason::SessionUnknown));
    }
    Ok(Some(session))
}

/// The effective legacy version: the session's, else the header's, else 2025-03-26 (table 1.4).
pub(crate) fn version(
    config: &InspectConfig,
    named: Option<Version>,
    session: Option<&Session>,
    id: Option<&portcullis_core::Text>,
) -> Result<Version, Denial> {
    match (named, session) {
        (Some(named), Some(session)) if named != session.version => {
            Err(Denial::not_negotiated(id, session.version))
        }
        (_, Some(session)) => Ok(session.version),
        (Some(named), None) => Ok(named),
        (None, None) if config.supports(Version::V2025_03_26) => Ok(Version::V2025_03_26),
        (None, None) => {
            let assumed = Version::V2025_03_26.as_str();
            Err(Denial::unsupported_version(id, assumed, &config.versions))
        }
    }
}

#[cfg(test)]
mod tests;
