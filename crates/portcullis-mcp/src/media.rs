//! Media types: `Content-Type`, `Content-Encoding` and `Accept` (R-009, R-010, R-016).

use http::{HeaderMap, HeaderValue, header};

use crate::lines::Lines;

pub(crate) const JSON: (&str, &str) = ("application", "json");
pub(crate) const EVENTS: (&str, &str) = ("text", "event-stream");

/// Whether there is exactly one `Content-Type`, and it is JSON in UTF-8 (R-009).
pub(crate) fn is_json(content_type: Lines<'_>) -> bool {
    let Some(value) = content_type.only() else { return false };
    if value == "application/json" {
        return true;
    }
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';');
    let essence = parts.next().unwrap_or_default().trim_matches(OWS);
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = value.trim_end_matches(OWS);
            name.trim_matches(OWS).eq_ignore_ascii_case("charset")
                && (value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("\"utf-8\""))
        })
}

/// Whether a line of `Content-Encoding` says that there is no content coding (R-010). All lines must.
pub(crate) fn is_identity(content_encoding: &HeaderValue) -> bool {
    content_encoding.as_bytes().eq_ignore_ascii_case(b"identity")
}

/// Whether `Accept` admits every one of `wanted` (R-016). Wildcards count, `q=0` excludes, and the
/// most specific range decides (RFC 9110 section 12.5.1). Without the field nothing is admitted.
pub(crate) fn accepts<const N: usize>(headers: &HeaderMap, wanted: [(&str, &str); N]) -> bool {
    admits(headers, wanted, 0)
}

/// The same, where wildcards do not count.
pub(crate) fn names<const N: usize>(headers: &HeaderMap, wanted: [(&str, &str); N]) -> bool {
    admits(headers, wanted, NAMED)
}

/// Whether every one of `wanted` is admitted by a range that is at least so specific.
fn admits<const N: usize>(headers: &HeaderMap, wanted: [(&str, &str); N], least: u8) -> bool {
    let mut best = [None; N];
    for range in headers.get_all(header::ACCEPT).iter().flat_map(ranges) {
        let Some((essence, zero)) = quality(range) else { continue };
        for (best, wanted) in best.iter_mut().zip(wanted) {
            // At equal specificity a range that admits wins.
            let found = specificity(essence, wanted).map(|specific| (specific, !zero));
            *best = found.max(*best);
        }
    }
    best.iter().all(|best| best.is_some_and(|(specific, admits)| admits && specific >= least))
}

/// Whether `Accept` is one line that says both types in the way that MCP clients write it. Others may
/// admit both as well.
pub(crate) fn admits_both(accept: Lines<'_>) -> bool {
    const USUAL: [&str; 2] =
        ["application/json, text/event-stream", "text/event-stream, application/json"];
    accept.only().is_some_and(|value| USUAL.iter().any(|usual| value == usual))
}

const OWS: [char; 2] = [' ', '\t'];

/// Splits at commas outside quoted strings.
fn ranges(value: &HeaderValue) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    value.to_str().unwrap_or_default().split(move |c| {
        let plain = !std::mem::take(&mut escaped);
        match c {
            '"' if plain => quoted = !quoted,
            '\\' if plain && quoted => escaped = true,
            ',' => return !quoted,
            _ => {}
        }
        false
    })
}

/// The type of a media range, and whether its weight is zero. `None` for a malformed weight.
fn quality(range: &str) -> Option<(&str, bool)> {
    let mut parts = range.split(';');
    let essence = parts.next()?.trim_matches(OWS);
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim_matches(OWS).eq_ignore_ascii_case("q") {
            let value = value.trim_matches(OWS);
            let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
            let digits = fraction.len() <= 3 && fraction.bytes().all(|b| b.is_ascii_digit());
            let zeros = fraction.bytes().all(|b| b == b'0');
            return match whole {
                "0" if digits => Some((essence, zeros)),
                "1" if digits && zeros => Some((essence, false)),
                _ => None,
            };
        }
    }
    Some((essence, false))
}

/// The specificity of a range that is the type itself.
const NAMED: u8 = 2;

