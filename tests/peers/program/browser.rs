//! A browser with a person in front of it who agrees to everything.

use std::collections::BTreeMap;
use std::error::Error;

use reqwest::Url;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect;

/// Opens `page` as `person`; returns the address below `callback` that the issuer leads to.
pub async fn browse(page: &str, person: &str, callback: &str) -> Result<String, Box<dyn Error>> {
    let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build()?;
    let mut cookies = BTreeMap::new();
    let mut url = Url::parse(page)?;
    url.query_pairs_mut().append_pair("login_hint", person);
    for _ in 0..10 {
        let cookie: Vec<_> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = http.get(url.clone()).header(COOKIE, cookie.join("; ")).send().await?;
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let Some(location) = answer.headers().get(LOCATION) else {
            return Err(format!("the issuer answered {}", answer.status()).into());
        };
        url = url.join(location.to_str()?)?;
        if url.as_str().starts_with(callback) {
            return Ok(url.into());
        }
    }
    Err("the issuer redirects in circles".into())
}
