//! Judges a value.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Argument;
use super::decimal::Decimal;
use super::scalar::Scalar;
use crate::truth::Truth;

mod path;

use path::{is_odd, under};

/// The longest string that a pattern looks at, in bytes.
const MAX_SUBJECT: usize = 64 << 10;
/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 1024;
/// The most memory a compiled pattern may take, in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// How deep lists of lists may be looked into.
const MAX_EACH: usize = 4;

/// An [`Argument`], ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Check(Box<[Test]>);

#[derive(Clone, Debug)]
enum Test {
    Present(bool),
    OneOf(Box<[Scalar]>),
    Min(Decimal),
    Max(Decimal),
    Prefix(Box<str>),
    Suffix(Box<str>),
    Under(Box<str>),
    Matches(Box<Regex>),
    MinLength(u64),
    MaxLength(u64),
    Each(Check),
}

/// A value that was sent.
enum Sent<'a> {
    Scalar(Scalar),
    /// In place of `Scalar::Text`, so that strings without escapes are not copied.
    Text(Cow<'a, str>),
    List(Vec<&'a RawValue>),
    Other,
}

impl Check {
    pub(crate) fn new(argument: &Argument) -> Result<Self, String> {
        Self::at_depth(argument, 0)
    }

    fn at_depth(argument: &Argument, depth: usize) -> Result<Self, String> {
        let Argument { present, equals, one_of, min, max, prefix, suffix, .. } = argument;
        let Argument { under, matches, min_length, max_length, each, .. } = argument;
        let mut tests = Vec::new();
        tests.extend(present.map(Test::Present));
        if let Some(value) = equals {
            tests.push(Test::OneOf(scalars(std::slice::from_ref(value))?));
        }
        if let Some(values) = one_of {
            tests.push(Test::OneOf(scalars(values)?));
        }
        let (min, max) = (number(min.as_ref())?, number(max.as_ref())?);
        if min.as_ref().zip(max.as_ref()).is_some_and(|(min, max)| min > max) {
            return Err("no number is both at least its min and at most its max".into());
        }
        tests.extend(min.map(Test::Min));
        tests.extend(max.map(Test::Max));
        let text = |what: &str, text: &Option<String>| match text.as_deref() {
            Some("") => Err(format!("an empty {what} says nothing")),
            text => Ok(text.map(Box::from)),
        };
        tests.extend(text("prefix", prefix)?.map(Test::Prefix));
        tests.extend(text("suffix", suffix)?.map(Test::Suffix));
        if let Some(path) = under {
            let base = if path == "/" { path } else { path.strip_suffix('/').unwrap_or(path) };
            if base.is_empty() || is_odd(base) {
                return Err(format!("{path:?} is not a plain path"));
            }
            tests.push(Test::Under(base.into()));
        }
        if let Some(pattern) = matches {
            tests.push(Test::Matches(Box::new(compile(pattern)?)));
        }
        if min_length.zip(*max_length).is_some_and(|(min, max)| min > max) {
            return Err("no length is both at least min_length and at most max_length".into());
        }
        tests.extend(min_length.map(Test::MinLength));
        tests.extend(max_length.map(Test::MaxLength));
        if let Some(item) = each {
            if depth == MAX_EACH {
                return Err(format!("each inside each goes deeper than {MAX_EACH}"));
            }
            tests.push(Test::Each(Self::at_depth(item, depth + 1)?));
        }
        match (present, tests.len()) {
            (_, 0) => return Err("it asks nothing".into()),
            (Some(false), 2..) => {
                return Err("what must be absent cannot have other conditions".into());
            }
            _ => {}
        }
        let check = Self(tests.into());
        check.contradiction().or_else(|| check.types_apart()).map_or(Ok(check), Err)
    }

    /// Why no value at all can pass, as far as the values spelled out tell.
    fn contradiction(&self) -> Option<String> {
        let listed = self.0.iter().find_map(|test| match test {
            Test::OneOf(values) => Some(values),
            _ => None,
        })?;
        let possible = |value: &Scalar| {
            let sent = match value {
                Scalar::Text(text) => Sent::Text(Cow::Borrowed(text)),
                other => Sent::Scalar(other.clone()),
            };
            self.0.iter().all(|test| test.of(&sent) == Truth::Yes)
        };
        (!listed.iter().any(possible)).then(|| {
            "its conditions contradict each other: none of the values named meets the others".into()
        })
    }

    /// Why no value at all can pass, as far as the types tell that the conditions are about, and the lengths
    /// of texts.
    fn types_apart(&self) -> Option<String> {
        // A number, a string, a list: what meets the condition is one of these.
        let types = |test: &Test| match test {
            Test::Min(_) | Test::Max(_) => 0b001,
            Test::Prefix(_) | Test::Suffix(_) | Test::Under(_) | Test::Matches(_) => 0b010,
            Test::MinLength(_) | Test::MaxLength(_) => 0b110,
            Test::Each(_) => 0b100,
            Test::Present(_) | Test::OneOf(_) => 0b111,
        };
        if self.0.iter().map(types).fold(0b111, |common, types| common & types) == 0 {
            return Some(
                "its conditions contradict each other: some are about numbers, strings or lists \
                 that others are not about"
                    .into(),
            );
        }
        let most = self.0.iter().find_map(|test| match test {
            Test::MaxLength(most) => Some(*most),
            _ => None,
        })?;
        let longer = |test: &Test| match test {
            Test::Prefix(text) | Test::Suffix(text) => {
                u64::try_from(text.chars().count()).is_ok_and(|length| length > most)
            }
            _ => false,
        };
        self.0.iter().any(longer).then(|| {
            "its conditions contradict each other: a prefix or suffix is longer than max_length"
                .into()
        })
    }

    /// Judges a value, or its absence.
    pub(crate) fn of(&self, value: Option<&RawValue>) -> Truth {
        let sent = value.map(Sent::of);
        Truth::all(self.0.iter().map(|test| match (test, &sent) {
            (Test::Present(wanted), sent) => (sent.is_some() == *wanted).into(),
            (_, None) => Truth::Unknown,
            (test, Some(sent)) => test.of(sent),
        }))
    }
}

impl Test {
    fn of(&self, sent: &Sent<'_>) -> Truth {
        match (self, sent) {
            (Self::Present(wanted), _) => (*wanted).into(),
            (Self::OneOf(values), Sent::Scalar(sent)) => {
                if values.contains(sent) {
                    return Truth::Yes;
                }
                let comparable = values.iter().any(|value| value.same_type(sent));
                if comparable { Truth::No } else { Truth::Unknown }
            }
            (Self::OneOf(values), Sent::Text(sent)) => {
                let mut texts = values.iter().filter_map(|value| match value {
                    Scalar::Text(text) => Some(text),
                    _ => None,
                });
                let mut comparable = false;
                let found = texts.any(|text| {
                    comparable = true;
                    **text == **sent
                });
                match (found, comparable) {
                    (true, _) => Truth::Yes,
                    (false, true) => Truth::No,
                    (false, false) => Truth::Unknown,
                }
            }
            (Self::Min(least), Sent::Scalar(Scalar::Number(sent))) => (sent >= least).into(),
            (Self::Max(most), Sent::Scalar(Scalar::Number(sent))) => (sent <= most).into(),
            (Self::Prefix(prefix), Sent::Text(sent)) => sent.starts_with(&**prefix).into(),
            (Self::Suffix(suffix), Sent::Text(sent)) => sent.ends_with(&**suffix).into(),
            (Self::Under(base), Sent::Text(sent)) => under(base, sent),
            (Self::Matches(pattern), Sent::Text(sent)) if sent.len() <= MAX_SUBJECT => {
                pattern.is_match(sent).into()
            }
            (Self::MinLength(least), sent) => {
                sent.length().map_or(Truth::Unknown, |length| (length >= *least).into())
            }
            (Self::MaxLength(most), sent) => {
                sent.length().map_or(Truth::Unknown, |length| (length <= *most).into())
            }
            (Self::Each(check), Sent::List(items)) => {
                Truth::all(items.iter().map(|item| check.of(Some(item))))
            }
            // Of another type than the condition is about.
            _ => Truth::Unknown,
        }
    }
}

impl<'a> Sent<'a> {
    fn of(value: &'a RawValue) -> Self {
        let text = value.get();
        let sent = match text.as_bytes().first() {
            Some(b'"') => unquote(text).map(Self::Text),
            Some(b'[') => serde_json::from_str(text).ok().map(Self::List),
            Some(b't') => Some(Self::Scalar(Scalar::Bool(true))),
            Some(b'f') => Some(Self::Scalar(Scalar::Bool(false))),
            Some(b'n') => Some(Self::Scalar(Scalar::Null)),
            Some(b'-' | b'0'..=b'9') => {
                Decimal::parse(text).map(|number| Self::Scalar(Scalar::Number(number)))
            }
            _ => None,
        };
        sent.unwrap_or(Self::Other)
    }

    /// Characters of a string, items of a list.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Text(text) => u64::try_from(text.chars().count()).ok(),
            Self::List(items) => u64::try_from(items.len()).ok(),
            Self::Scalar(_) | Self::Other => None,
        }
    }
}

