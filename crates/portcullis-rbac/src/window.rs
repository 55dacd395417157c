//! Times of the week, and dates between which a rule applies.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::truth::Truth;

/// A part of each week, in the time of one place.
///
/// ```
/// use portcullis_rbac::{Rule, Window};
///
/// let office_hours = Window::new("Europe/Berlin").days(["mon-fri"]).hours("08:00-18:00");
/// let rule = Rule::allow("pay").tools(["pay_invoice"]).roles(["clerk"]).during(office_hours);
/// ```
///
/// Time zones are those of the IANA database, built in, so that every replica decides the same.
#[derive(Clone, Debug)]
#[must_use = "a window does nothing until it is given to a rule"]
pub struct Window {
    pub(crate) time_zone: String,
    pub(crate) days: Vec<String>,
    pub(crate) hours: Option<String>,
    /// Days were set, and none was named.
    pub(crate) never: bool,
}

impl Window {
    /// Always, in `time_zone`: a name such as `Europe/Berlin` or `UTC`.
    pub fn new(time_zone: impl Into<String>) -> Self {
        Self { time_zone: time_zone.into(), days: Vec::new(), hours: None, never: false }
    }

    /// Only on these days: `mon` to `sun`, or spans of them such as `mon-fri`.
    pub fn days<T: Into<String>>(mut self, days: impl IntoIterator<Item = T>) -> Self {
        self.days.extend(days.into_iter().map(T::into));
        self.never = self.days.is_empty();
        self
    }

    /// Only in these hours, such as `08:00-18:00`, the end not included. `22:00-06:00` goes on into
    /// the next day, and belongs to the day on which it starts. The day ends at `24:00`.
    pub fn hours(mut self, hours: impl Into<String>) -> Self {
        self.hours = Some(hours.into());
        self
    }
}

/// A [`Window`], ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Hours {
    zone: TimeZone,
    /// Monday is bit 0.
    days: u8,
    /// Minutes of the day; the end is not included.
    from: u16,
    until: u16,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    pub(crate) fn new(window: &Window) -> Result<Self, String> {
        let Window { time_zone, days, hours, never } = window;
        if *never {
            return Err("its days name nothing: leave them out if there is to be no limit".into());
        }
        let zone = TimeZone::get(time_zone).map_err(|_| {
            format!("{time_zone:?} is not a time zone: write one such as Europe/Berlin or UTC")
        })?;
        let (from, until) = match hours {
            None => (0, 24 * 60),
            Some(hours) => span(hours)
                .ok_or_else(|| format!("{hours:?} is not a span of hours such as 08:00-18:00"))?,
        };
        let mut mask = 0;
        for day in days {
            mask |= week_days(day).ok_or_else(|| {
                format!("{day:?} is not a day: write mon, tue, wed, thu, fri, sat, sun or a span such as mon-fri")
            })?;
        }
        Ok(Self { zone, days: if days.is_empty() { 0x7f } else { mask }, from, until })
    }

    /// Whether it is that time now. Past the years that calendars have, nobody can say.
    pub(crate) fn contains(&self, unix: Duration) -> Truth {
        let Some(now) =
            i64::try_from(unix.as_secs()).ok().and_then(|s| Timestamp::from_second(s).ok())
        else {
            return Truth::Unknown;
        };
        let now = now.to_zoned(self.zone.clone());
        let on = |days_back: i8| {
            let day = (now.weekday().to_monday_zero_offset() + 7 - days_back) % 7;
            self.days >> day & 1 == 1
        };
        let minute =
            u16::from(now.hour().unsigned_abs()) * 60 + u16::from(now.minute().unsigned_abs());
        let within = if self.from < self.until {
            on(0) && (self.from..self.until).contains(&minute)
        } else {
            on(0) && minute >= self.from || on(1) && minute < self.until
        };
        within.into()
    }
}

fn span(text: &str) -> Option<(u16, u16)> {
    let (from, until) = text.split_once('-')?;
    let (from, until) = (minutes(from)?, minutes(until)?);
    (from != until && from < 24 * 60).then_some((from, until))
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let (hour, minute): (u16, u16) = (digits(hour)?, digits(minute)?);
    (minute < 60 && (hour < 24 || (hour, minute) == (24, 0))).then_some(hour * 60 + minute)
}

fn week_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = match text.split_once('-') {
        None => (day(text)?, day(text)?),
        Some((first, last)) => (day(first)?, day(last)?),
    };
    let mut mask = 0;
    let mut at = first;
    loop {
        mask |= 1 << at;
        if at == last {
            return Some(mask);
        }
        at = (at + 1) % 7;
    }
}

