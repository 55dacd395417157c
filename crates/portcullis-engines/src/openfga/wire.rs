//! The bodies of OpenFGA requests and answers.

use std::collections::HashMap;

use http::Uri;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::point::Wire;

pub(super) struct OpenFgaWire {
    pub(super) check: Uri,
    pub(super) batch_check: Uri,
    pub(super) batch: usize,
}

/// Members that are not named are ignored; one that is named twice is an error.
#[derive(Deserialize)]
struct Checked {
    allowed: bool,
}

#[derive(Deserialize)]
struct AllChecked {
    result: HashMap<String, OneOfAll>,
}

#[derive(Deserialize)]
struct OneOfAll {
    allowed: Option<bool>,
    error: Option<IgnoredAny>,
}

impl Wire for OpenFgaWire {
    fn single(&self) -> &Uri {
        &self.check
    }

    fn several(&self) -> Option<(&Uri, usize)> {
        (self.batch > 0).then_some((&self.batch_check, self.batch))
    }

    fn ask_several(&self, shared: &str, own: &[&str]) -> String {
        let checks: Vec<_> = own
            .iter()
            .enumerate()
            .map(|(number, own)| format!(r#"{{{own},"correlation_id":"{number}"}}"#))
            .collect();
        format!(r#"{{{shared},"checks":[{}]}}"#, checks.join(","))
    }

    fn read_single(&self, body: &[u8]) -> Result<bool, &'static str> {
        serde_json::from_slice::<Checked>(body)
            .map(|checked| checked.allowed)
            .map_err(|_| "the answer does not say whether it is allowed")
    }

    /// Answers come in any order, under the numbers that were given.
    fn read_several(&self, body: &[u8], count: usize) -> Result<Vec<Option<bool>>, &'static str> {
        let AllChecked { result } =
            serde_json::from_slice(body).map_err(|_| "the answer is not a map of results")?;
        let answer = |number: usize| match result.get(number.to_string().as_str())? {
            OneOfAll { allowed, error: None } => *allowed,
            OneOfAll { error: Some(_), .. } => None,
        };
        Ok((0..count).map(answer).collect())
    }
}
