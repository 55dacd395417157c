//! What a decision point says about itself (Authorization API 1.0, *Policy Decision Point Metadata*).

use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use tokio::time::timeout;

use crate::point::Client;

const NAME: &str = "authzen-configuration";

/// Members that are not named are ignored; one that is named twice is an error.
#[derive(Deserialize)]
struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: Option<String>,
}

/// Where one question goes, and where several.
pub(super) async fn read(
    client: &Client,
    point: &str,
    patience: Duration,
) -> Result<(Uri, Option<Uri>), String> {
    let url = client.well_known(NAME).ok_or("they have no URL")?;
    let body = timeout(patience, client.get(&url)).await;
    let body = body.map_err(|_| "there was no answer in time")??;
    let metadata: Metadata =
        serde_json::from_slice(&body).map_err(|_| "they are not what the protocol says")?;
    if metadata.policy_decision_point != point {
        return Err("they are about another decision point".into());
    }
    let endpoint = |url: String| client.endpoint(&url).ok_or("they name an endpoint elsewhere");
    let evaluation = endpoint(metadata.access_evaluation_endpoint)?;
    let evaluations = metadata.access_evaluations_endpoint.map(endpoint).transpose()?;
    Ok((evaluation, evaluations))
}
