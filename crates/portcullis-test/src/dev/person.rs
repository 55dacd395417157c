//! Someone to sign in as.

/// Someone whom the [`DevIssuer`](crate::DevIssuer) knows.
#[derive(Clone, Debug)]
#[must_use]
pub struct Person {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    pub(crate) scopes: Vec<String>,
}

impl Person {
    /// A person without groups and scopes. The name is the `sub` of their tokens.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), groups: Vec::new(), scopes: Vec::new() }
    }

    /// Sets the `groups` claim.
    pub fn groups<T: Into<String>>(mut self, groups: impl IntoIterator<Item = T>) -> Self {
        self.groups = groups.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes that this person may have.
    pub fn scopes<T: Into<String>>(mut self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// The scopes of `requested` that this person may have; all of theirs when none is requested.
    pub(crate) fn granted(&self, requested: Option<&str>) -> Vec<String> {
        let requested: Vec<&str> = requested.unwrap_or_default().split_ascii_whitespace().collect();
        let wanted = |scope: &&String| requested.is_empty() || requested.contains(&scope.as_str());
        self.scopes.iter().filter(wanted).cloned().collect()
    }
}
