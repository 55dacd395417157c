//! What the head of a request says about its transfer.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::head;

/// What was about the transfer of the request ends here, and its answer must come whole and
/// readable.
pub(super) fn rewrite_framing(headers: &mut HeaderMap) {
    // To look at the few that are there takes less than to look for all that could be.
    let is_one = |name: &&HeaderName| head::is_about_transfer(name.as_str());
    while let Some(name) = headers.keys().find(is_one).cloned() {
        headers.remove(name);
    }
    ask_for_identity(headers);
}

/// The answer must be readable.
pub(super) fn ask_for_identity(headers: &mut HeaderMap) {
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

#[cfg(test)]
mod tests {
    use super::*;

    ///
    #[test]
    fn what_is_about_the_transfer_ends_here() {
        let gone = [
            "trailer",
            "te",
            "expect",
            "content-encoding",
            "range",
            "if-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
        ];
        let mut headers = HeaderMap::new();
        for name in gone.iter().chain(&["accept", "x-if-match", "te-te"]) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("a"));
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("b"));
        }
        rewrite_framing(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "accept-encoding", "te-te", "x-if-match"]);
        assert_eq!(headers.get("accept-encoding").unwrap(), "identity");
    }
}
