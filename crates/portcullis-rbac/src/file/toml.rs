//! TOML, as a document with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::node::{Key, Node, Value};
use crate::ConfigError;
use crate::error::Place;

pub(crate) fn parse(text: &str) -> Result<Node, ConfigError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().and_then(|span| lines.place(span.start));
        let message = error.message().lines().next().unwrap_or_default().to_owned();
        ConfigError::new(message.trim_end_matches('.')).at(at)
    })?;
    Ok(Node { place: lines.place(0), value: map(table.into_inner(), &lines)? })
}

fn node(spanned: Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Result<Node, ConfigError> {
    let place = lines.place(spanned.span().start);
    let number = |what: &str| ConfigError::new(format!("{what} is too large a number")).at(place);
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(integer) => {
            let digits = integer.as_str().replace('_', "");
            i64::from_str_radix(&digits, integer.radix())
                .map(Value::Integer)
                .map_err(|_| number(&digits))?
        }
        DeValue::Float(float) => {
            let digits = float.as_str().replace('_', "");
            match digits.parse::<f64>() {
                Ok(float) if float.is_finite() => Value::Float(float),
                _ => {
                    return Err(
                        ConfigError::new(format!("{digits} is not a finite number")).at(place)
                    );
                }
            }
        }
        DeValue::Boolean(value) => Value::Bool(value),
        // Moments are text in the other languages.
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, lines)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => map(table, lines)?,
    };
    Ok(Node { place, value })
}

fn map(table: DeTable<'_>, lines: &Lines<'_>) -> Result<Value, ConfigError> {
    let members = table.into_iter().map(|(key, value)| {
        let place = lines.place(key.span().start);
        Ok((Key { place, text: key.into_inner().into_owned() }, node(value, lines)?))
    });
    members.collect::<Result<_, ConfigError>>().map(Value::Map)
}

/// Where lines start, so that each place is found by a search and not by reading the text again.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn place(&self, byte: usize) -> Option<Place> {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let column = self.text.get(start..byte)?.chars().count() + 1;
        Some(Place { line: u64::try_from(line).ok()?, column: u64::try_from(column).ok()? })
    }
}
