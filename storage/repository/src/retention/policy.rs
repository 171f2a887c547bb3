//! [`Rule`]: which snapshots a policy is about, in which groups, and how many of each it keeps.

use std::fmt;
use std::str::FromStr;

use crate::Label;
use crate::period::Period;
use crate::record::Record;

/// What is kept of a group. Each part keeps by itself; what any of them keeps stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    /// The newest so many.
    pub last: u32,
    /// The newest of each of the newest so many hours that have one.
    pub hourly: u32,
    /// The same of days.
    pub daily: u32,
    /// The same of ISO weeks.
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
    /// The same of years.
    pub yearly: u32,
    /// All that were put within this time.
    pub within: Option<Period>,
    /// Whether nothing at all may be left of a group.
    pub may_empty: bool,
}

impl Policy {
    /// Whether it keeps nothing: then it is none.
    pub fn is_empty(&self) -> bool {
        let Self { last, hourly, daily, weekly, monthly, yearly, within, may_empty: _ } = self;
        [last, hourly, daily, weekly, monthly, yearly].iter().all(|&&count| count == 0)
            && within.is_none()
    }
}

/// Which snapshots a rule is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Those that hold this database.
    pub database: Option<String>,
    /// Those whose label is of this series ([`series_of`]).
    pub series: Option<String>,
}

impl Scope {
    /// Whether a snapshot is one of them.
    pub fn fits(&self, label: &Label, record: &Record) -> bool {
        self.database.as_ref().is_none_or(|name| record.databases.contains(name))
            && self.series.as_ref().is_none_or(|series| series_of(label) == series)
    }
}

/// What the snapshots of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// Where their tablets came from.
    pub origin: bool,
    /// Their databases.
    pub databases: bool,
    /// The series of their labels ([`series_of`]).
    pub series: bool,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { origin: true, databases: true, series: false }
    }
}

/// A text that is no [`Grouping`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of origin, database and series")]
pub struct ParseGroupingError {
    word: String,
}

/// Words with commas between them: `origin`, `database`, `series`. None at all is one group of everything.
impl FromStr for Grouping {
    type Err = ParseGroupingError;

    fn from_str(text: &str) -> Result<Self, ParseGroupingError> {
        let mut grouping = Self { origin: false, databases: false, series: false };
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "origin" => grouping.origin = true,
                "database" => grouping.databases = true,
                "series" => grouping.series = true,
                _ => return Err(ParseGroupingError { word: word.to_owned() }),
            }
        }
        Ok(grouping)
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words =
            [(self.origin, "origin"), (self.databases, "database"), (self.series, "series")];
        let words = words.iter().filter(|(is_on, _)| *is_on).map(|(_, word)| *word);
        f.write_str(&words.collect::<Vec<_>>().join(","))
    }
}

/// What tells one group from another: parts that do not matter are empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey<'a> {
    origin: &'a str,
    databases: &'a [String],
    series: &'a str,
}

impl Grouping {
    pub(super) fn key<'a>(&self, label: &'a Label, record: &'a Record) -> GroupKey<'a> {
        GroupKey {
            origin: if self.origin { &record.origin } else { "" },
            databases: if self.databases { &record.databases } else { &[] },
            series: if self.series { series_of(label) } else { "" },
        }
    }
}

/// A policy and what it is applied to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Which snapshots.
    pub scope: Scope,
    /// In which groups.
    pub group_by: Grouping,
    /// What is kept of each group.
    pub policy: Policy,
}

/// What labels of one series have in common: a label without the digits, `_`, `-`, `.` and `:` at its end, nor `T` and
/// `Z` behind a digit there.
///
/// ```
/// use cairn_repository::retention::series_of;
/// for label in ["nightly_20261101", "nightly-2026-11-01T08:00:00Z", "nightly"] {
///     assert_eq!(series_of(&label.parse()?), "nightly");
/// }
/// # Ok::<(), cairn_repository::LabelError>(())
/// ```
pub fn series_of(label: &Label) -> &str {
    let mut series = label.as_str();
    loop {
        let counted = |it: char| it.is_ascii_digit() || matches!(it, '_' | '-' | '.' | ':');
        series = series.trim_end_matches(counted);
        let shorter = series.strip_suffix(['T', 'Z']);
        match shorter.filter(|it| it.ends_with(|last: char| last.is_ascii_digit())) {
            Some(shorter) => series = shorter,
            None => return series,
        }
    }
}
