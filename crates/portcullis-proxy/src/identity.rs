//! Who is calling, in plain headers.

use std::borrow::Cow;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use portcullis_core::header_names::same;
use portcullis_core::{Caller, Denial, Principal};

use crate::ConfigError;
use crate::request::is_own;

/// Which headers tell an upstream who is calling: the families that common sidecars set, so that a server
/// made for one of those needs no change.
///
/// They are not signed. The upstream must take requests from the gate alone: by a Unix socket, a loopback
/// address, a network that only the gate is in, or a client certificate that it demands. Where it
/// cannot, use `portcullis-assertion`.
///
/// What clients send under these names never arrives. An anonymous caller gets none of them.
#[derive(Clone, Debug)]
#[must_use]
pub struct IdentityHeaders {
    user: HeaderName,
    email: Option<HeaderName>,
    preferred_username: Option<HeaderName>,
    groups: Option<(HeaderName, char)>,
    plain_for: Option<String>,
}

impl IdentityHeaders {
    /// The caller's stable name in `user`, and nothing else yet.
    pub const fn new(user: HeaderName) -> Self {
        Self { user, email: None, preferred_username: None, groups: None, plain_for: None }
    }

    /// `X-Auth-Request-User`, `-Email`, `-Preferred-Username` and `-Groups` (joined with `,`).
    pub fn auth_request() -> Self {
        Self::family(
            "x-auth-request-user",
            "x-auth-request-email",
            "x-auth-request-preferred-username",
            "x-auth-request-groups",
        )
    }

    /// `X-Forwarded-User`, `-Email`, `-Preferred-Username` and `-Groups` (joined with `,`).
    pub fn forwarded_user() -> Self {
        Self::family(
            "x-forwarded-user",
            "x-forwarded-email",
            "x-forwarded-preferred-username",
            "x-forwarded-groups",
        )
    }

    /// `Remote-User`, `Remote-Email`, `Remote-Name` and `Remote-Groups` (joined with `,`).
    pub fn remote_user() -> Self {
        Self::family("remote-user", "remote-email", "remote-name", "remote-groups")
    }

    fn family(
        user: &'static str,
        email: &'static str,
        preferred_username: &'static str,
        groups: &'static str,
    ) -> Self {
        Self::new(HeaderName::from_static(user))
            .email(HeaderName::from_static(email))
            .preferred_username(HeaderName::from_static(preferred_username))
            .groups(HeaderName::from_static(groups), ',')
    }

    /// Sends the claim `email`, where the issuer says that it is verified (`email_verified`). It is never
    /// the identity.
    pub fn email(mut self, name: HeaderName) -> Self {
        self.email = Some(name);
        self
    }

    /// Sends the claim `preferred_username`: a name for show, which people may choose themselves.
    pub fn preferred_username(mut self, name: HeaderName) -> Self {
        self.preferred_username = Some(name);
        self
    }

    /// Sends the caller's groups, joined with `delimiter`. Left out where there are none, or not all are
    /// known. A caller with a group whose name holds the delimiter is answered 500: the upstream would
    /// read two groups.
    pub fn groups(mut self, name: HeaderName, delimiter: char) -> Self {
        self.groups = Some((name, delimiter));
        self
    }

    /// Makes the user the subject as the caller's issuer names it, for callers of this one issuer.
    /// Callers of any other are answered 500, because two issuers may use one name for two people.
    ///
    /// By default the user is the issuer, `#` and the subject, as in the `sub` of
    /// `portcullis-assertion`.
    pub fn plain_subjects(mut self, issuer: impl Into<String>) -> Self {
        self.plain_for = Some(issuer.into());
        self
    }

