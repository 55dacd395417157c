//! One question, in the words of a protocol, and what a protocol makes of several.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

/// One question about one caller and one target: members of a JSON object, without its braces.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What the questions of a list have in common.
    pub(crate) shared: Arc<str>,
    /// What this one is about.
    pub(crate) own: String,
    /// When the caller's token ends.
    pub(crate) ends: Option<Duration>,
    /// How it is asked about together with all others like it, where it may be.
    pub(crate) listed: Option<Listed>,
}

/// A question about an item of a list, for a protocol that can name all that the caller may use.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listed {
    /// The body that asks for all names of the kind: the same for the questions of one list.
    pub(crate) body: Arc<str>,
    /// The name that stands in the answer if this one may be used.
    pub(crate) name: String,
}

/// What a caller may use, by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Names {
    pub(crate) names: HashSet<String>,
    /// Whether these are all, so that other names are known to be a no.
    pub(crate) complete: bool,
}

/// A protocol of questions and answers.
pub(crate) trait Wire: Send + Sync + 'static {
    /// Where one question goes.
    fn single(&self) -> &Uri;

    /// Where several go, and how many at most; `None` to ask one by one.
    fn several(&self) -> Option<(&Uri, usize)>;

    /// The body that asks several questions, which have `shared` in common.
    fn ask_several(&self, shared: &str, own: &[&str]) -> String;

    /// The answer to one question.
    fn read_single(&self, body: &[u8]) -> Result<bool, &'static str>;

    /// The answers to `count` questions, in order; `None` to those that could not be answered.
    fn read_several(&self, body: &[u8], count: usize) -> Result<Vec<Option<bool>>, &'static str>;

    /// Where one asks for the names of all that a caller may use.
    fn listing(&self) -> Option<&Uri> {
        None
    }

    /// The names that a listing brought.
    fn read_listing(&self, _: &[u8]) -> Result<Names, &'static str> {
        Err("the protocol has no listings")
    }
}

impl Question {
    /// What is remembered with the answer: all of the question.
    pub(crate) fn key(&self) -> Arc<str> {
        let Self { shared, own, .. } = self;
        format!("{{{own},{shared}}}").into()
    }
}
