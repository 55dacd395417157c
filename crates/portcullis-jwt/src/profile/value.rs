//! The values of a profile's settings, and what they may look like.

use std::fmt;

use http::Uri;

use crate::ConfigError;

/// Values by setting, in the order in which they were set.
#[derive(Clone)]
pub(super) struct Values {
    profile: &'static str,
    set: Vec<(&'static str, Vec<String>)>,
}

impl Values {
    pub(super) fn new(profile: &'static str) -> Self {
        Self { profile, set: Vec::new() }
    }

    pub(super) fn has(&self, setting: &str) -> bool {
        !self.all(setting).is_empty()
    }

    pub(super) fn add(&mut self, setting: &'static str, value: String) {
        match self.set.iter_mut().find(|(name, _)| *name == setting) {
            Some((_, values)) => values.push(value),
            None => self.set.push((setting, vec![value])),
        }
    }

    /// Every value, none when it is not set.
    pub(super) fn all(&self, setting: &str) -> &[String] {
        let found = self.set.iter().find(|(name, _)| *name == setting);
        found.map_or(&[], |(_, values)| values)
    }

    /// The value, when it is set.
    pub(super) fn get(&self, setting: &str) -> Option<&str> {
        self.all(setting).first().map(String::as_str)
    }

    /// The value, which must be set.
    pub(super) fn need(&self, setting: &str) -> Result<&str, ConfigError> {
        self.get(setting).ok_or_else(|| {
            ConfigError::new(format!("the profile {} needs the setting {setting}", self.profile))
        })
    }

    /// What is wrong with a setting.
    pub(super) fn fault(&self, setting: &str, fault: &str) -> ConfigError {
        ConfigError::new(format!("{setting} of the profile {} {fault}", self.profile))
    }

    /// A GUID in lower case, as Microsoft writes them into tokens.
    pub(super) fn guid(&self, setting: &str) -> Result<String, ConfigError> {
        let text = self.need(setting)?;
        let lengths = [8, 4, 4, 4, 12];
        let parts: Vec<_> = text.split('-').collect();
        let hex = |part: &str, length| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let good = parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(part, length)| hex(part, length));
        good.then(|| text.to_ascii_lowercase()).ok_or_else(|| self.fault(setting, "is not a GUID"))
    }

    /// An `https` URL (or `http`, which [`Issuer::internal`](crate::Issuer::internal) limits to
    /// loopback) without query or fragment, and its path.
    pub(super) fn url(&self, setting: &str) -> Result<(&str, String), ConfigError> {
        let text = self.need(setting)?;
        let fault = || self.fault(setting, "is not an absolute URL without query and fragment");
        let uri: Uri = text.parse().map_err(|_| fault())?;
        let web = matches!(uri.scheme_str(), Some("https" | "http"));
        if !web || uri.authority().is_none() || text.contains(['?', '#', '{', '}']) {
            return Err(fault());
        }
        Ok((text, uri.path().to_owned()))
    }

    /// A host name, with neither scheme nor port nor path.
    pub(super) fn host(&self, setting: &str) -> Result<&str, ConfigError> {
        let text = self.need(setting)?;
        let name =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        let good = text.contains('.') && !text.starts_with('.') && text.bytes().all(name);
        if good { Ok(text) } else { Err(self.fault(setting, "is not a host name in lower case")) }
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.set.iter().map(|(name, values)| (name, values))).finish()
    }
}
