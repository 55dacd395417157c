//! Times as records have them.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// The last second of the year 9999, which has room for four digits.
const LAST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// Time since the Unix epoch as RFC 3339 UTC with milliseconds. Written out by hand: every record has one, and a
/// calendar with time zones takes ten times as long.
pub(crate) struct Rfc3339(pub(crate) Duration);

impl Rfc3339 {
    fn text(&self) -> [u8; 24] {
        let (seconds, millis) = match self.0.as_secs() {
            seconds if seconds <= LAST => (seconds, self.0.subsec_millis()),
            _ => (LAST, 999),
        };
        let (year, month, day) = date(seconds / DAY);
        let fields = [
            (year, 0..4),
            (month, 5..7),
            (day, 8..10),
            (seconds % DAY / 3600, 11..13),
            (seconds % 3600 / 60, 14..16),
            (seconds % 60, 17..19),
            (u64::from(millis), 20..23),
        ];
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (mut value, place) in fields {
            for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
                *digit += u8::try_from(value % 10).unwrap_or_default();
                value /= 10;
            }
        }
        text
    }
}

/// The year, month and day of the Gregorian calendar, so many days after 1970-01-01. Years are counted from
/// March on, so that a leap day is the last one of its year.
fn date(days: u64) -> (u64, u64, u64) {
    const FOUR_CENTURIES: u64 = 146_097;
    // From 0000-03-01 on.
    let days = days + 719_468;
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn agrees(millis: u64) {
        let time = Timestamp::from_millisecond(millis.try_into().unwrap()).unwrap();
        let text = Rfc3339(Duration::from_millis(millis)).to_string();
        assert_eq!(text, format!("{time:.3}"), "{millis}");
    }

    /// Each day from 1970 to 2400, its first and its last millisecond.
    #[test]
    fn every_day_is_as_the_calendar_has_it() {
        for day in 0..157_100 {
            agrees(day * DAY * 1000);
            agrees((day + 1) * DAY * 1000 - 1);
        }
    }

    #[test]
    fn beyond_four_digits_there_is_no_year() {
        let last = "9999-12-31T23:59:59.999Z";
        let rows = [
            (Duration::from_millis(LAST * 1000 + 999), last),
            (Duration::from_secs(LAST + 1), last),
            (Duration::MAX, last),
            (Duration::ZERO, "1970-01-01T00:00:00.000Z"),
        ];
        for (time, expected) in rows {
            assert_eq!(Rfc3339(time).to_string(), expected);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_time_is_as_the_calendar_has_it(millis in 0..253_402_207_200_000_u64) {
            agrees(millis);
        }
    }
}
