//! Points in time as XML writes them (xs:dateTime).

use jiff::civil;
use jiff::tz::TimeZone;

/// Microseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

impl Time {
    pub const SECOND: i64 = 1_000_000;

    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(Self::SECOND)))
    }

    pub fn minus_seconds(self, seconds: i64) -> Self {
        self.plus_seconds(seconds.saturating_neg())
    }

    /// `2026-01-31T08:00:00Z`, with any fraction, with an offset, or without a zone, which SAML calls UTC (core §1.3.3).
    pub fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let (clock, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
        let (micros, zone) = fraction(rest)?;
        let [year, month, day] = numbers(date, b'-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(clock, b':', [2, 2, 2])?;
        let small = |number: u16| i8::try_from(number).ok();
        let at = civil::DateTime::new(
            i16::try_from(year).ok()?,
            small(month)?,
            small(day)?,
            small(hour)?,
            small(minute)?,
            small(second)?,
            0,
        )
        .ok()?;
        let seconds = TimeZone::UTC.to_timestamp(at).ok()?.as_second();
        Some(Self((seconds - offset(zone)?).checked_mul(Self::SECOND)?.checked_add(micros)?))
    }

    /// In UTC, to the millisecond.
    pub fn to_text(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map(|at| at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
            .unwrap_or_default()
    }
}

/// Numbers of these many digits each, with `between` between them and nothing else.
fn numbers(text: &str, between: u8, digits: [usize; 3]) -> Option<[u16; 3]> {
    let mut found = [0; 3];
    let mut parts = text.split(char::from(between));
    for (number, length) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// `.123…` as microseconds, and what follows.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, zone) = rest.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let micros = digits.bytes().chain(std::iter::repeat(b'0')).take(6);
    Some((micros.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), zone))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    match sign {
        "+" => Some(hours * 3600 + minutes * 60),
        "-" => Some(-(hours * 3600 + minutes * 60)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_that_providers_write() {
        for (text, micros) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.5Z", 1_500_000),
            ("2026-01-31T08:00:00.1234567Z", 1_769_846_400_123_456),
            ("2026-01-31T10:00:00+02:00", 1_769_846_400_000_000),
            ("2026-01-31T08:00:00", 1_769_846_400_000_000),
        ] {
            assert_eq!(Time::parse(text), Some(Time(micros)), "{text}");
        }
        let at = Time(1_769_846_400_123_000);
        assert_eq!(at.to_text(), "2026-01-31T08:00:00.123Z");
        assert_eq!(Time::parse(&at.to_text()), Some(at));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-01-31",
            "2026-01-31T08:00Z",
            "2026-02-30T08:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T08:00:61Z",
            "2026-01-31 08:00:00Z",
            "2026-01-31T08:00:00.Z",
            "2026-01-31T08:00:00+25:00",
            "+026-01-31T08:00:00Z",
            "2026-01-31T08:00:00z",
            "2026-01-31T08:00:00ZZ",
            "２026-01-31T08:00:00Z",
            "2026-1-031T08:00:00Z",
            " 2026-01-31T08:00:00Z",
            "999999999999",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sums_do_not_overflow() {
        assert_eq!(Time(i64::MAX).plus_seconds(i64::MAX), Time(i64::MAX));
        assert_eq!(Time(i64::MIN).minus_seconds(i64::MAX), Time(i64::MIN));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = Time::parse(&text);
        }
    }
}
