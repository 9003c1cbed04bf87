//! Hours of the desk: when a clock runs. Pure.
//!
//! Without hours it runs around the clock. Hours are the same on each chosen day, at one distance from UTC: no summer time.

use std::time::Duration;

use platform::time::{DAY, MINUTE, Timestamp};
use serde::{Deserialize, Serialize};

/// The shortest time that a desk is open on a day.
pub const OPEN_MINUTES_MIN: u16 = 60;
pub const OFFSET_MINUTES_MAX: u16 = 14 * 60;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SupportHours)]
pub struct Hours {
    /// 1 is Monday, 7 Sunday.
    #[schema(value_type = Vec<u32>, example = json!([1, 2, 3, 4, 5]))]
    pub days: Vec<u8>,
    /// Minutes after midnight.
    #[schema(example = 480)]
    pub from_minute: u16,
    #[schema(example = 1080)]
    pub to_minute: u16,
    /// How far the desk's clock is ahead of UTC.
    #[schema(example = 60)]
    pub offset_minutes: i16,
}

const DAY_MICROS: i64 = 86_400_000_000;
const MINUTE_MICROS: i64 = 60_000_000;

impl Hours {
    /// What is wrong, with the field.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let mut days = self.days.clone();
        days.sort_unstable();
        days.dedup();
        if days.is_empty() || days.len() != self.days.len() || days.iter().any(|day| !(1..=7).contains(day)) {
            return Err(("days", "choose at least one day, each once: 1 is Monday, 7 Sunday".to_owned()));
        }
        let long = self.to_minute.saturating_sub(self.from_minute);
        if self.to_minute > 24 * 60 || long < OPEN_MINUTES_MIN {
            let why = format!("the desk is open for {OPEN_MINUTES_MIN} minutes or more, and closes by 24:00");
            return Err(("to_minute", why));
        }
        if self.offset_minutes.unsigned_abs() > OFFSET_MINUTES_MAX {
            return Err(("offset_minutes", "no place is more than 14 hours away from UTC".to_owned()));
        }
        Ok(())
    }

    fn opens_on(&self, day: i64) -> bool {
        // Day 0 was a Thursday.
        let weekday = (day + 3).rem_euclid(7) + 1;
        self.days.iter().any(|one| i64::from(*one) == weekday)
    }

    /// When `work` of open time after `start` is over.
    fn end(&self, start: Timestamp, work: Duration) -> Timestamp {
        /// The longest target, an hour a day on one day a week, is over after 5,040.
        const DAYS_MAX: i64 = 12_000;
        let offset = i64::from(self.offset_minutes) * MINUTE_MICROS;
        let local = start.micros().saturating_add(offset);
        let mut left = i64::try_from(work.as_micros()).unwrap_or(i64::MAX);
        let first = local.div_euclid(DAY_MICROS);
        for day in first..first.saturating_add(DAYS_MAX) {
            if !self.opens_on(day) {
                continue;
            }
            let midnight = day * DAY_MICROS;
            let opens = (midnight + i64::from(self.from_minute) * MINUTE_MICROS).max(local);
            let open = midnight + i64::from(self.to_minute) * MINUTE_MICROS - opens;
            if open <= 0 {
                continue;
            }
            if left <= open {
                return Timestamp::from_micros(opens + left - offset);
            }
            left -= open;
        }
        start.plus(work)
    }
}

/// When `work` after `start` is over, by these hours or around the clock.
pub fn end(hours: Option<&Hours>, start: Timestamp, work: Duration) -> Timestamp {
    hours.map_or_else(|| start.plus(work), |hours| hours.end(start, work))
}