fn specificity(essence: &str, (kind, subtype): (&str, &str)) -> Option<u8> {
    let (range_kind, range_subtype) = essence.split_once('/')?;
    match (range_kind, range_subtype) {
        ("*", "*") => Some(0),
        (k, "*") if k.eq_ignore_ascii_case(kind) => Some(1),
        (k, s) if k.eq_ignore_ascii_case(kind) && s.eq_ignore_ascii_case(subtype) => Some(NAMED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn fields(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn content_types() {
        let rows: &[(&[&str], bool)] = &[
            (&["application/json"], true),
            (&["Application/JSON"], true),
            (&["application/json; charset=utf-8"], true),
            (&["application/json;charset=\"UTF-8\""], true),
            (&["application/json ; charset=utf-8 "], true),
            (&[], false),
            (&[""], false),
            (&["text/plain"], false),
            (&["application/json; charset=utf-16"], false),
            (&["application/json; charset=utf-7"], false),
            (&["application/json; charset"], false),
            (&["application/json;"], false),
            (&["application/json; profile=x"], false),
            (&["application/json; profile=utf-8"], false),
            (&["application/json; charset=utf-8; x=y"], false),
            (&["application/json, text/plain"], false),
            (&["application/json", "application/json"], false),
            (&["application/json", "text/plain"], false),
            (&["application/json-seq"], false),
            (&["application/vnd.api+json"], false),
            (&["multipart/form-data; boundary=x"], false),
            (&["application/x-www-form-urlencoded"], false),
        ];
        for (values, expected) in rows {
            let headers = fields(&header::CONTENT_TYPE, values);
            let mut lines = Lines::default();
            headers.values().for_each(|line| lines.add(line));
            assert_eq!(is_json(lines), *expected, "{values:?}");
        }
    }

    #[test]
    fn content_codings() {
        let rows: &[(&[&str], bool)] = &[
            (&[], true),
            (&["identity"], true),
            (&["Identity"], true),
            (&["gzip"], false),
            (&["identity, gzip"], false),
            (&["identity", "br"], false),
            (&["gzip, gzip"], false),
            (&[""], false),
        ];
        for (values, expected) in rows {
            let headers = fields(&header::CONTENT_ENCODING, values);
            assert_eq!(headers.values().all(is_identity), *expected, "{values:?}");
        }
    }

    #[test]
    fn accept() {
        let rows: &[(&[&str], bool)] = &[
            (&["application/json, text/event-stream"], true),
            (&["text/event-stream,application/json"], true),
            (&["text/event-stream, application/json"], true),
            (&["application/json", "text/event-stream"], true),
            (&["application/json, text/event-stream", "text/event-stream;q=0"], true),
            (&["application/json, text/event-stream;q=0", "text/event-stream"], true),
            (&["*/*"], true),
            (&["application/*, text/*"], true),
            (&["Application/Json, TEXT/Event-Stream"], true),
            (&["application/json;q=0.5, text/event-stream;q=0.001"], true),
            (&["application/json; charset=utf-8, text/event-stream"], true),
            (&["text/html;x=\"a,b\", */*"], true),
            (&[], false),
            (&[""], false),
            (&["application/json"], false),
            (&["text/event-stream"], false),
            (&["application/json, text/plain"], false),
            (&["application/json, text/event-stream;q=0"], false),
            (&["application/json;q=0.000, */*"], false),
            (&["text/event-stream; Q=0.0, text/*, application/*"], false),
            (&["*/*;q=0"], false),
            (&["text/*;q=0", "application/json, */*"], false),
            (&["application/json, text/*;q=0", "*/*"], false),
            (&["*/*;q=2"], false),
            (&["*/*;q=-1"], false),
            (&["*/*;q=0.0001"], false),
            (&["application/json;q=x, text/event-stream"], false),
            (&["*"], false),
            (&["text/html;x=\", */*, \""], false),
            (&["text/html;x=\"\\\", */*, \""], false),
            (&["text/html;x=\"\\\\\", */*"], true),
            (&["text/html;x=\\\", */*, \""], false),
            (&["*/*;q=1"], true),
            (&["*/*;q=1.000"], true),
            (&["*/*;q=1.001"], false),
            (&["*/*;q=1.0000"], false),
            (&["*/*;q=0.5x"], false),
            (&["application/json, image/*"], false),
            (&["application/json, image/event-stream"], false),
            (&["application/json, text/json"], false),
            (&["application/jsonx, text/event-stream"], false),
        ];
        for (values, expected) in rows {
            let headers = fields(&header::ACCEPT, values);
            assert_eq!(accepts(&headers, [JSON, EVENTS]), *expected, "{values:?}");
            let mut lines = Lines::default();
            headers.values().for_each(|line| lines.add(line));
            assert!(*expected || !admits_both(lines), "{values:?}");
        }
    }
}
