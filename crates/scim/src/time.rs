//! Times as SCIM writes them (xsd:dateTime with a zone), to microseconds since 1970 and back.

/// `None` when the text is no time with a zone.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes.len() > 40 || !text.is_ascii() {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = &bytes[range];
        part.iter()
            .all(u8::is_ascii_digit)
            .then(|| part.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let mark = |at: usize, wanted: &[u8]| wanted.contains(&bytes[at]);
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let in_range =
        (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month) && hour < 24 && minute < 60;
    if !in_range || second > 60 {
        return None;
    }
    let mut at = 19;
    let mut micros = 0;
    if bytes[at] == b'.' {
        at += 1;
        let start = at;
        let mut scale = 100_000;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            micros += i64::from(bytes[at] - b'0') * scale;
            scale /= 10;
            at += 1;
        }
        if at == start {
            return None;
        }
    }
    let offset = match bytes.get(at)? {
        b'Z' | b'z' if at + 1 == bytes.len() => 0,
        sign @ (b'+' | b'-') if bytes.len() == at + 6 && bytes[at + 3] == b':' => {
            let minutes = number(at + 1..at + 3)? * 60 + number(at + 4..at + 6)?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let days = days_from_civil(year, month, day);
    Some((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1_000_000 + micros)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Howard Hinnant's `days_from_civil`.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `2026-03-02T08:00:00.000000Z`
pub fn format(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        assert_eq!(super::parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(super::parse("2026-03-02T08:00:00Z"), Some(1_772_438_400_000_000));
        assert_eq!(super::parse("2026-03-02T09:30:00.25+01:30"), Some(1_772_438_400_250_000));
        for bad in [
            "",
            "2026-03-02",
            "2026-13-02T08:00:00Z",
            "2026-02-29T08:00:00Z",
            "2026-03-02T08:00:00",
            "2026-03-02T08:00:00.Z",
        ] {
            assert_eq!(super::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(micros in -62_000_000_000_000_000_i64..250_000_000_000_000_000) {
            prop_assert_eq!(super::parse(&super::format(micros)), Some(micros));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,45}") {
            let _ = super::parse(&text);
        }
    }
}