/// `2 days 3 h`, `4 h 20 min`, `12 min`: two units at most.
pub fn words(span: Duration) -> String {
    let minutes = span.as_secs() / MINUTE.as_secs();
    let (days, hours, rest) =
        (span.as_secs() / DAY.as_secs(), span.as_secs() % DAY.as_secs() / 3600, minutes % 60);
    let days_words = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    match (days, hours, rest) {
        (0, 0, rest) => format!("{rest} min"),
        (0, hours, 0) => format!("{hours} h"),
        (0, hours, rest) => format!("{hours} h {rest} min"),
        (_, 0, _) => days_words,
        (_, hours, _) => format!("{days_words} {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use platform::time::HOUR;
    use proptest::prelude::*;

    use super::*;

    fn office() -> Hours {
        Hours { days: vec![1, 2, 3, 4, 5], from_minute: 8 * 60, to_minute: 18 * 60, offset_minutes: 60 }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn a_clock_stands_while_the_desk_is_closed() {
        let hours = Some(office());
        for (start, hour, wanted) in [
            // A Monday morning, at 9 o'clock there.
            ("2026-03-02T08:00:00Z", 4, "2026-03-02T12:00:00Z"),
            // Before it opens.
            ("2026-03-02T03:00:00Z", 1, "2026-03-02T08:00:00Z"),
            // Over the night, and over the weekend.
            ("2026-03-02T16:00:00Z", 4, "2026-03-03T10:00:00Z"),
            ("2026-03-06T16:00:00Z", 4, "2026-03-09T10:00:00Z"),
            ("2026-03-07T12:00:00Z", 10, "2026-03-09T17:00:00Z"),
        ] {
            let end = end(hours.as_ref(), at(start), HOUR * hour);
            assert_eq!(end, at(wanted), "{start} and {hour} h");
        }
        let start = at("2026-03-07T12:00:00Z");
        assert_eq!(end(None, start, HOUR * 5), start.plus(HOUR * 5));
    }

    #[test]
    fn hours_are_checked() {
        assert_eq!(office().check(), Ok(()));
        for wrong in [
            Hours { days: vec![], ..office() },
            Hours { days: vec![1, 1], ..office() },
            Hours { days: vec![0], ..office() },
            Hours { days: vec![8], ..office() },
            Hours { to_minute: 500, ..office() },
            Hours { to_minute: 1441, ..office() },
            Hours { offset_minutes: 900, ..office() },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn spans_are_short_words() {
        for (seconds, wanted) in [
            (0, "0 min"),
            (59, "0 min"),
            (720, "12 min"),
            (3600, "1 h"),
            (15_600, "4 h 20 min"),
            (86_400, "1 day"),
            (183_600, "2 days 3 h"),
        ] {
            assert_eq!(words(Duration::from_secs(seconds)), wanted);
        }
    }

    proptest! {
        #[test]
        fn always_open_is_around_the_clock(start in 0_i64..4_000_000_000_000_000, minutes in 0_u64..43_200) {
            let always = Hours { days: (1..=7).collect(), from_minute: 0, to_minute: 1440, offset_minutes: 0 };
            let (start, work) = (Timestamp::from_micros(start), MINUTE * u32::try_from(minutes).unwrap());
            prop_assert_eq!(always.end(start, work), start.plus(work));
        }

        #[test]
        fn hours_only_make_it_longer_and_more_work_ends_later(
            start in 0_i64..4_000_000_000_000_000,
            minutes in 1_u32..43_200,
            from in 0_u16..1380,
            long in 60_u16..1440,
            days in proptest::collection::btree_set(1_u8..=7, 1..=7),
            offset in -840_i16..=840,
        ) {
            let hours = Hours {
                days: days.into_iter().collect(),
                from_minute: from,
                to_minute: (from + long).min(1440),
                offset_minutes: offset,
            };
            prop_assert_eq!(hours.check(), Ok(()));
            let start = Timestamp::from_micros(start);
            let end = hours.end(start, MINUTE * minutes);
            prop_assert!(end >= start.plus(MINUTE * minutes));
            prop_assert!(hours.end(start, MINUTE * (minutes + 1)) > end);
        }
    }
}