/// A moment, from RFC 3339 text with an offset.
pub(crate) fn moment(text: &str) -> Result<Duration, String> {
    text.parse::<Timestamp>()
        .ok()
        .and_then(|moment| u64::try_from(moment.as_second()).ok())
        .map(Duration::from_secs)
        .ok_or_else(|| {
            format!("{text:?} is not a moment: write date, time and offset, such as 2027-01-31T18:00:00Z")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(window: &Window, moment: &str) -> bool {
        Hours::new(window).unwrap().contains(super::moment(moment).unwrap()) == Truth::Yes
    }

    #[test]
    fn windows() {
        let office = Window::new("Europe/Berlin").days(["mon-fri"]).hours("08:00-18:00");
        let night = Window::new("UTC").days(["fri"]).hours("22:00-06:00");
        let weekend = Window::new("UTC").days(["sat", "sun"]);
        let around = Window::new("UTC").days(["sat-mon"]);
        let evening = Window::new("UTC").hours("18:00-24:00");
        // 2026-01-05 is a Monday.
        let rows = [
            ("in winter", &office, "2026-01-05T07:00:00Z", true),
            ("a second before", &office, "2026-01-05T06:59:59Z", false),
            ("the end is not in", &office, "2026-01-05T17:00:00Z", false),
            ("in summer", &office, "2026-07-06T06:00:00Z", true),
            ("summer's end", &office, "2026-07-06T16:00:00Z", false),
            ("Saturday", &office, "2026-01-03T10:00:00Z", false),
            ("Saturday there, Friday here", &office, "2026-01-02T23:30:00Z", false),
            ("the night starts", &night, "2026-01-02T22:00:00Z", true),
            ("and goes on", &night, "2026-01-03T05:59:59Z", true),
            ("until six", &night, "2026-01-03T06:00:00Z", false),
            ("not the night before", &night, "2026-01-02T05:00:00Z", false),
            ("not the next", &night, "2026-01-03T22:30:00Z", false),
            ("all day", &weekend, "2026-01-04T23:59:59Z", true),
            ("over", &weekend, "2026-01-05T00:00:00Z", false),
            ("around the week", &around, "2026-01-05T12:00:00Z", true),
            ("not in its middle", &around, "2026-01-07T12:00:00Z", false),
            ("to the day's end", &evening, "2026-01-07T23:59:59Z", true),
        ];
        for (name, window, moment, expected) in rows {
            assert_eq!(at(window, moment), expected, "{name}");
        }
    }

    /// Clocks that are put forward skip a time, and those that are put back have it twice.
    #[test]
    fn summer_and_winter() {
        let early = Window::new("Europe/Berlin").hours("02:15-02:45");
        let night = Window::new("Europe/Berlin").days(["sat"]).hours("22:00-06:00");
        let rows = [
            ("in the hour that is skipped", &early, "2026-03-29T00:30:00Z", false),
            ("and behind it", &early, "2026-03-29T01:30:00Z", false),
            ("the first time", &early, "2026-10-25T00:30:00Z", true),
            ("the second time", &early, "2026-10-25T01:30:00Z", true),
            ("a short night ends", &night, "2026-03-29T03:59:59Z", true),
            ("at six", &night, "2026-03-29T04:00:00Z", false),
            ("a long night ends", &night, "2026-10-25T04:59:59Z", true),
            ("at six as well", &night, "2026-10-25T05:00:00Z", false),
        ];
        for (name, window, moment, expected) in rows {
            assert_eq!(at(window, moment), expected, "{name}");
        }
    }

    /// A clock out of its mind stops no deny rule.
    #[test]
    fn past_all_calendars() {
        let always = Hours::new(&Window::new("UTC")).unwrap();
        for seconds in [u64::MAX, 1 << 62, 300_000_000_000] {
            assert_eq!(always.contains(Duration::from_secs(seconds)), Truth::Unknown, "{seconds}");
        }
    }

    #[test]
    fn what_cannot_be_meant() {
        for window in [
            Window::new("Mars/Olympus"),
            Window::new(""),
            Window::new("UTC").days(Vec::<String>::new()),
            Window::new("UTC").days(["monday"]),
            Window::new("UTC").days(["mon-"]),
            Window::new("UTC").hours("8:00-18:00"),
            Window::new("UTC").hours("08:00-08:00"),
            Window::new("UTC").hours("24:00-06:00"),
            Window::new("UTC").hours("08:00-24:01"),
            Window::new("UTC").hours("08:60-18:00"),
            Window::new("UTC").hours("+8:00-18:00"),
        ] {
            assert!(Hours::new(&window).is_err(), "{window:?}");
        }
        for text in ["2026-01-01", "2026-01-01T00:00:00", "tomorrow", "1969-01-01T00:00:00Z"] {
            assert!(moment(text).is_err(), "{text}");
        }
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Ok(Duration::ZERO));
    }
}
