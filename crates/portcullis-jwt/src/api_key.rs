//! API keys, for service accounts that cannot get tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Principal, Reason, TokenInfo};
use portcullis_crypto::{MacKey, fill_random, same};

use crate::ConfigError;
use crate::jose::decode;

/// What every key starts with, so that secret scanners find keys in places they should not be.
const PREFIX: &str = "pck_";

/// How many random bytes a key has.
const RANDOM: usize = 32;

/// The shortest pepper, in bytes.
const MIN_PEPPER: usize = 32;

/// The API keys that are accepted, for [`JwtLayer::api_keys`](crate::JwtLayer::api_keys).
///
/// A key is `pck_` and 43 more characters, sent as a bearer token. It lives until it is taken away,
/// anybody who has it can use it, and its holder does not sign in: prefer tokens. Only digests of
/// keys are kept, HMAC-SHA-256 under a pepper of your own, so that a stolen list opens nothing.
///
/// ```
/// use portcullis_jwt::{ApiKey, ApiKeys};
///
/// # fn main() -> Result<(), portcullis_jwt::ConfigError> {
/// # let pepper = [7; 32];
/// // Once, by hand: show the key to its holder, keep the digest.
/// let minted = ApiKeys::mint(&pepper)?;
/// let digest = minted.digest().to_owned();
/// let key = minted.reveal();
/// assert!(key.starts_with("pck_"));
///
/// let keys = ApiKeys::new(&pepper, [ApiKey::new(digest, "nightly-build").scope("notes:read")])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ApiKeys(Arc<Held>);

struct Held {
    pepper: MacKey,
    /// By the first bytes of the digest. Only who has the pepper can choose those.
    accounts: HashMap<[u8; 8], Vec<Account>>,
}

struct Account {
    digest: [u8; 32],
    expires_at: Option<Duration>,
    principal: Arc<Principal>,
}

impl ApiKeys {
    /// The issuer of callers with API keys. No [`Issuer`](crate::Issuer) may have this name.
    pub const ISSUER: &str = crate::issuer::API_KEY_ISSUER;

    /// Accepts `keys`, whose digests were made with `pepper`: at least 32 random bytes, kept apart
    /// from the digests. Several keys may name one account, so that one replaces another without a
    /// gap.
    ///
    /// # Errors
    /// When the pepper is short, or a digest is not one, or is there twice; or an account has no
    /// name.
    pub fn new(pepper: &[u8], keys: impl IntoIterator<Item = ApiKey>) -> Result<Self, ConfigError> {
        let pepper = hmac_key(pepper)?;
        let mut accounts: HashMap<_, Vec<Account>> = HashMap::new();
        for key in keys {
            let account = key.account()?;
            let bucket = accounts.entry(head(&account.digest)).or_default();
            if bucket.iter().any(|other| other.digest == account.digest) {
                return Err(ConfigError::new("the digest of an API key is there twice"));
            }
            bucket.push(account);
        }
        Ok(Self(Arc::new(Held { pepper, accounts })))
    }

    /// Makes a new key. It can be shown once; only its digest is to be kept.
    ///
    /// # Errors
    /// When the pepper is short, or there are no random bytes.
    pub fn mint(pepper: &[u8]) -> Result<MintedKey, ConfigError> {
        let pepper = hmac_key(pepper)?;
        let mut random = [0; RANDOM];
        fill_random(&mut random)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
        let digest = URL_SAFE_NO_PAD.encode(pepper.sign(key.as_bytes()));
        Ok(MintedKey { key, digest })
    }

    /// Whether `token` means to be an API key, known or not.
    pub(crate) fn claims(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// Whose key this is.
    pub(crate) fn verify(&self, key: &str, now: Duration) -> Result<Arc<Principal>, Reason> {
        let digest = self.0.pepper.sign(key.as_bytes());
        let bucket = self.0.accounts.get(&head(&digest)).ok_or(Reason::BadApiKey)?;
        let account = bucket
            .iter()
            .find(|account| same(&account.digest, &digest))
            .ok_or(Reason::BadApiKey)?;
        if account.expires_at.is_some_and(|end| now >= end) {
            return Err(Reason::Expired);
        }
        Ok(Arc::clone(&account.principal))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.0.accounts.values().map(Vec::len).sum();
        f.debug_struct("ApiKeys").field("keys", &keys).finish_non_exhaustive()
    }
}

fn hmac_key(pepper: &[u8]) -> Result<MacKey, ConfigError> {
    if pepper.len() < MIN_PEPPER {
        return Err(ConfigError::new("the pepper of API keys has fewer than 32 bytes"));
    }
    Ok(MacKey::new(pepper))
}

fn head(digest: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    [a, b, c, d, e, f, g, h]
}

/// One API key: its digest, and the account it is for.
#[derive(Clone, Debug)]
#[must_use = "a key is accepted only once `ApiKeys` has it"]
pub struct ApiKey {
    digest: String,
    account: String,
    scopes: Vec<String>,
    groups: Vec<String>,
    roles: Vec<String>,
    expires_at: Option<Duration>,
}

impl ApiKey {
    /// The key with this digest, as [`MintedKey::digest`] gave it, for the service account of this
    /// name. It grants no scope and never ends, unless told otherwise.
    pub fn new(digest: impl Into<String>, account: impl Into<String>) -> Self {
        Self {
            digest: digest.into(),
            account: account.into(),
            scopes: Vec::new(),
            groups: Vec::new(),
            roles: Vec::new(),
            expires_at: None,
        }
    }

