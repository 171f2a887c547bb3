//! `START (..) END (..) EVERY (..)`: partitions one after the other. Pure.

use crate::catalog::calendar::{self, TimeUnit};
use crate::catalog::model::{ColumnType, PartitionBounds, PartitionValue};
use crate::{Error, Result, Subject};

use super::definition::NewPartition;

/// Partitions that one statement makes: a typing error in a START must not fill the catalog.
pub(crate) const MAX_AT_ONCE: usize = 4096;

/// Cuts what lies between `start` and `end`. Pieces of weeks, months and years begin with one, so that the first may be
/// shorter; the last one ends with `end`.
pub(crate) fn expand(
    start: &str,
    end: &str,
    step: u32,
    unit: Option<&str>,
    column_type: ColumnType,
) -> Result<Vec<NewPartition>> {
    if step == 0 {
        return Err(refused("Batch partition every clause must be larger than zero."));
    }
    let (start, end) =
        (PartitionValue::parse(start, column_type)?, PartitionValue::parse(end, column_type)?);
    if start >= end {
        return Err(refused("Batch build partition start date should less than end date."));
    }
    let mut partitions = Vec::new();
    let mut from = start;
    while from < end {
        if partitions.len() == MAX_AT_ONCE {
            let message = format!("The number of batch partitions should not exceed:{MAX_AT_ONCE}");
            return Err(refused(message));
        }
        let (name, next) = match unit {
            Some(unit) => cut_time(&from, step, time_unit(unit, column_type)?, column_type)?,
            None => cut_numbers(&from, step)?,
        };
        // Beyond the last value there is nothing.
        let to = next.unwrap_or_else(|| end.clone()).min(end.clone());
        let bounds = PartitionBounds::Range { from: vec![from], to: vec![to.clone()] };
        partitions.push(NewPartition { name, bounds });
        from = to;
    }
    Ok(partitions)
}

/// The unit by its name, where the column is precise enough.
pub(crate) fn time_unit(name: &str, column_type: ColumnType) -> Result<TimeUnit> {
    match (TimeUnit::parse(name), column_type) {
        (Some(TimeUnit::Hour), ColumnType::Date) => {
            Err(refused("A DATE column cannot be partitioned by HOUR: use DATETIME"))
        }
        (Some(unit), ColumnType::Date | ColumnType::DateTime) => Ok(unit),
        (Some(_), _) => Err(refused(format!(
            "A column of type {column_type} cannot be partitioned by a unit of time: use DATE or DATETIME"
        ))),
        (None, _) => {
            Err(refused(format!("Unsupported time unit {name}. Expect HOUR/DAY/WEEK/MONTH/YEAR.")))
        }
    }
}

fn cut_time(
    from: &PartitionValue,
    step: u32,
    unit: TimeUnit,
    column_type: ColumnType,
) -> Result<(String, Option<PartitionValue>)> {
    let at = from.time().ok_or_else(|| refused("Unsupported batch partition build type."))?;
    let begin = match unit {
        TimeUnit::Hour | TimeUnit::Day => at,
        TimeUnit::Week | TimeUnit::Month | TimeUnit::Year => unit.begin(at),
    };
    let next = unit.add(begin, step.into());
    Ok((
        format!("p{}", unit.name(if unit == TimeUnit::Week { begin } else { at })),
        next.and_then(|next| PartitionValue::of_time(next, column_type)),
    ))
}

fn cut_numbers(from: &PartitionValue, step: u32) -> Result<(String, Option<PartitionValue>)> {
    let PartitionValue::Int(number) = from else {
        let message = "Unsupported batch partition build type: a time needs INTERVAL in EVERY";
        return Err(refused(message));
    };
    let name = format!("p{number}").replace('-', "_");
    Ok((name, number.checked_add(step.into()).map(PartitionValue::Int)))
}

impl PartitionValue {
    /// The time that it is, if it is one.
    pub(crate) fn time(&self) -> Option<jiff::civil::DateTime> {
        match self {
            Self::Date(days) => calendar::from_days(*days).map(Into::into),
            Self::DateTime(micros) => calendar::from_micros(*micros),
            _ => None,
        }
    }

