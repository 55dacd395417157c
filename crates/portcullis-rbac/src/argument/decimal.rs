//! Numbers compared as decimals, whatever their size.

use std::cmp::Ordering;

/// A JSON number, exactly: the digits behind a decimal point, times a power of ten.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Decimal {
    negative: bool,
    /// No zeros at either end; none at all for zero.
    digits: Box<[u8]>,
    exponent: i64,
}

impl Decimal {
    /// `None` for what is not a JSON number, and for exponents past anybody's needs.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let digits = || whole.bytes().chain(fraction.bytes());
        if whole.is_empty() || !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let leading = digits().take_while(|digit| *digit == b'0').count();
        let mut digits: Vec<u8> = digits().skip(leading).collect();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, digits: digits.into(), exponent: 0 });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
        Some(Self { negative, digits: digits.into(), exponent: point + i64::from(exponent) })
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |decimal: &Self| match (decimal.digits.is_empty(), decimal.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let size = if self.digits.is_empty() {
                Ordering::Equal
            } else {
                self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits))
            };
            if self.negative { size.reverse() } else { size }
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn one_value_has_many_spellings() {
        for (a, b) in [
            ("1", "1.0"),
            ("1", "10e-1"),
            ("100", "1e2"),
            ("100", "1E+2"),
            ("0", "-0.00e5"),
            ("-1.50", "-15e-1"),
            ("0.001", "1e-3"),
        ] {
            assert_eq!(decimal(a), decimal(b), "{a} {b}");
            assert_eq!(decimal(a).cmp(&decimal(b)), Ordering::Equal, "{a} {b}");
        }
    }

    /// Binary floating point would call these equal.
    #[test]
    fn no_digit_is_lost() {
        let rising = [
            "-1e400",
            "-100.00000000000000000001",
            "-100",
            "-99",
            "-1e-9",
            "0",
            "1e-9",
            "0.1",
            "0.10000000000000000000000001",
            "99",
            "100",
            "100.00000000000000000001",
            "9007199254740992",
            "9007199254740993",
            "1e400",
        ];
        for pair in rising.windows(2) {
            assert!(decimal(pair[0]) < decimal(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in ["", "-", ".5", "5.", "1e", "1e99999999999", "+1", "0x10", "NaN", "1_0", " 1"] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn as_integers_compare(a in any::<i64>(), b in any::<i64>(), zeros in 0_usize..4) {
            let spelled = format!("{b}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(decimal(&a.to_string()).cmp(&decimal(&spelled)), a.cmp(&b));
        }
    }
}
