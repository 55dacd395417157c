//! For the benches of this project alone: parts of the layer that others are compared with. No
//! interface, and no promise: it changes without notice.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{AnonymousReason, Caller, Version, View};

use crate::Limits;
use crate::custom::Catalogue;
use crate::filter::{self, Document, Facets, TaskNews, Ttl};
use crate::json::JsonLimits;
use crate::judge::{Eyes, Judge};
use crate::parse::{self, Parsed};

/// Reads a request's body as inspection does, with all checks; whether it is one.
#[must_use]
pub fn read(body: &[u8], limits: &Limits) -> bool {
    let mut parsed = Parsed::default();
    let read = parse::parse_into(&mut parsed, body, limits).is_ok();
    black_box(&parsed);
    read
}

/// Filters answers to a modern `tools/list`, as inspection does.
#[derive(Debug)]
pub struct Filter {
    eyes: Eyes,
    limits: Limits,
    catalogue: Catalogue,
}

impl Filter {
    /// A filter that shows what `view` shows.
    #[must_use]
    pub fn new(view: Arc<dyn View>, limits: Limits) -> Self {
        let caller = Caller::Anonymous(AnonymousReason::NoCredentials);
        let eyes = Eyes { caller, version: Version::V2026_07_28, view: Some(view) };
        Self { eyes, limits, catalogue: Catalogue::default() }
    }

    /// What is to be sent in the place of `answer`; `None` when that may pass as it is.
    ///
    /// # Errors
    /// It is no answer that may pass.
    #[expect(clippy::result_unit_err, reason = "for benches")]
    pub fn filter(&self, answer: &[u8]) -> Result<Option<Vec<u8>>, ()> {
        let facets = Facets {
            // As an exchange reads answers.
            limits: JsonLimits { values: u32::MAX, ..self.limits.json() },
            modern: true,
            task: TaskNews::None,
            no_tasks: true,
            completion: None,
            no_completions: false,
            cacheable: true,
            ttl: Ttl { cap: Duration::from_secs(60), until: None },
            contents: false,
            discover: None,
            listen: None,
            links: false,
            no_instructions: false,
            no_idle_features: false,
            tool_uis: false,
            sampling_tools: false,
            pins: None,
            catalogue: Some(&self.catalogue),
            tasks: None,
        };
        let mut judge = Judge::new(&self.eyes, None, false);
        match filter::document(answer, facets, &mut judge) {
            Ok(Document::One(message)) => Ok(black_box(message).edited),
            Ok(Document::Batch(_)) | Err(_) => Err(()),
        }
    }
}
