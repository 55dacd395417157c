//! How the gate asks an issuer about opaque tokens, from the command line.

use std::error::Error;
use std::time::Duration;

use portcullis::{Algorithm, ClientAuth, ClientKey, Introspection};

/// Answers are used for this long, so that a test of revocation is short.
const CACHE: Duration = Duration::from_secs(1);

/// Reads `METHOD URL CLIENT SECRET`; in place of the secret, `key` has the path of a PEM file.
pub fn settings(text: &str) -> Result<Introspection, Box<dyn Error>> {
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().ok_or("--introspect is METHOD URL CLIENT SECRET");
    let (method, url, client, secret) = (word()?, word()?, word()?, word()?);
    let auth = match method {
        "basic" => ClientAuth::secret_basic(client, secret),
        "post" => ClientAuth::secret_post(client, secret),
        "key" => {
            let pem = std::fs::read_to_string(secret)?;
            ClientAuth::private_key_jwt(client, ClientKey::from_pem(Algorithm::Es256, &pem)?)
        }
        _ => return Err(format!("{method:?} is not a way to authenticate").into()),
    };
    Ok(Introspection::new(auth).endpoint(url).cache_for(CACHE))
}
