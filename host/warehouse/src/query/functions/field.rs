//! Parts of a time: `YEAR(t)`, `WEEKDAY(t)` and their like. Pure.

use jiff::civil::{Date, Weekday};

use crate::catalog::calendar;

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum TimeField {
    Year,
    Quarter,
    Month,
    /// Of the year; weeks begin on Sunday, and the first of them is the first one in the year.
    Week,
    /// Of the ISO year.
    WeekOfYear,
    Day,
    DayOfYear,
    /// 1 is Sunday.
    DayOfWeek,
    /// 0 is Monday.
    Weekday,
    Hour,
    Minute,
    Second,
    Microsecond,
}

/// The names of functions, and the part that each one gives.
pub(super) const FIELDS: &[(&str, TimeField)] = &[
    ("year", TimeField::Year),
    ("quarter", TimeField::Quarter),
    ("month", TimeField::Month),
    ("week", TimeField::Week),
    ("weekofyear", TimeField::WeekOfYear),
    ("day", TimeField::Day),
    ("dayofmonth", TimeField::Day),
    ("dayofyear", TimeField::DayOfYear),
    ("dayofweek", TimeField::DayOfWeek),
    ("weekday", TimeField::Weekday),
    ("hour", TimeField::Hour),
    ("minute", TimeField::Minute),
    ("second", TimeField::Second),
    ("microsecond", TimeField::Microsecond),
];

impl TimeField {
    /// The part of a time.
    pub(super) fn of(self, micros: i64) -> Option<i32> {
        let at = calendar::from_micros(micros)?;
        let day = at.date();
        Some(match self {
            Self::Year => day.year().into(),
            Self::Quarter => i32::from((day.month() - 1) / 3) + 1,
            Self::Month => day.month().into(),
            Self::Week => week_of_year(day, Weekday::Sunday),
            Self::WeekOfYear => day.iso_week_date().week().into(),
            Self::Day => day.day().into(),
            Self::DayOfYear => day.day_of_year().into(),
            Self::DayOfWeek => i32::from(day.weekday().since(Weekday::Sunday)) + 1,
            Self::Weekday => day.weekday().since(Weekday::Monday).into(),
            Self::Hour => at.hour().into(),
            Self::Minute => at.minute().into(),
            Self::Second => at.second().into(),
            Self::Microsecond => at.subsec_nanosecond() / 1000,
        })
    }
}

/// Weeks of the year that began before or on a day; 0 before the first day `begin`.
pub(super) fn week_of_year(day: Date, begin: Weekday) -> i32 {
    (i32::from(day.day_of_year()) + 6 - i32::from(day.weekday().since(begin))) / 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::parse_datetime;

    #[test]
    fn parts_are_those_of_mysql() {
        let at = parse_datetime("2024-08-15 10:20:30.000004").expect("a time");
        for (field, expected) in [
            (TimeField::Year, 2024),
            (TimeField::Quarter, 3),
            (TimeField::Month, 8),
            (TimeField::Week, 32),
            (TimeField::WeekOfYear, 33),
            (TimeField::Day, 15),
            (TimeField::DayOfYear, 228),
            (TimeField::DayOfWeek, 5),
            (TimeField::Weekday, 3),
            (TimeField::Hour, 10),
            (TimeField::Minute, 20),
            (TimeField::Second, 30),
            (TimeField::Microsecond, 4),
        ] {
            assert_eq!(field.of(at), Some(expected), "{field:?}");
        }
        assert_eq!(week_of_year(jiff::civil::date(2023, 1, 1), Weekday::Sunday), 1);
        assert_eq!(week_of_year(jiff::civil::date(2022, 1, 1), Weekday::Sunday), 0);
    }
}
