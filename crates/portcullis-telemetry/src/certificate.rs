//! When a certificate in a file runs out.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::report::{Expiry, ExpiryKind, Report, Source};

/// The largest file that is read.
const MAX_FILE: u64 = 1024 * 1024;

/// Watches when the first certificate of a PEM file runs out: the one that the server presents.
///
/// The file is read again when it has changed. One that cannot be read, or holds no certificate, is
/// the warning `expiry_unknown`.
pub struct CertificateFile {
    name: String,
    path: PathBuf,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    changed: Option<SystemTime>,
    length: u64,
    at: Option<Duration>,
}

impl CertificateFile {
    /// The certificate at `path`, which operators call `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), path: path.into(), seen: Mutex::default() }
    }

    fn at(&self) -> Option<Duration> {
        let about = std::fs::metadata(&self.path).ok()?;
        let (changed, length) = (about.modified().ok(), about.len());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = &*seen
            && (seen.changed, seen.length) == (changed, length)
        {
            return seen.at;
        }
        let at = (length <= MAX_FILE).then(|| read(&self.path)).flatten();
        *seen = Some(Seen { changed, length, at });
        at
    }
}

impl Source for CertificateFile {
    fn report(&self, report: &mut Report) {
        report.expiry(Expiry::new(ExpiryKind::Certificate, &*self.name, self.at()));
    }
}

impl fmt::Debug for CertificateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateFile").field("path", &self.path).finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Option<Duration> {
    not_after(&first_of_pem(&std::fs::read_to_string(path).ok()?)?)
}

/// The first certificate of a PEM file (RFC 7468).
fn first_of_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let digits: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(digits).ok()
}

/// `notAfter` of a certificate (RFC 5280 §4.1), as time since the Unix epoch.
pub(crate) fn not_after(certificate: &[u8]) -> Option<Duration> {
    const SEQUENCE: u8 = 0x30;
    let (signed, _) = element(certificate, SEQUENCE)?;
    let (mut rest, _) = element(signed, SEQUENCE)?;
    // version (optional), serialNumber, signature, issuer
    if rest.first() == Some(&0xa0) {
        rest = element(rest, 0xa0)?.1;
    }
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let after = element(validity, *validity.first()?)?.1;
    let tag = *after.first()?;
    let (time, _) = element(after, tag)?;
    let time = std::str::from_utf8(time).ok()?;
    match tag {
        // UTCTime: two digits of the year, of which those below 50 are of this century.
        0x17 => {
            let (year, rest) = time.split_at_checked(2)?;
            let year = digits(year)?;
            unix(if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        // GeneralizedTime.
        0x18 => {
            let (year, rest) = time.split_at_checked(4)?;
            unix(digits(year)?, rest)
        }
        _ => None,
    }
}

/// The content of the first element of `der`, which has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = bytes.iter().fold(0_u32, |length, byte| (length << 8) | u32::from(*byte));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// `MMDDHHMMSSZ` of `year`.
fn unix(year: u64, rest: &str) -> Option<Duration> {
    let rest = rest.strip_suffix('Z')?;
    let part = |at: usize| digits(rest.get(at..at + 2)?);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    let sound = rest.len() == 10
        && (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 61;
    if !sound {
        return None;
    }
    // Days since 1970-01-01 in the Gregorian calendar, by years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn pem(year: i32) -> String {
        let mut params = CertificateParams::new(vec!["mcp.example.com".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn certificates_say_when_they_run_out() {
        // The second is past 2049, where another type of time is used.
        for (year, expected) in [(2030, 1_898_553_600), (2060, 2_845_324_800)] {
            let der = first_of_pem(&pem(year)).unwrap();
            assert_eq!(not_after(&der), Some(Duration::from_secs(expected)), "{year}");
            for cut in 0..der.len().min(200) {
                assert_eq!(not_after(&der[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn dates_become_seconds() {
        let rows = [
            (1970, "0101000000Z", Some(0)),
            (2000, "0229235959Z", Some(951_868_799)),
            (2026, "1121091500Z", Some(1_795_252_500)),
            (2100, "0301000000Z", Some(4_107_542_400)),
            (2026, "1321091500Z", None),
            (2026, "1121091500", None),
            (2026, "1121091500+0100", None),
            (2026, "11210915ä0Z", None),
            (1969, "1231235959Z", None),
        ];
        for (year, rest, expected) in rows {
            assert_eq!(unix(year, rest), expected.map(Duration::from_secs), "{year} {rest}");
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.pem");
        let file = CertificateFile::new("listener", &path);
        let at = || {
            let mut report = Report::default();
            file.report(&mut report);
            report.expiries[0].at.map(|at| at.as_secs())
        };
        assert_eq!(at(), None, "no file");
        std::fs::write(&path, pem(2030)).unwrap();
        assert_eq!(at(), Some(1_898_553_600));
        std::fs::write(&path, format!("{}{}", pem(2060), pem(2030))).unwrap();
        assert_eq!(at(), Some(2_845_324_800), "the first one counts");
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(at(), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, text in ".{0,20}", year in 0..20_000_u64) {
            let _ = not_after(&bytes);
            let _ = unix(year, &text);
            let _ = first_of_pem(&text);
        }
    }
}