fn unquote(text: &str) -> Option<Cow<'_, str>> {
    match serde_json::from_str::<&str>(text) {
        Ok(plain) => Some(Cow::Borrowed(plain)),
        // It has escapes.
        Err(_) => serde_json::from_str::<String>(text).ok().map(Cow::Owned),
    }
}

fn scalars(values: &[Value]) -> Result<Box<[Scalar]>, String> {
    let scalars: Option<Box<[Scalar]>> = values.iter().map(Scalar::of).collect();
    let scalars = scalars.ok_or("values are strings, numbers, booleans or null")?;
    let Some(first) = scalars.first() else {
        return Err("an empty list of values matches nothing".into());
    };
    if !scalars.iter().all(|other| other.same_type(first)) {
        return Err("values of one list must have one type".into());
    }
    Ok(scalars)
}

fn number(value: Option<&Value>) -> Result<Option<Decimal>, String> {
    match value {
        None => Ok(None),
        Some(Value::Number(number)) => Decimal::parse(&number.to_string())
            .map(Some)
            .ok_or_else(|| "a bound is not a number".to_owned()),
        Some(_) => Err("min and max are numbers".into()),
    }
}

/// A pattern of whole strings.
fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("a pattern is longer than {MAX_PATTERN} bytes"));
    }
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(32)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    format!("the pattern {pattern:?} takes more than {MAX_COMPILED} bytes")
                }
                _ => format!("the pattern {pattern:?} is not a regular expression"),
            })
    };
    // On its own first: what only compiles inside brackets is not what it seems (`a)|(b`).
    build(pattern)?;
    build(&format!(r"\A(?:{pattern})\z"))
}

#[cfg(test)]
mod tests;
