//! Writes down which headers arrived, before the gate touches them: what a test says was removed
//! must have been there.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde_json::json;

/// One JSON document a line for each request: names and values in order, bytes as Latin-1.
pub struct Arrivals(Mutex<File>);

impl Arrivals {
    pub fn create(path: &str) -> std::io::Result<Self> {
        File::create(path).map(|file| Self(Mutex::new(file)))
    }

    pub fn note(&self, headers: &HeaderMap) {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| {
                let value: String = value.as_bytes().iter().copied().map(char::from).collect();
                [name.as_str().to_owned(), value]
            })
            .collect();
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A test that misses a line fails; there is nobody else to tell.
        let _ = writeln!(file, "{}", json!(lines));
    }
}
