//! The members of a record, one by one.

use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::EventId;
use crate::record::SCHEMA;
use crate::screen;
use crate::text::clip;
use crate::time::Rfc3339;

/// Writes members one by one and leaves out those that do not apply.
pub(crate) struct Members<T>(pub(crate) T);

impl<T: SerializeMap> Members<T> {
    pub(crate) fn put(
        &mut self,
        name: &'static str,
        value: &impl Serialize,
    ) -> Result<(), T::Error> {
        self.0.serialize_entry(name, value)
    }

    pub(crate) fn put_some<V: Serialize>(
        &mut self,
        name: &'static str,
        value: Option<V>,
    ) -> Result<(), T::Error> {
        value.map_or(Ok(()), |value| self.put(name, &value))
    }

    /// Puts what somebody says of themselves, unless it looks like a secret.
    pub(super) fn put_said(
        &mut self,
        name: &'static str,
        said: Option<&str>,
        redacted: &mut Vec<&'static str>,
    ) -> Result<(), T::Error> {
        let Some((shown, kind)) = said.and_then(screen::word) else {
            return self.put_some(name, said.map(clip));
        };
        redacted.push(kind);
        self.put(name, &shown)
    }

    pub(crate) fn head(
        &mut self,
        record: &'static str,
        at: Duration,
        event_id: EventId,
    ) -> Result<(), T::Error> {
        self.put("schema", &SCHEMA)?;
        self.put("record", &record)?;
        self.put("ts", &Rfc3339(at))?;
        self.put("event_id", &event_id)
    }
}
