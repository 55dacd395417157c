//! Which era a message belongs to: table 1.4 of the requirements.

use portcullis_core::{Denial, Era, Reason, Text, Version};

use crate::config::InspectConfig;
use crate::lines::Lines;
use crate::mirror::{self, VERSION};
use crate::names::{META_CAPABILITIES, META_VERSION};
use crate::parse::{Member, Message, Shape};

/// What header and body say about the version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    /// Modern, of this enabled version.
    Modern(Version),
    /// Legacy, of this enabled version when the header names one.
    Legacy(Option<Version>),
}

/// The `MCP-Protocol-Version` field, at most once and without a comma.
pub(crate) fn header<'h>(version: Lines<'h>, id: Option<&Text>) -> Result<Option<&'h str>, Denial> {
    let value = mirror::single(version, &VERSION, id)?;
    value.map(|value| mirror::literal(value, &VERSION, id)).transpose().and_then(
        |value| match value {
            Some(value) if value.as_bytes().contains(&b',') => {
                Err(Denial::header_mismatch(id, VERSION.repeated))
            }
            value => Ok(value),
        },
    )
}

/// Classifies one message. `header` is what [`header`] said.
pub(crate) fn classify(
    config: &InspectConfig,
    header: Option<&str>,
    message: &Message<'_>,
    id: Option<&Text>,
) -> Result<Signal, Denial> {
    let meta = &message.params.meta;
    let initialize = message.shape == Shape::Request && message.method == "initialize";
    let unsupported =
        |requested: &str| Denial::unsupported_version(id, requested, &config.versions);
    let known = header.and_then(Version::parse);

    match (header, meta.version) {
        (Some(header), Member::Text(body)) if body.eq(header) => match known {
            Some(version) if version.era() == Era::Modern && config.supports(version) => {
                if message.shape == Shape::Request && !meta.capabilities {
                    return Err(missing(id, META_CAPABILITIES));
                }
                Ok(Signal::Modern(version))
            }
            // A legacy version is not spoken per request, so it is as good as unknown here.
            _ => Err(unsupported(header)),
        },
        (Some(_), Member::Text(_)) => Err(Denial::header_mismatch(id, VERSION.mismatch)),
        // Present but not a string: some decoders will see a version there.
        (Some(_), Member::Wrong) if known.is_none_or(|version| version.era() == Era::Legacy) => {
            Err(Denial::header_mismatch(id, VERSION.mismatch))
        }
        (None, Member::Text(_) | Member::Wrong) => {
            Err(Denial::header_mismatch(id, VERSION.missing))
        }
        (_, Member::Absent | Member::Wrong) if initialize && !config.legacy() => {
            Err(no_handshake(config, message, id))
        }
        (Some(header), Member::Absent | Member::Wrong) => match known {
            Some(version) if version.era() == Era::Modern => {
                without_meta(config, version, message, id)
            }
            Some(version) if config.supports(version) => Ok(Signal::Legacy(Some(version))),
            _ => Err(unsupported(header)),
        },
        (None, Member::Absent) if config.legacy() => Ok(Signal::Legacy(None)),
        (None, Member::Absent) => Err(Denial::header_mismatch(id, VERSION.missing)),
    }
}

/// A modern header over a body that does not name a version.
fn without_meta(
    config: &InspectConfig,
    version: Version,
    message: &Message<'_>,
    id: Option<&Text>,
) -> Result<Signal, Denial> {
    match message.shape {
        Shape::Request if message.method == "initialize" => {
            Err(Denial::header_mismatch(id, VERSION.mismatch))
        }
        Shape::Request => Err(missing(id, META_VERSION)),
        // Neither of these must have `_meta`.
        Shape::Notification | Shape::Response if config.supports(version) => {
            Ok(Signal::Modern(version))
        }
        Shape::Notification | Shape::Response => {
            Err(Denial::unsupported_version(id, version.as_str(), &config.versions))
        }
    }
}

fn missing(id: Option<&Text>, member: &'static str) -> Denial {
    match id {
        Some(id) => Denial::missing_meta(id, member),
        None => Denial::invalid_request(Reason::BadMeta),
    }
}

fn no_handshake(config: &InspectConfig, message: &Message<'_>, id: Option<&Text>) -> Denial {
    let requested = match message.params.protocol_version {
        Member::Text(version) => version.decoded(),
        Member::Absent | Member::Wrong => "".into(),
    };
    match id {
        Some(id) => Denial::no_handshake(id, &requested, &config.versions),
        None => Denial::unsupported_version(None, &requested, &config.versions),
    }
}