    /// Grants a scope.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Puts the account in a group.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.groups.push(group.into());
        self
    }

    /// Gives the account a role.
    pub fn role(mut self, role: impl Into<String>) -> Self {
        self.roles.push(role.into());
        self
    }

    /// Ends the key at this time since the Unix epoch.
    pub fn expires_at(mut self, unix: Duration) -> Self {
        self.expires_at = Some(unix);
        self
    }

    fn account(self) -> Result<Account, ConfigError> {
        let digest =
            decode(&self.digest).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()).ok_or_else(
                || ConfigError::new("the digest of an API key is not 32 bytes in base64url"),
            )?;
        if self.account.is_empty() {
            return Err(ConfigError::new("the account of an API key has no name"));
        }
        let mut principal = Principal::builder(ApiKeys::ISSUER, &self.account)
            .client_id(self.account)
            .client_only()
            .method("api_key")
            .scopes(self.scopes)
            .groups(self.groups)
            .roles(self.roles)
            // Enough to find the key in the list, and nothing to use it with.
            .token(TokenInfo {
                id: Some(self.digest.chars().take(8).collect()),
                algorithm: None,
                key_id: None,
            });
        if let Some(end) = self.expires_at {
            principal = principal.expires_at(end);
        }
        let principal = Arc::new(principal.build());
        Ok(Account { digest, expires_at: self.expires_at, principal })
    }
}

/// A new key; made by [`ApiKeys::mint`].
#[must_use = "a key that is not shown is lost"]
pub struct MintedKey {
    key: String,
    digest: String,
}

impl MintedKey {
    /// What to keep: it does not lead back to the key.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The key itself, for its holder and nobody else.
    #[must_use]
    pub fn reveal(self) -> String {
        self.key
    }
}

// By hand: it is a secret.
impl fmt::Debug for MintedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedKey").field("digest", &self.digest).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEPPER: [u8; 32] = [7; 32];

    fn mint() -> (String, String) {
        let minted = ApiKeys::mint(&PEPPER).unwrap();
        let digest = minted.digest().to_owned();
        (minted.reveal(), digest)
    }

    #[test]
    fn several_keys_of_one_account_overlap() {
        let now = Duration::from_secs(1_000);
        let ((old, old_digest), (new, new_digest)) = (mint(), mint());
        let keys = [
            ApiKey::new(old_digest.as_str(), "ci").expires_at(now),
            ApiKey::new(new_digest, "ci").scope("a").group("robots").role("reader"),
        ];
        let keys = ApiKeys::new(&PEPPER, keys).unwrap();
        let before = now - Duration::from_millis(1);
        assert_eq!(keys.verify(&old, before).unwrap().subject(), "ci");
        assert_eq!(keys.verify(&old, now).unwrap_err(), Reason::Expired);
        let principal = keys.verify(&new, now).unwrap();
        assert_eq!(principal.issuer(), ApiKeys::ISSUER);
        assert_eq!(principal.scopes(), ["a"]);
        assert_eq!(principal.groups(), ["robots"]);
        assert_eq!(principal.roles(), ["reader"]);
        assert_eq!(principal.method(), "api_key");
        assert!(principal.is_client());
        assert_eq!(*principal, *keys.verify(&old, before).unwrap(), "the same identity");
    }

    #[test]
    fn other_keys_are_unknown() {
        let now = Duration::ZERO;
        let (key, digest) = mint();
        let keys = ApiKeys::new(&PEPPER, [ApiKey::new(digest.as_str(), "ci")]).unwrap();
        let rows = [
            "pck_",
            &format!("{key}A"),
            key.get(..40).unwrap(),
            &key.to_uppercase(),
            &digest,
            &format!("pck_{digest}"),
            &mint().0,
        ];
        for wrong in rows {
            assert_eq!(keys.verify(wrong, now).unwrap_err(), Reason::BadApiKey, "{wrong}");
        }
        let salted = ApiKeys::new(&[8; 32], [ApiKey::new(digest.as_str(), "ci")]).unwrap();
        assert_eq!(salted.verify(&key, now).unwrap_err(), Reason::BadApiKey, "another pepper");
    }

    #[test]
    fn lists_that_cannot_be_meant_are_refused() {
        let (_, digest) = mint();
        let digest = digest.as_str();
        assert!(ApiKeys::new(&[7; 31], []).is_err());
        assert!(ApiKeys::mint(&[7; 31]).is_err());
        for digest in ["", "AA", &format!("{digest}=")] {
            assert!(ApiKeys::new(&PEPPER, [ApiKey::new(digest, "ci")]).is_err(), "{digest}");
        }
        assert!(ApiKeys::new(&PEPPER, [ApiKey::new(digest, "")]).is_err());
        let twice = [ApiKey::new(digest, "ci"), ApiKey::new(digest, "cd")];
        assert!(ApiKeys::new(&PEPPER, twice).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let minted = ApiKeys::mint(&PEPPER).unwrap();
        let shown = format!("{minted:?}");
        let key = minted.reveal();
        assert!(!shown.contains(key.trim_start_matches(PREFIX)), "{shown}");
    }
}
