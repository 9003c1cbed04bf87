//! From when to when a certificate is valid: the two times of its DER form (RFC 5280 §4.1), and nothing else of it. It
//! decides nothing about trust; it tells people and the renewal when a certificate ends.

/// Seconds since 1970 of both ends; `None` when the bytes are no certificate.
pub fn of(certificate: &[u8]) -> Option<(i64, i64)> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (outer, _) = value(certificate, SEQUENCE)?;
    let (mut rest, _) = value(outer, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        rest = value(rest, VERSION)?.1;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [0x02, SEQUENCE, SEQUENCE] {
        rest = value(rest, tag)?.1;
    }
    let (validity, _) = value(rest, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, rest) = time(rest)?;
    rest.is_empty().then_some((not_before, not_after))
}

/// The content of the first value, which must have this tag, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    let (length, rest) = if *length < 0x80 {
        (usize::from(*length), rest)
    } else {
        // One to four bytes; DER has no indefinite length.
        let count = usize::from(*length & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        (bytes.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    rest.split_at_checked(length)
}

/// `UTCTime` (two digits of the year: 1950 to 2049) or `GeneralizedTime`, both in the form that RFC 5280 demands.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, year_digits, rest) = match bytes.first()? {
        0x17 => value(bytes, 0x17).map(|(text, rest)| (text, 2, rest))?,
        _ => value(bytes, 0x18).map(|(text, rest)| (text, 4, rest))?,
    };
    let digits = text.strip_suffix(b"Z")?;
    if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, count: usize| {
        digits[from..from + count].iter().fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    };
    let year = match (year_digits, number(0, year_digits)) {
        (2, year) if year < 50 => 2000 + year,
        (2, year) => 1900 + year,
        (_, year) => year,
    };
    let [month, day, hour, minute, second] = [0, 1, 2, 3, 4].map(|index| number(year_digits + index * 2, 2));
    let in_order = (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && (hour < 24 && minute < 60 && second < 60);
    in_order.then(|| (days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, rest))
}

fn days_of(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar; a year begins in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> String {
        crate::time::Timestamp::from_micros(seconds * 1_000_000).rfc3339()
    }

    fn made(not_before: (i32, u8, u8), not_after: (i32, u8, u8)) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(not_before.0, not_before.1, not_before.2);
        params.not_after = rcgen::date_time_ymd(not_after.0, not_after.1, not_after.2);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn both_forms_of_time_are_read() {
        // Until 2049 two digits of the year, from 2050 on four.
        let (from, to) = of(&made((2026, 2, 28), (2051, 12, 31))).unwrap();
        assert_eq!((at(from), at(to)), ("2026-02-28T00:00:00Z".into(), "2051-12-31T00:00:00Z".into()));
        let (from, to) = of(&made((1999, 1, 1), (2049, 6, 30))).unwrap();
        assert_eq!((at(from), at(to)), ("1999-01-01T00:00:00Z".into(), "2049-06-30T00:00:00Z".into()));
    }

    /// Against the calendar that the rest of the program uses.
    #[test]
    fn days_are_counted_as_the_calendar_does() {
        let mut day = 0;
        for year in 1950..2200 {
            for month in 1..=12 {
                let first = days(year, month, 1);
                assert!(at(first * 86_400).starts_with(&format!("{year}-{month:02}-01T")), "{year}-{month}");
                assert!(day == 0 || first == day, "{year}-{month}");
                day = first + days_of(year, month);
            }
        }
    }

    #[test]
    fn half_a_certificate_is_none() {
        let whole = made((2026, 1, 1), (2027, 1, 1));
        for length in 0..whole.len() {
            assert_eq!(of(&whole[..length]), None, "{length} of {} bytes", whole.len());
        }
        assert_eq!(of(b"-----BEGIN CERTIFICATE-----"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0_usize..400, flipped: u8) {
            let _ = of(&bytes);
            let mut whole = made((2026, 1, 1), (2027, 1, 1));
            let at = at % whole.len();
            whole[at] ^= flipped;
            let _ = of(&whole);
        }
    }
}
