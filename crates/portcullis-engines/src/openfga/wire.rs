//! The bodies of OpenFGA requests and answers.

use std::collections::{HashMap, HashSet};
use std::fmt;

use http::Uri;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::point::{Names, Wire};

pub(super) struct OpenFgaWire {
    pub(super) check: Uri,
    pub(super) batch_check: Uri,
    pub(super) batch: usize,
    pub(super) list_objects: Option<ListObjects>,
}

/// Where lists are asked for, and how many names a server puts into one.
pub(super) struct ListObjects {
    pub(super) url: Uri,
    /// `None` for as many as there are.
    pub(super) most: Option<usize>,
}

/// Members that are not named are ignored; one that is named twice is an error.
#[derive(Deserialize)]
struct Checked {
    allowed: bool,
}

#[derive(Deserialize)]
struct AllChecked {
    result: Results,
}

#[derive(Deserialize)]
struct Listing {
    objects: HashSet<String>,
}

/// Results by number. A number that is there twice is an error: neither of the two answers counts.
struct Results(HashMap<String, OneOfAll>);

#[derive(Deserialize)]
struct OneOfAll {
    allowed: Option<bool>,
    error: Option<IgnoredAny>,
}

impl<'de> Deserialize<'de> for Results {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Results;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of results")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Results, A::Error> {
                let mut results = HashMap::new();
                while let Some((number, result)) = map.next_entry()? {
                    if results.insert(number, result).is_some() {
                        return Err(A::Error::custom("a number is there twice"));
                    }
                }
                Ok(Results(results))
            }
        }

        deserializer.deserialize_map(Each)
    }
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
        let AllChecked { result: Results(result) } =
            serde_json::from_slice(body).map_err(|_| "the answer is not a map of results")?;
        let answer = |number: usize| match result.get(number.to_string().as_str())? {
            OneOfAll { allowed, error: None } => *allowed,
            OneOfAll { error: Some(_), .. } => None,
        };
        Ok((0..count).map(answer).collect())
    }

    fn listing(&self) -> Option<&Uri> {
        self.list_objects.as_ref().map(|list| &list.url)
    }

    /// A server that has found as many as it may say stops there, and does not say so.
    fn read_listing(&self, body: &[u8]) -> Result<Names, &'static str> {
        let Listing { objects } =
            serde_json::from_slice(body).map_err(|_| "the answer is not a list of objects")?;
        let most = self.list_objects.as_ref().and_then(|list| list.most);
        Ok(Names { complete: most.is_none_or(|most| objects.len() < most), names: objects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(most: Option<usize>) -> OpenFgaWire {
        let list_objects = Some(ListObjects { url: Uri::default(), most });
        OpenFgaWire { check: Uri::default(), batch_check: Uri::default(), batch: 50, list_objects }
    }

    #[test]
    fn a_list_that_may_have_been_cut_is_not_complete() {
        let rows = [
            (Some(3), r#"{"objects":["a:1","a:2"]}"#, Some((2, true))),
            (Some(2), r#"{"objects":["a:1","a:2"]}"#, Some((2, false))),
            (Some(1), r#"{"objects":["a:1","a:2"]}"#, Some((2, false))),
            (Some(1), r#"{"objects":[],"x":1}"#, Some((0, true))),
            (None, r#"{"objects":["a:1","a:2"]}"#, Some((2, true))),
            (None, r#"{"objects":["a:1"],"objects":["a:2"]}"#, None),
            (None, r#"{"objects":null}"#, None),
            (None, r#"{"objects":{"a:1":true}}"#, None),
            (None, r#"{"objects":["a:1",2]}"#, None),
            (None, "{}", None),
            (None, r#"["a:1"]"#, None),
        ];
        for (most, body, expected) in rows {
            let read = wire(most).read_listing(body.as_bytes()).ok();
            assert_eq!(read.map(|names| (names.names.len(), names.complete)), expected, "{body}");
        }
    }

    #[test]
    fn what_says_two_things_says_nothing() {
        let wire = wire(None);
        let rows = [
            (
                r#"{"result":{"1":{"allowed":true},"0":{"allowed":false}}}"#,
                Some([Some(false), Some(true)]),
            ),
            (r#"{"result":{"0":{"allowed":true}}}"#, Some([Some(true), None])),
            (r#"{"result":{"0":{"allowed":false},"0":{"allowed":true}}}"#, None),
            (r#"{"result":{"0":{"allowed":false},"\u0030":{"allowed":true}}}"#, None),
            (r#"{"result":{"0":{"allowed":false,"allowed":true}}}"#, None),
            (r#"{"result":{},"result":{"0":{"allowed":true}}}"#, None),
            (r#"{"result":[{"allowed":true}]}"#, None),
        ];
        for (body, expected) in rows {
            let read = wire.read_several(body.as_bytes(), 2).ok();
            assert_eq!(read, expected.map(Vec::from), "{body}");
        }
    }
}
