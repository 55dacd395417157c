//! Policies from files, with their text for messages.

use std::path::Path;

use portcullis_core::Clock;
use portcullis_rbac::{ConfigError, Policy};
use schemars::JsonSchema;
use serde::Serialize;

use crate::input;
use crate::problem::Problem;

/// A policy that can be used, and where it is from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: String,
    text: String,
    toml: bool,
    pub(crate) policy: Policy,
}

/// Which policy something is said about.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub(crate) struct PolicyName {
    /// The file, as it was named; `-` is standard input.
    pub(crate) file: String,
    /// The version that audit records carry.
    pub(crate) version: String,
    /// The SHA-256 digest of everything that can change a decision.
    pub(crate) digest: String,
}

impl Source {
    /// Reads `path`: TOML if it is named `….toml`, YAML (and so JSON) otherwise.
    pub(crate) fn read(path: &Path) -> Result<Self, Problem> {
        let file = input::name(path);
        let toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let text = input::text(path)?;
        let policy = build(&text, toml).map_err(|error| problem(&error, &file, &text))?;
        Ok(Self { file, text, toml, policy })
    }

    /// The same policy, for which it is always `unix` seconds after the Unix epoch.
    pub(crate) fn at(&self, unix: u64) -> Result<Policy, Problem> {
        build(&self.text, self.toml)
            .map(|policy| policy.with_clock(Clock::manual(unix).0))
            .map_err(|error| problem(&error, &self.file, &self.text))
    }

    /// The warnings, with the lines that they are about.
    pub(crate) fn warnings(&self) -> Vec<Problem> {
        let warnings = self.policy.warnings().iter().map(|warning| {
            Problem::new(warning.message())
                .in_file(&*self.file)
                .at(warning.line(), warning.column())
                .within(&self.text)
                .warning()
        });
        warnings.collect()
    }

    pub(crate) fn name(&self) -> PolicyName {
        use portcullis_rbac::Authorizer as _;
        PolicyName {
            file: self.file.clone(),
            version: self.policy.version().as_str().to_owned(),
            digest: self.policy.digest().to_owned(),
        }
    }
}

fn build(text: &str, toml: bool) -> Result<Policy, ConfigError> {
    if toml { Policy::from_toml(text) } else { Policy::from_yaml(text) }
}

fn problem(error: &ConfigError, file: &str, text: &str) -> Problem {
    Problem::new(error.message()).in_file(file).at(error.line(), error.column()).within(text)
}