    /// A time as a column of this type holds it.
    pub(crate) fn of_time(at: jiff::civil::DateTime, column_type: ColumnType) -> Option<Self> {
        match column_type {
            ColumnType::Date => Some(Self::Date(calendar::to_days(at.date()))),
            ColumnType::DateTime => Some(Self::DateTime(calendar::to_micros(at))),
            _ => None,
        }
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::invalid(message).about(Subject::Partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(partitions: &[NewPartition]) -> Vec<String> {
        let one = |partition: &NewPartition| match &partition.bounds {
            PartitionBounds::Range { from, to } => {
                format!("{} {}..{}", partition.name, from[0], to[0])
            }
            other => panic!("{other:?}"),
        };
        partitions.iter().map(one).collect()
    }

    fn days(start: &str, end: &str, step: u32, unit: &str) -> Vec<String> {
        shown(&expand(start, end, step, Some(unit), ColumnType::Date).unwrap())
    }

    #[test]
    fn units_of_time_are_cut_and_named() {
        assert_eq!(
            days("2024-02-28", "2024-03-02", 1, "DAY"),
            [
                "p20240228 2024-02-28..2024-02-29",
                "p20240229 2024-02-29..2024-03-01",
                "p20240301 2024-03-01..2024-03-02"
            ]
        );
        assert_eq!(
            days("2024-01-15", "2024-03-10", 1, "month"),
            [
                "p202401 2024-01-15..2024-02-01",
                "p202402 2024-02-01..2024-03-01",
                "p202403 2024-03-01..2024-03-10"
            ]
        );
        assert_eq!(
            days("2022-01-01", "2026-01-01", 2, "YEAR"),
            ["p2022 2022-01-01..2024-01-01", "p2024 2024-01-01..2026-01-01"]
        );
        assert_eq!(
            days("2024-01-03", "2024-01-15", 1, "WEEK"),
            ["p2024_01 2024-01-03..2024-01-08", "p2024_02 2024-01-08..2024-01-15"]
        );
        let hours =
            expand("2024-01-01 22:00:00", "2024-01-02", 1, Some("HOUR"), ColumnType::DateTime);
        assert_eq!(
            shown(&hours.unwrap()),
            [
                "p2024010122 2024-01-01 22:00:00..2024-01-01 23:00:00",
                "p2024010123 2024-01-01 23:00:00..2024-01-02 00:00:00"
            ]
        );
    }

    #[test]
    fn numbers_are_cut_and_named() {
        let numbers = |start, end, step| expand(start, end, step, None, ColumnType::Int);
        assert_eq!(
            shown(&numbers("-10", "15", 10).unwrap()),
            ["p_10 -10..0", "p0 0..10", "p10 10..15"]
        );
        let message = |result: Result<_>| result.unwrap_err().to_string();
        assert!(message(numbers("5", "5", 1)).contains("should less than"));
        assert!(message(numbers("0", "5", 0)).contains("larger than zero"));
        assert_eq!(
            message(numbers("0", "4097", 1)),
            "The number of batch partitions should not exceed:4096"
        );
        assert_eq!(numbers("0", "4096", 1).unwrap().len(), 4096);
        let last = expand(
            &(i128::MAX - 1).to_string(),
            &i128::MAX.to_string(),
            9,
            None,
            ColumnType::LargeInt,
        );
        assert_eq!(last.unwrap().len(), 1);
    }

    #[test]
    fn a_unit_must_fit_its_column() {
        let hour = expand("2024-01-01", "2024-01-02", 1, Some("HOUR"), ColumnType::Date);
        assert!(hour.unwrap_err().to_string().contains("DATETIME"));
        let none = expand("2024-01-01", "2024-01-02", 1, None, ColumnType::Date);
        assert!(none.unwrap_err().to_string().contains("INTERVAL"));
        let numbers = expand("1", "2", 1, Some("DAY"), ColumnType::Int);
        assert!(numbers.unwrap_err().to_string().contains("unit of time"));
    }
}
