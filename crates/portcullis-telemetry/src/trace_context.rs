//! The client's trace context (W3C Trace Context), as the client says it.

use std::fmt;

use http::HeaderMap;

/// The longest `tracestate` that is kept (W3C Trace Context §3.3.1.5).
const MAX_STATE: usize = 512;
/// The most entries that it may have (§3.3.1.1).
const MAX_ENTRIES: usize = 32;

/// Where a client says that its request belongs in a trace.
///
/// Anybody can write anything there: it is good for finding things again and for nothing else.
#[derive(Clone, Eq, PartialEq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    sampled: bool,
    state: Option<String>,
}

impl TraceContext {
    /// Reads the values of `traceparent` and `tracestate`. `None` when the first is not valid: then
    /// the second says nothing. A `tracestate` that is not valid is left out.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let (version, rest) = traceparent.split_at_checked(2)?;
        let version = bytes::<1>(version)?;
        let rest = rest.strip_prefix('-')?;
        let (trace_id, rest) = rest.split_at_checked(32)?;
        let (parent_id, rest) = rest.strip_prefix('-')?.split_at_checked(16)?;
        let (flags, rest) = rest.strip_prefix('-')?.split_at_checked(2)?;
        // What a later version adds follows a dash; ours adds nothing.
        let ends = match version {
            [0] => rest.is_empty(),
            [0xff] => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let (trace_id, parent_id, [flags]) =
            (bytes::<16>(trace_id)?, bytes::<8>(parent_id)?, bytes::<1>(flags)?);
        if !ends || trace_id == [0; 16] || parent_id == [0; 8] {
            return None;
        }
        let state = tracestate.filter(|state| is_state(state)).map(str::to_owned);
        Some(Self { trace_id, parent_id, sampled: flags & 1 == 1, state })
    }

    /// The context in the header fields of a request; `None` without exactly one `traceparent`.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut parents = headers.get_all("traceparent").iter();
        let (parent, None) = (parents.next()?.to_str().ok()?, parents.next()) else { return None };
        let states: Result<Vec<_>, _> =
            headers.get_all("tracestate").iter().map(|value| value.to_str()).collect();
        let state = states.ok().filter(|states| !states.is_empty()).map(|states| states.join(","));
        Self::parse(parent.trim_ascii(), state.as_deref())
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The id of the client's span.
    #[must_use]
    pub fn parent_id(&self) -> [u8; 8] {
        self.parent_id
    }

    /// Whether the client says that it records the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// What vendors say about the trace.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// As `traceparent` says it, without the state, which may be anybody's.
impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(f, "00-{}-{}-{flags:02x}", hex(&self.trace_id), hex(&self.parent_id))
    }
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // Writing to a string does not fail.
        text
    })
}

/// Exactly `N` bytes in lower-case hexadecimal; upper case is not allowed (§3.2.2).
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    let mut digits = text.bytes();
    for byte in &mut bytes {
        *byte = (digit(digits.next()?)? << 4) | digit(digits.next()?)?;
    }
    digits.next().is_none().then_some(bytes)
}

fn is_state(state: &str) -> bool {
    state.len() <= MAX_STATE
        && state.split(',').count() <= MAX_ENTRIES
        && state.bytes().all(|c| c == b'\t' || (b' '..=b'~').contains(&c))
        && state.split(',').all(|entry| {
            let entry = entry.trim_ascii();
            entry.is_empty()
                || entry.split_once('=').is_some_and(|(key, value)| {
                    let plain = |c: u8| {
                        c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-*/@".contains(&c)
                    };
                    !key.is_empty()
                        && key.len() <= 256
                        && key.bytes().all(plain)
                        && value.len() <= 256
                        && !value.contains('=')
                })
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn contexts_are_read_strictly() {
        let context = TraceContext::parse(GOOD, Some("rojo=00f067aa0ba902b7,congo=t61")).unwrap();
        assert_eq!(format!("{context:?}"), GOOD);
        assert!(context.is_sampled());
        assert_eq!(context.state(), Some("rojo=00f067aa0ba902b7,congo=t61"));
        let rows = [
            ("not sampled", GOOD.replace("-01", "-00"), true),
            ("other flags", GOOD.replace("-01", "-fe"), true),
            ("a later version", GOOD.replace("00-4", "01-4"), true),
            ("with more", format!("{}-more", GOOD.replace("00-4", "cc-4")), true),
            ("with more at once", format!("{}more", GOOD.replace("00-4", "cc-4")), false),
            ("more than its version has", format!("{GOOD}-more"), false),
            ("version ff", GOOD.replace("00-4", "ff-4"), false),
            ("no trace", GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            ("no parent", GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            ("upper case", GOOD.replace("4bf", "4BF"), false),
            ("short", GOOD.get(..54).unwrap().to_owned(), false),
            ("a space", format!(" {GOOD}"), false),
            ("a line", format!("{GOOD}\n"), false),
            ("not ASCII", GOOD.replace("4b", "ä"), false),
            ("plus", GOOD.replace("4bf", "+bf"), false),
            ("nothing", String::new(), false),
        ];
        for (name, text, good) in rows {
            assert_eq!(TraceContext::parse(&text, None).is_some(), good, "{name}: {text:?}");
        }
    }

    #[test]
    fn a_state_that_is_not_valid_is_left_out() {
        let rows = [
            ("one", "a=1".to_owned(), true),
            ("a tenant", "t@v=1, b=2".to_owned(), true),
            ("empty entries", "a=1,,b=2".to_owned(), true),
            ("too long", format!("a={}", "x".repeat(600)), false),
            ("too many", "a=1,".repeat(33), false),
            ("no value", "a".to_owned(), false),
            ("upper case", "A=1".to_owned(), false),
            ("a control character", "a=\u{1b}[31m".to_owned(), false),
            ("not ASCII", "a=ä".to_owned(), false),
        ];
        for (name, state, kept) in rows {
            let context = TraceContext::parse(GOOD, Some(&state)).unwrap();
            assert_eq!(context.state().is_some(), kept, "{name}");
        }
    }

    #[test]
    fn there_is_one_parent_in_a_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(TraceContext::from_headers(&headers), None);
        headers.insert("traceparent", GOOD.parse().unwrap());
        headers.append("tracestate", "a=1".parse().unwrap());
        headers.append("tracestate", "b=2".parse().unwrap());
        assert_eq!(TraceContext::from_headers(&headers).unwrap().state(), Some("a=1,b=2"));
        headers.append("traceparent", GOOD.parse().unwrap());
        assert_eq!(TraceContext::from_headers(&headers), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_read_is_what_was_said(parent in ".{0,70}", state in ".{0,40}") {
            if let Some(context) = TraceContext::parse(&parent, Some(&state)) {
                let said = format!("{context:?}");
                prop_assert_eq!(said.get(2..52), parent.get(2..52));
            }
        }

        #[test]
        fn every_id_is_read(trace: [u8; 16], parent: [u8; 8], flags: u8) {
            prop_assume!(trace != [0; 16] && parent != [0; 8]);
            let said = format!("00-{}-{}-{flags:02x}", hex(&trace), hex(&parent));
            let context = TraceContext::parse(&said, None).unwrap();
            prop_assert_eq!(context.trace_id(), trace);
            prop_assert_eq!(context.parent_id(), parent);
            prop_assert_eq!(context.is_sampled(), flags & 1 == 1);
        }
    }
}
