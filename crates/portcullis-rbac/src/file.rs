//! Policies from files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize as _;

use crate::{ConfigError, Policy, PolicyBuilder};

mod at;
mod document;
mod filled;
mod into;
mod node;
mod read;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "toml")]
mod toml;
#[cfg(feature = "yaml")]
mod yaml;

use document::PolicyDoc;
use node::Node;
use read::Fault;

/// The largest policy file that is read, in bytes.
pub(crate) const MAX_FILE: u64 = 16 << 20;

impl Policy {
    /// Reads a policy from YAML; the [crate docs](crate#a-policy-file) show one.
    ///
    /// Unknown and repeated keys, merge keys and booleans other than `true` and `false` are errors.
    ///
    /// # Errors
    /// As [`PolicyBuilder::build`], and when the text is not YAML of the right shape. The error
    /// names the line and column.
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        PolicyBuilder::from_yaml(text)?.build()
    }

    /// Reads a policy from TOML, with the same keys as YAML.
    ///
    /// # Errors
    /// As [`PolicyBuilder::build`], and when the text is not TOML of the right shape. The error
    /// names the line and column.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        PolicyBuilder::from_toml(text)?.build()
    }

    /// Reads a policy from a file of at most 16 MiB: TOML if it is named `….toml`, YAML if it is
    /// named `….yaml`, `….yml` or `….json`.
    ///
    /// # Errors
    /// As [`Policy::from_yaml`] and [`Policy::from_toml`], and when the file cannot be read or has
    /// another name. The error names the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        load(path, &text_of(path)?, Format::of(path)?)
    }

    /// Reads a policy from a YAML file of at most 16 MiB, whatever its name.
    ///
    /// # Errors
    /// As [`Policy::from_yaml`], and when the file cannot be read. The error names the file.
    #[cfg(feature = "yaml")]
    pub fn from_yaml_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        load(path, &text_of(path)?, Format::Yaml)
    }

    /// The JSON Schema (draft 2020-12) of policy files, for editors and checks before a commit.
    /// Names that are not defined, patterns that cannot match and the like are found by reading
    /// alone.
    #[cfg(feature = "schema")]
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schema::generate()
    }
}

impl PolicyBuilder {
    /// Reads YAML as [`Policy::from_yaml`] does, to add to it or change it before it is built.
    ///
    /// # Errors
    /// When the text is not YAML of the right shape.
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self, ConfigError> {
        into_builder(&yaml::parse(text)?)
    }

    /// Reads TOML as [`Policy::from_toml`] does, to add to it or change it before it is built.
    ///
    /// # Errors
    /// When the text is not TOML of the right shape.
    #[cfg(feature = "toml")]
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        into_builder(&toml::parse(text)?)
    }
}

/// The languages of policy files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    #[cfg(feature = "yaml")]
    Yaml,
    #[cfg(feature = "toml")]
    Toml,
}

impl Format {
    pub(crate) fn of(path: &Path) -> Result<Self, ConfigError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            #[cfg(feature = "yaml")]
            Some("yaml" | "yml" | "json") => Ok(Self::Yaml),
            #[cfg(feature = "toml")]
            Some("toml") => Ok(Self::Toml),
            _ => Err(ConfigError::new(
                "is not named .yaml, .yml, .json or .toml, or this build lacks its format",
            )
            .in_file(path)),
        }
    }
}

/// The text of a file that is not too large.
pub(crate) fn text_of(path: &Path) -> Result<String, ConfigError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| ConfigError::new("cannot be read").caused_by(error).in_file(path))?;
    if text.len() as u64 > MAX_FILE {
        return Err(ConfigError::new("is larger than 16 MiB").in_file(path));
    }
    Ok(text)
}

/// The policy that `text` from `path` is.
pub(crate) fn load(path: &Path, text: &str, format: Format) -> Result<Policy, ConfigError> {
    let policy = match format {
        #[cfg(feature = "yaml")]
        Format::Yaml => Policy::from_yaml(text),
        #[cfg(feature = "toml")]
        Format::Toml => Policy::from_toml(text),
    };
    policy.map_err(|error| error.in_file(path))
}

fn into_builder(document: &Node) -> Result<PolicyBuilder, ConfigError> {
    PolicyDoc::deserialize(document)
        .map_err(|Fault { message, place }| ConfigError::new(message).at(place))?
        .into_builder()
}

#[cfg(test)]
#[cfg(all(feature = "yaml", feature = "toml"))]
mod tests;
