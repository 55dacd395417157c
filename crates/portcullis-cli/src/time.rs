//! Times in RFC 3339.

use jiff::Timestamp;

/// The whole seconds since the Unix epoch that `text` names.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let time: Timestamp =
        text.parse().map_err(|_| format!("{text:?} is not a time such as 2026-11-23T09:30:00Z"))?;
    u64::try_from(time.as_second()).map_err(|_| format!("{text} is before 1970"))
}

/// `seconds` since the Unix epoch, in UTC.
pub(crate) fn shown(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "after the year 9999".to_owned(), |time| time.to_string())
}

/// The milliseconds since the Unix epoch that `text` names: a time, a date (its start in UTC), or how
/// long ago (`90m`, `24h`, `7d`).
pub(crate) fn parse_past(text: &str) -> Result<i64, String> {
    let wrong =
        || format!("{text:?} is not a time (2026-11-23T09:30:00Z), a date, or how long ago (24h)");
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    if let Ok(date) = text.parse::<jiff::civil::Date>() {
        let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        return Ok(start.timestamp().as_millisecond());
    }
    let unit = match text.chars().last() {
        Some('s') => 1_000,
        Some('m') => 60_000,
        Some('h') => 3_600_000,
        Some('d') => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: i64 =
        text.get(..text.len() - 1).and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    let ago = number.checked_mul(unit).filter(|ago| *ago >= 0).ok_or_else(wrong)?;
    let now = portcullis_core::Clock::system().unix().as_millis();
    Ok(i64::try_from(now).unwrap_or(i64::MAX) - ago)
}

/// `millis` since the Unix epoch, to the second, in UTC.
pub(crate) fn of_millis(millis: i64) -> String {
    format(millis, "%Y-%m-%d %H:%M:%S")
}

/// `millis` since the Unix epoch, in UTC, as `pattern` says.
pub(crate) fn format(millis: i64, pattern: &str) -> String {
    match Timestamp::from_millisecond(millis) {
        Ok(time) => time.strftime(pattern).to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_dates_and_spans() {
        assert_eq!(parse("2026-11-23T10:00:00+01:00"), Ok(1_795_424_400));
        assert_eq!(parse_past("2026-11-23T10:00:00+01:00"), Ok(1_795_424_400_000));
        assert_eq!(of_millis(parse_past("2026-11-23").unwrap()), "2026-11-23 00:00:00");
        let day = parse_past("0s").unwrap() - parse_past("24h").unwrap();
        assert!((86_399_000..=86_401_000).contains(&day), "{day}");
        for wrong in ["", "d", "-5h", "5y", "noon", "99999999999999999999d", "é"] {
            assert!(parse_past(wrong).is_err(), "{wrong}");
        }
    }
}
