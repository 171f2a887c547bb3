//! Arithmetic of days and times without a zone: days and microseconds since 1970-01-01, as Arrow holds them. Pure.
//!
//! What is no day, or not one of the years 0 to 9999, is `None`, which SQL shows as NULL.

use jiff::Span;
use jiff::civil::{Date, DateTime};

use crate::catalog::calendar::{self, from_days, from_micros, to_days, to_micros};

pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(crate) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// The time at which a day begins.
pub(crate) fn midnight(days: i32) -> i64 {
    i64::from(days) * MICROS_PER_DAY
}

/// Reads a day; a time of day behind it is checked and dropped.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    Some(to_days(calendar::parse(text)?.date()))
}

/// Reads a time.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    calendar::parse(text).map(to_micros)
}

/// `2024-02-29`
pub(crate) fn format_date(days: i32) -> Option<String> {
    from_days(days).map(|day| day.to_string())
}

/// `2024-02-29 12:30:00`, with six more digits unless they are zero.
pub(crate) fn format_datetime(micros: i64) -> Option<String> {
    from_micros(micros).map(calendar::show)
}

/// A unit of time, as in `INTERVAL 3 DAY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TimeUnit {
    Microsecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl TimeUnit {
    /// Reads its name, in any case, with or without a plural.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        Some(match text.strip_suffix('s').unwrap_or(&text) {
            "microsecond" => Self::Microsecond,
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// Whether a day shifted by it is a day.
    pub(crate) fn is_whole_days(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month | Self::Quarter | Self::Year)
    }

    fn length(self) -> Length {
        match self {
            Self::Microsecond => Length::Micros(1),
            Self::Second => Length::Micros(MICROS_PER_SECOND),
            Self::Minute => Length::Micros(60 * MICROS_PER_SECOND),
            Self::Hour => Length::Micros(3600 * MICROS_PER_SECOND),
            Self::Day => Length::Micros(MICROS_PER_DAY),
            Self::Week => Length::Micros(7 * MICROS_PER_DAY),
            Self::Month => Length::Months(1),
            Self::Quarter => Length::Months(3),
            Self::Year => Length::Months(12),
        }
    }
}

enum Length {
    Micros(i64),
    Months(i64),
}

/// A time so many units later; the last day of a month stands for days that the month has not.
pub(crate) fn shift(micros: i64, amount: i64, unit: TimeUnit) -> Option<i64> {
    match unit.length() {
        Length::Micros(length) => {
            let shifted = micros.checked_add(amount.checked_mul(length)?)?;
            from_micros(shifted).map(|_| shifted)
        }
        Length::Months(length) => {
            let span = Span::new().try_months(amount.checked_mul(length)?).ok()?;
            let shifted = from_micros(micros)?.checked_add(span).ok()?;
            (shifted.year() >= 0).then(|| to_micros(shifted))
        }
    }
}

/// Whole units from one time to another.
pub(crate) fn difference(from: i64, to: i64, unit: TimeUnit) -> Option<i64> {
    match unit.length() {
        Length::Micros(length) => Some(to.checked_sub(from)? / length),
        Length::Months(length) => {
            let (first, last) = (from_micros(from)?, from_micros(to)?);
            let months = month_count(last.date()) - month_count(first.date());
            let within = |at: DateTime| (at.day(), at.time());
            let whole = match months.signum() {
                1 if within(last) < within(first) => months - 1,
                -1 if within(last) > within(first) => months + 1,
                _ => months,
            };
            Some(whole / length)
        }
    }
}

/// The time at which the unit that holds a time began; a week begins on Monday.
pub(crate) fn truncate(micros: i64, unit: TimeUnit) -> Option<i64> {
    let begin = |unit: calendar::TimeUnit| from_micros(micros).map(|at| to_micros(unit.begin(at)));
    match unit {
        TimeUnit::Week => begin(calendar::TimeUnit::Week),
        TimeUnit::Month => begin(calendar::TimeUnit::Month),
        TimeUnit::Year => begin(calendar::TimeUnit::Year),
        TimeUnit::Quarter => {
            let first = from_micros(micros)?.date().first_of_month();
            let months = i64::from((first.month() - 1) % 3);
            shift(midnight(to_days(first)), -months, TimeUnit::Month)
        }
        _ => match unit.length() {
            Length::Micros(length) => Some(micros - micros.rem_euclid(length)),
            Length::Months(_) => None,
        },
    }
}

fn month_count(day: Date) -> i64 {
    i64::from(day.year()) * 12 + i64::from(day.month())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> i64 {
        parse_datetime(text).expect("the test spells a time")
    }

    #[test]
    fn a_shift_by_months_ends_with_the_month() {
        let shifted = |text: &str, amount, unit| format_datetime(shift(time(text), amount, unit)?);
        let from = "2024-01-31 10:00:00";
        assert_eq!(shifted(from, 1, TimeUnit::Month).as_deref(), Some("2024-02-29 10:00:00"));
        assert_eq!(shifted(from, -2, TimeUnit::Month).as_deref(), Some("2023-11-30 10:00:00"));
        assert_eq!(shifted(from, 1, TimeUnit::Year).as_deref(), Some("2025-01-31 10:00:00"));
        assert_eq!(shifted(from, 1, TimeUnit::Week).as_deref(), Some("2024-02-07 10:00:00"));
        assert_eq!(shifted(from, i64::MAX, TimeUnit::Day), None);
        assert_eq!(shifted(from, 8_000, TimeUnit::Year), None);
        assert_eq!(shifted(from, -2_025, TimeUnit::Year), None);
    }

    #[test]
    fn a_difference_counts_whole_units() {
        let between = |from: &str, to: &str, unit| difference(time(from), time(to), unit);
        assert_eq!(between("2024-01-31", "2024-02-29", TimeUnit::Month), Some(0));
        assert_eq!(between("2024-01-31", "2024-03-31", TimeUnit::Month), Some(2));
        assert_eq!(between("2024-03-31", "2024-01-31", TimeUnit::Month), Some(-2));
        assert_eq!(between("2024-03-30", "2024-01-31", TimeUnit::Month), Some(-1));
        assert_eq!(between("2024-01-01", "2025-06-01", TimeUnit::Year), Some(1));
        assert_eq!(between("2024-01-01", "2024-01-02 23:00:00", TimeUnit::Day), Some(1));
    }

    #[test]
    fn a_truncated_time_begins_its_unit() {
        let truncated = |unit| format_datetime(truncate(time("2024-08-15 10:20:30.5"), unit)?);
        for (unit, expected) in [
            (TimeUnit::Second, "2024-08-15 10:20:30"),
            (TimeUnit::Hour, "2024-08-15 10:00:00"),
            (TimeUnit::Day, "2024-08-15 00:00:00"),
            (TimeUnit::Week, "2024-08-12 00:00:00"),
            (TimeUnit::Month, "2024-08-01 00:00:00"),
            (TimeUnit::Quarter, "2024-07-01 00:00:00"),
            (TimeUnit::Year, "2024-01-01 00:00:00"),
        ] {
            assert_eq!(truncated(unit).as_deref(), Some(expected), "{unit:?}");
        }
    }
}
