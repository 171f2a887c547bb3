//! Dates and times as partition columns hold them, and the units of time that partitions are cut by. Pure.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time, Weekday, date};
use jiff::{Span, ToSpan};

const EPOCH: Date = date(1970, 1, 1);

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The first day that a DATE can hold.
pub(crate) const FIRST_DAY: Date = date(0, 1, 1);

/// Days since 1970-01-01.
pub(crate) fn to_days(date: Date) -> i32 {
    (date - EPOCH).get_days()
}

/// The day that is so many days after 1970-01-01.
pub(crate) fn from_days(days: i32) -> Option<Date> {
    EPOCH.checked_add(Span::new().try_days(days).ok()?).ok().filter(|date| date.year() >= 0)
}

/// Microseconds since 1970-01-01.
pub(crate) fn to_micros(at: DateTime) -> i64 {
    let time = at.time();
    let seconds =
        i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    i64::from(to_days(at.date())) * MICROS_PER_DAY
        + seconds * 1_000_000
        + i64::from(time.subsec_nanosecond()) / 1000
}

/// The time that is so many microseconds after 1970-01-01.
pub(crate) fn from_micros(micros: i64) -> Option<DateTime> {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    let span = Span::new().try_microseconds(micros.rem_euclid(MICROS_PER_DAY)).ok()?;
    Some(from_days(days)?.to_datetime(Time::midnight().checked_add(span).ok()?))
}

/// Reads `2024-01-31`, `20240131`, `2024-1-31` or one of them with a time behind it.
pub(crate) fn parse(text: &str) -> Option<DateTime> {
    let text = text.trim();
    let lenient = || {
        let padded = DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", text);
        padded.or_else(|_| Ok::<_, jiff::Error>(Date::strptime("%Y-%m-%d", text)?.into()))
    };
    text.parse().or_else(|_| lenient()).ok().filter(|at: &DateTime| at.year() >= 0)
}

/// `2024-01-31 00:00:00`, with microseconds where there are some.
pub(crate) fn show(at: DateTime) -> String {
    let mut text = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let micros = at.subsec_nanosecond() / 1000;
    if micros != 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ".{micros:06}");
    }
    text
}

/// By what partitions are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Hour,
    Day,
    /// From Monday on.
    Week,
    Month,
    Year,
}

impl TimeUnit {
    /// By its name in any case.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "hour" => Some(Self::Hour),
            "day" => Some(Self::Day),
            "week" => Some(Self::Week),
            "month" => Some(Self::Month),
            "year" => Some(Self::Year),
            _ => None,
        }
    }

    /// When the unit begins that `at` is in.
    pub(crate) fn begin(self, at: DateTime) -> DateTime {
        let day = at.date();
        match self {
            Self::Hour => return day.at(at.hour(), 0, 0, 0),
            Self::Day => day,
            Self::Week => {
                let since_monday = day.weekday().since(Weekday::Monday);
                day.saturating_sub(i64::from(since_monday).days())
            }
            Self::Month => day.first_of_month(),
            Self::Year => day.first_of_year(),
        }
        .to_datetime(Time::midnight())
    }

    /// So many units later; nothing beyond the calendar.
    pub(crate) fn add(self, at: DateTime, units: i64) -> Option<DateTime> {
        let span = Span::new();
        let span = match self {
            Self::Hour => span.try_hours(units),
            Self::Day => span.try_days(units),
            Self::Week => span.try_weeks(units),
            Self::Month => span.try_months(units),
            Self::Year => span.try_years(units),
        };
        at.checked_add(span.ok()?).ok().filter(|at| at.year() >= 0)
    }

    /// How StarRocks calls the partition that begins at `at`, without its prefix.
    pub(crate) fn name(self, at: DateTime) -> String {
        let format = match self {
            Self::Hour => "%Y%m%d%H",
            Self::Day => "%Y%m%d",
            Self::Week => return format!("{:04}_{:02}", at.year(), week_of_year(at.date())),
            Self::Month => "%Y%m",
            Self::Year => "%Y",
        };
        at.strftime(format).to_string()
    }
}

/// Weeks begin on Monday; the first one has January 1st.
fn week_of_year(day: Date) -> i16 {
    let offset = i16::from(day.first_of_year().weekday().since(Weekday::Monday));
    (day.day_of_year() - 1 + offset) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_through_numbers() {
        for text in ["1970-01-01", "0000-01-01", "9999-12-31", "1969-12-31", "2024-02-29"] {
            let at = parse(text).unwrap();
            assert_eq!(from_days(to_days(at.date())), Some(at.date()), "{text}");
            assert_eq!(from_micros(to_micros(at)), Some(at), "{text}");
        }
        let at = parse("1969-12-31 23:59:59.999999").unwrap();
        assert_eq!(to_micros(at), -1);
        assert_eq!(show(from_micros(-1).unwrap()), "1969-12-31 23:59:59.999999");
        assert_eq!(from_days(i32::MAX), None);
        assert_eq!(from_micros(i64::MIN), None);
    }

    #[test]
    fn several_ways_to_write_a_day_are_read() {
        let day = parse("2024-01-05").unwrap();
        for text in
            ["20240105", "2024-1-5", " 2024-01-05 ", "2024-01-05 00:00:00", "2024-1-5 0:0:0"]
        {
            assert_eq!(parse(text), Some(day), "{text}");
        }
        for text in ["", "2024", "2024-13-01", "2023-02-29", "-0001-01-01", "2024-01-05 25:00:00"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn units_begin_and_are_named_as_in_starrocks() {
        let at = parse("2024-05-17 13:45:10.5").unwrap();
        for (unit, begin, name) in [
            (TimeUnit::Hour, "2024-05-17 13:00:00", "2024051713"),
            (TimeUnit::Day, "2024-05-17", "20240517"),
            (TimeUnit::Week, "2024-05-13", "2024_20"),
            (TimeUnit::Month, "2024-05-01", "202405"),
            (TimeUnit::Year, "2024-01-01", "2024"),
        ] {
            assert_eq!(unit.begin(at), parse(begin).unwrap(), "{unit:?}");
            assert_eq!(unit.name(unit.begin(at)), name, "{unit:?}");
        }
        assert_eq!(TimeUnit::Month.add(parse("2024-01-31").unwrap(), 1), parse("2024-02-29"));
        assert_eq!(TimeUnit::Year.add(parse("9999-01-01").unwrap(), 1), None);
    }
}