    /// What cannot be honoured is an error.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if let Some(name) = self.names().find(|name| is_own(name.as_str())) {
            return Err(ConfigError::new(format!("the header {name} cannot carry an identity")));
        }
        let names: Vec<_> = self.names().collect();
        let twice = |(at, name): (usize, &&HeaderName)| {
            names.iter().take(at).any(|other| same(other.as_str(), name.as_str()))
        };
        if names.iter().enumerate().any(twice) {
            return Err(ConfigError::new("two parts of an identity have one header"));
        }
        if let Some((_, delimiter)) = self.groups
            && !(delimiter.is_ascii_punctuation() || delimiter == ' ')
        {
            return Err(ConfigError::new("groups are joined with a mark or a space"));
        }
        if self.plain_for.as_deref().is_some_and(|issuer| issuer.trim().is_empty()) {
            return Err(ConfigError::new("the issuer of plain subjects is empty"));
        }
        Ok(())
    }

    fn names(&self) -> impl Iterator<Item = &HeaderName> {
        std::iter::once(&self.user)
            .chain(&self.email)
            .chain(&self.preferred_username)
            .chain(self.groups.as_ref().map(|(name, _)| name))
    }

    /// Whether a server behind could take this field for one of ours.
    pub(crate) fn claims(&self, name: &HeaderName) -> bool {
        self.names().any(|own| same(own.as_str(), name.as_str()))
    }

    /// Says who is calling. What came with the request is gone already.
    pub(crate) fn write(
        &self,
        headers: &mut HeaderMap,
        caller: Option<&Caller>,
    ) -> Result<(), Denial> {
        let principal = match caller {
            None => return Err(Denial::miswired("no sign-in layer outside the upstream")),
            Some(Caller::Verified(principal)) => principal,
            Some(_) => return Ok(()),
        };
        headers.insert(self.user.clone(), self.user_of(principal)?);
        if let (Some(name), Some(email)) = (&self.email, email(principal)) {
            headers.insert(name.clone(), email);
        }
        let preferred = claim(principal, "preferred_username");
        if let (Some(name), Some(preferred)) = (&self.preferred_username, preferred) {
            headers.insert(name.clone(), preferred);
        }
        if let Some((name, delimiter)) = &self.groups
            && !principal.groups_unknown()
            && !principal.groups().is_empty()
        {
            headers.insert(name.clone(), joined(principal.groups(), *delimiter)?);
        }
        Ok(())
    }

    fn user_of(&self, principal: &Principal) -> Result<HeaderValue, Denial> {
        let user = match &self.plain_for {
            None => Cow::Owned(format!("{}#{}", principal.issuer(), principal.subject())),
            Some(issuer) if issuer == principal.issuer() => Cow::Borrowed(principal.subject()),
            Some(_) => {
                return Err(Denial::miswired("plain subjects were promised for another issuer"));
            }
        };
        value(&user).ok_or_else(|| Denial::miswired("a caller's name does not fit in a header"))
    }
}

/// Only one that the issuer vouches for: at some identity providers people write what they like there.
fn email(principal: &Principal) -> Option<HeaderValue> {
    let verified = principal.claims().get("email_verified").and_then(|claim| claim.as_bool());
    claim(principal, "email").filter(|_| verified == Some(true))
}

fn claim(principal: &Principal, name: &str) -> Option<HeaderValue> {
    value(principal.claims().get(name)?.as_str()?)
}

fn joined(groups: &[String], delimiter: char) -> Result<HeaderValue, Denial> {
    let unfit = || Denial::miswired("the name of a caller's group does not fit in a header");
    if groups.iter().any(|group| group.contains(delimiter) || value(group).is_none()) {
        return Err(unfit());
    }
    let mut text = String::new();
    for group in groups {
        if !text.is_empty() {
            text.push(delimiter);
        }
        text.push_str(group);
    }
    value(&text).ok_or_else(unfit)
}

/// A value that every server reads alike: visible ASCII, with spaces inside.
fn value(text: &str) -> Option<HeaderValue> {
    let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    let fits = !text.is_empty() && text.trim() == text && text.bytes().all(visible);
    fits.then(|| HeaderValue::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests;
