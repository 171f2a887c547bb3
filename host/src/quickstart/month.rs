//! Months of dates: the partitions of the big tables.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Context;
use jiff::ToSpan;
use jiff::civil::Date;

/// Day 0 of dates in Arrow.
const EPOCH: Date = Date::constant(1970, 1, 1);

/// Names months by days; each day is worked out once.
#[derive(Debug, Default)]
pub(super) struct Months {
    known: HashMap<i32, String>,
}

impl Months {
    /// The name of the month of a day, such as `1996-01`.
    pub(super) fn name(&mut self, days: i32) -> anyhow::Result<&str> {
        Ok(match self.known.entry(days) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let date = EPOCH.checked_add(days.days()).context("a date beyond the calendar")?;
                unknown.insert(format!("{:04}-{:02}", date.year(), date.month()))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_months() {
        let mut months = Months::default();
        assert_eq!(months.name(0).unwrap(), "1970-01");
        assert_eq!(months.name(8035).unwrap(), "1992-01");
        assert_eq!(months.name(8034).unwrap(), "1991-12");
    }
}
