//! Profiles in configuration files.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Profile;

/// A map of `profile`, the name, and its settings, each a string or a list of strings. A name or a
/// setting that is not known, is missing, or is there twice is an error.
impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ProfileVisitor)
    }
}

struct ProfileVisitor;

impl<'de> Visitor<'de> for ProfileVisitor {
    type Value = Profile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of `profile` and the settings of that profile")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Profile, A::Error> {
        let mut set: Vec<(String, Strings)> = Vec::new();
        while let Some((name, values)) = map.next_entry::<String, Strings>()? {
            if set.iter().any(|(known, _)| *known == name) {
                return Err(Error::custom(format!("{name:?} is there twice")));
            }
            set.push((name, values));
        }
        let at = set.iter().position(|(name, _)| name == "profile");
        let (_, name) = set.remove(at.ok_or_else(|| Error::missing_field("profile"))?);
        let [name] = name.0.as_slice() else {
            return Err(Error::custom("`profile` is not one name"));
        };
        let mut profile = Profile::named(name).map_err(Error::custom)?;
        for (setting, values) in set {
            if values.0.is_empty() {
                return Err(Error::custom(format!("{setting:?} has no value")));
            }
            for value in values.0 {
                profile = profile.set(&setting, value).map_err(Error::custom)?;
            }
        }
        profile.issuer().map(drop).map_err(Error::custom)?;
        Ok(profile)
    }
}

/// A string, or several.
struct Strings(Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringsVisitor).map(Self)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_read() {
        let rows = [
            ("one", r#"{"profile":"okta","issuer":"https://a.example/oauth2/default"}"#, true),
            ("order", r#"{"issuer":"https://a.example/oauth2/default","profile":"okta"}"#, true),
            ("list", r#"{"profile":"google","service_account":["1","2"]}"#, true),
            ("no name", r#"{"issuer":"https://a.example/oauth2/default"}"#, false),
            ("two names", r#"{"profile":["okta","google"]}"#, false),
            ("unknown name", r#"{"profile":"oktta","issuer":"https://a.example/oauth2/x"}"#, false),
            ("unknown setting", r#"{"profile":"google","service_acount":"1"}"#, false),
            ("missing setting", r#"{"profile":"okta"}"#, false),
            ("bad value", r#"{"profile":"okta","issuer":"https://a.okta.com"}"#, false),
            ("number", r#"{"profile":"google","service_account":1}"#, false),
            ("no value", r#"{"profile":"google","service_account":[]}"#, false),
            ("a list where one fits", r#"{"profile":"auth0","domain":["a.b","c.d"]}"#, false),
            ("twice", r#"{"profile":"google","service_account":"1","service_account":"2"}"#, false),
            ("not a map", r#""okta""#, false),
        ];
        for (name, text, good) in rows {
            let read = serde_json::from_str::<Profile>(text);
            assert_eq!(read.is_ok(), good, "{name}: {read:?}");
        }
    }
}
