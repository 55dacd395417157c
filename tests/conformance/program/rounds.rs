//! Answers that ask for something first (SEP-2322).

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::model::{
    ClientCapabilities, ErrorData, InputRequest, InputRequests, InputRequiredResult, InputResponses,
};

use crate::data::Rounds;

/// Seals what the client carries for the server; every start of the program makes a new one.
pub struct Seal(hmac::Key);

impl Seal {
    pub fn new() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Ok(Self(hmac::Key::generate(hmac::HMAC_SHA256, &random)?))
    }

    fn close(&self, round: usize) -> String {
        let round = round.to_string();
        let tag = hmac::sign(&self.0, round.as_bytes());
        format!("{round}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    fn open(&self, state: &str) -> Option<usize> {
        let (round, tag) = state.split_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&self.0, round.as_bytes(), &tag).ok()?;
        round.parse().ok()
    }
}

/// What the client sent along with its call.
pub struct Sent<'a> {
    pub responses: Option<&'a InputResponses>,
    pub state: Option<&'a str>,
    pub capabilities: Option<ClientCapabilities>,
}

/// What is still missing; `None` when the call can be answered.
///
/// A response that is no object counts as missing: it is asked for again.
pub fn missing(
    rounds: &Rounds,
    sent: &Sent<'_>,
    seal: &Seal,
) -> Result<Option<InputRequiredResult>, ErrorData> {
    let mut round = match sent.state {
        Some(state) if rounds.sealed => seal.open(state).ok_or_else(|| {
            ErrorData::invalid_params("requestState is not what this server sent", None)
        })?,
        _ => 0,
    };
    // Sealed, the number is that of the next round; else there is one round, answered or not.
    let asked = if rounds.sealed { round.checked_sub(1) } else { Some(0) };
    if let Some(asked) = asked {
        let answered = rounds.rounds.get(asked).is_none_or(|asked| {
            let mut wanted = asked.iter().filter(|(_, request)| wanted(rounds, request, sent));
            wanted.all(|(key, _)| {
                sent.responses.and_then(|all| all.get(key)).is_some_and(|one| one.is_object())
            })
        });
        round = if answered { asked + 1 } else { asked };
    }
    let Some(requests) = rounds.rounds.get(round) else { return Ok(None) };
    let requests: InputRequests = requests
        .iter()
        .filter(|(_, request)| wanted(rounds, request, sent))
        .map(|(key, request)| (key.clone(), request.clone()))
        .collect();
    let state = rounds.sealed.then(|| seal.close(round + 1));
    Ok(Some(InputRequiredResult::new(Some(requests), state)))
}

fn wanted(rounds: &Rounds, request: &InputRequest, sent: &Sent<'_>) -> bool {
    let Some(can) = sent.capabilities.as_ref().filter(|_| rounds.capable) else {
        return !rounds.capable;
    };
    match request {
        InputRequest::CreateMessage(_) => can.sampling.is_some(),
        InputRequest::Elicitation(_) => can.elicitation.is_some(),
        InputRequest::ListRoots(_) => can.roots.is_some(),
        _ => false,
    }
}
