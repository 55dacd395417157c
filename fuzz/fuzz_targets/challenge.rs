//! A challenge that can be built is one line that naive clients read as we meant it.
#![no_main]

use http_body_util::Empty;
use libfuzzer_sys::fuzz_target;
use portcullis_core::{Challenge, Denial, Text};

fuzz_target!(|input: (&str, Vec<&str>, Vec<String>)| {
    let (metadata, scopes, more) = input;
    let Ok(challenge) = Challenge::new(metadata, &scopes) else { return };
    for denial in [
        Denial::no_token(&challenge),
        Denial::insufficient_scope(&challenge, &Text::from_static("1"), more),
    ] {
        let response = denial.into_response::<Empty<bytes::Bytes>>();
        let Some(line) = response.headers().get("www-authenticate") else {
            assert_eq!(response.status(), 500, "a scope that no challenge can carry");
            continue;
        };
        let line = line.to_str().expect("ASCII");
        assert!(line.starts_with("Bearer "));
        assert_eq!(line.matches('"').count() % 2, 0, "{line}");
        assert!(line.matches("scope=").count() <= 1, "{line}");
        assert_eq!(line.matches("resource_metadata=").count(), 1, "{line}");
        let named = line.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(named, Some(metadata), "{line}");
    }
});
