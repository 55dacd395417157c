//! Identity for servers on standard input and output.

use portcullis_core::Principal;
use serde_json::Map;

use crate::read::strings;
use crate::{IdentityError, IdentityErrorKind as Kind, ListFormat, value};

const EMAIL: &str = "MCP_USER_EMAIL";
const GROUPS: &str = "MCP_USER_GROUPS";
const TOKEN: &str = "MCP_USER_TOKEN";

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// The caller of a server on standard input and output: whoever started the process says who it is,
/// in `MCP_USER_EMAIL` and `MCP_USER_GROUPS` (joined with `,`), or with an access token in
/// `MCP_USER_TOKEN`. Look for the token first: names are the launcher's word, and a token is the
/// issuer's.
///
/// There is no connection and no peer here. The launcher can say anything, as it could replace the
/// server altogether; what this buys is one policy for both transports. The rules for the values are
/// those for headers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Environment;

impl Environment {
    /// The principal that `vars` name: its subject is the e-mail address, its method `environment`.
    /// Without `MCP_USER_GROUPS` it is in no group.
    ///
    /// # Errors
    /// When there is no address or more than one, or a value that a header could not have either.
    pub fn principal(
        issuer: impl Into<String>,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Principal, IdentityError> {
        let (mut email, mut groups) = (None, None);
        for (name, value) in vars {
            let (slot, name) = match name.as_str() {
                EMAIL => (&mut email, EMAIL),
                GROUPS => (&mut groups, GROUPS),
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(IdentityError::new(Kind::Repeated, name));
            }
        }
        let wrong = |name| move |kind| IdentityError::new(kind, name);
        let email = email.unwrap_or_default();
        let subject = value::email(email.as_bytes()).map_err(wrong(EMAIL))?;
        if subject.is_empty() {
            return Err(IdentityError::new(Kind::Missing, EMAIL));
        }
        let groups = groups.unwrap_or_default();
        let groups =
            value::list(groups.as_bytes(), ListFormat::Delimited(',')).map_err(wrong(GROUPS))?;
        let mut claims = Map::new();
        claims.insert("email".to_owned(), subject.into());
        claims.insert("groups".to_owned(), strings(&groups));
        Ok(Principal::builder(issuer, subject)
            .method("environment")
            .groups(groups)
            .claims(claims)
            .build())
    }

    /// The access token among `vars`, if there is one. It says nothing until it is verified for this
    /// server, its issuer and its end included: with `portcullis_jwt::Verifier::verify_token`, which
    /// yields the principal. Whoever can read the process's environment can use it too.
    ///
    /// # Errors
    /// When there are two, or one with other than visible ASCII or of more than 16 KiB.
    pub fn token(
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Option<String>, IdentityError> {
        let mut token = None;
        for (_, value) in vars.into_iter().filter(|(name, _)| name == TOKEN) {
            if token.replace(value).is_some() {
                return Err(IdentityError::new(Kind::Repeated, TOKEN));
            }
        }
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        if token.len() > MAX_TOKEN {
            return Err(IdentityError::new(Kind::TooLarge, TOKEN));
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(IdentityError::new(Kind::NotText, TOKEN));
        }
        Ok(Some(token))
    }

    /// The access token in this process's environment, if there is one.
    ///
    /// # Errors
    /// As [`token`](Self::token); a value that is not Unicode is not visible ASCII.
    pub fn token_from_process() -> Result<Option<String>, IdentityError> {
        Self::token(read(&[TOKEN])?)
    }

    /// The principal that this process's environment names.
    ///
    /// # Errors
    /// As [`principal`](Self::principal); a value that is not Unicode is not printable ASCII.
    pub fn from_process(issuer: impl Into<String>) -> Result<Principal, IdentityError> {
        Self::principal(issuer, read(&[EMAIL, GROUPS])?)
    }
}

/// These variables of this process, as far as they are set.
fn read(names: &[&str]) -> Result<Vec<(String, String)>, IdentityError> {
    let mut vars = Vec::new();
    for name in names {
        match std::env::var(name) {
            Ok(value) => vars.push(((*name).to_owned(), value)),
            Err(std::env::VarError::NotPresent) => {}
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(IdentityError::new(Kind::NotText, name));
            }
        }
    }
    Ok(vars)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(vars: &[(&str, &str)]) -> Result<Principal, IdentityError> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::principal("urn:example:launcher", vars)
    }

    #[test]
    fn the_launcher_names_the_caller() {
        let vars = [("PATH", "/bin"), (EMAIL, "alice@example.com"), (GROUPS, "staff,site ops")];
        let alice = principal(&vars).unwrap();
        assert_eq!(alice.subject(), "alice@example.com");
        assert_eq!(alice.issuer(), "urn:example:launcher");
        assert_eq!(alice.groups(), ["staff", "site ops"]);
        assert_eq!(alice.method(), "environment");
        assert_eq!(alice.claims()["email"], "alice@example.com");
        assert!(!alice.groups_unknown() && alice.client_id().is_none());
    }

    #[test]
    fn the_rules_are_those_of_headers() {
        for (name, vars, kind) in [
            ("nobody", &[][..], Kind::Missing),
            ("empty", &[(EMAIL, " ")], Kind::Missing),
            ("two addresses", &[(EMAIL, "a@b.c"), (EMAIL, "a@b.c")], Kind::Repeated),
            ("two @", &[(EMAIL, "a@b@c.d")], Kind::Malformed),
            ("no address", &[(EMAIL, "alice")], Kind::Malformed),
            ("control", &[(EMAIL, "a@b.c\n")], Kind::NotText),
            ("not ASCII", &[(EMAIL, "a@b.c"), (GROUPS, "größe")], Kind::NotText),
            ("empty group", &[(EMAIL, "a@b.c"), (GROUPS, "a,,b")], Kind::Malformed),
            ("group with a space", &[(EMAIL, "a@b.c"), (GROUPS, "a, b")], Kind::Malformed),
        ] {
            assert_eq!(principal(vars).unwrap_err().kind(), kind, "{name}");
        }
    }

    #[test]
    fn the_launcher_has_a_token() {
        let token = |vars: &[(&str, &str)]| {
            Environment::token(vars.iter().map(|(name, value)| ((*name).into(), (*value).into())))
                .map_err(|error| error.kind())
        };
        let long = "x".repeat(MAX_TOKEN + 1);
        for (name, vars, expected) in [
            ("none", &[(EMAIL, "a@b.c")][..], Ok(None)),
            ("empty", &[(TOKEN, "")], Ok(None)),
            ("one", &[(EMAIL, "a@b.c"), (TOKEN, "a.b.c")], Ok(Some("a.b.c".to_owned()))),
            ("two", &[(TOKEN, "a.b.c"), (TOKEN, "a.b.c")], Err(Kind::Repeated)),
            ("a line break", &[(TOKEN, "a.b.c\n")], Err(Kind::NotText)),
            ("a space", &[(TOKEN, "Bearer a.b.c")], Err(Kind::NotText)),
            ("not ASCII", &[(TOKEN, "a.b.\u{e9}")], Err(Kind::NotText)),
            ("too long", &[(TOKEN, &long)], Err(Kind::TooLarge)),
        ] {
            assert_eq!(token(vars), expected, "{name}");
        }
    }
}
