//! The bodies of AuthZEN requests and answers (Authorization API 1.0, sections 6 and 7).

use http::Uri;
use serde::Deserialize;

use crate::point::Wire;

pub(super) struct AuthZenWire {
    pub(super) evaluation: Uri,
    pub(super) evaluations: Uri,
    pub(super) batch: usize,
}

/// Members that are not named are ignored; one that is named twice is an error.
#[derive(Deserialize)]
struct Evaluation {
    decision: bool,
}

#[derive(Deserialize)]
struct Evaluations {
    evaluations: Vec<Evaluation>,
}

impl Wire for AuthZenWire {
    fn single(&self) -> &Uri {
        &self.evaluation
    }

    fn several(&self) -> Option<(&Uri, usize)> {
        (self.batch > 0).then_some((&self.evaluations, self.batch))
    }

    fn ask_several(&self, shared: &str, own: &[&str]) -> String {
        format!(
            r#"{{{shared},"options":{{"evaluations_semantic":"execute_all"}},"evaluations":[{{{}}}]}}"#,
            own.join("},{")
        )
    }

    fn read_single(&self, body: &[u8]) -> Result<bool, &'static str> {
        serde_json::from_slice::<Evaluation>(body)
            .map(|evaluation| evaluation.decision)
            .map_err(|_| "the answer has no decision")
    }

    fn read_several(&self, body: &[u8], count: usize) -> Result<Vec<Option<bool>>, &'static str> {
        let Evaluations { evaluations } =
            serde_json::from_slice(body).map_err(|_| "the answer is not an array of decisions")?;
        // Shorter or longer, and nobody knows which answers which question.
        if evaluations.len() != count {
            return Err("there are not as many answers as questions");
        }
        Ok(evaluations.into_iter().map(|evaluation| Some(evaluation.decision)).collect())
    }
}
