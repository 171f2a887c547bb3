//! [`Period`]: a length of time as users write it, by the calendar of UTC.

use std::fmt;
use std::str::FromStr;

use jiff::Span;

use crate::Timestamp;

const MONTHS_A_YEAR: u32 = 12;
const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Longer ones end beyond the last timestamp, and their days are more than a period that is read may have.
const MAX_MONTHS: u32 = 10_000 * MONTHS_A_YEAR;
const MAX_MILLIS: u64 = 10_000 * 366 * DAY_MS;

/// Whole months, then milliseconds; never nothing.
///
/// ```
/// use cairn_repository::retention::Period;
/// let period: Period = "7 DAY".parse()?;
/// assert_eq!(period.to_string(), "7 DAY");
/// # Ok::<(), cairn_repository::retention::ParsePeriodError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Period {
    months: u32,
    millis: u64,
}

/// Why a text is no [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePeriodError {
    /// Not of the form.
    #[error("not a duration such as 7 DAY or 12 HOUR")]
    Malformed,
    /// Nothing or less.
    #[error("not a positive duration")]
    NotPositive,
}

impl Period {
    /// So many months and milliseconds; `None` when that is nothing.
    pub fn new(months: u32, millis: u64) -> Option<Self> {
        (months > 0 || millis > 0).then_some(Self { months, millis })
    }

    /// Whole months.
    pub fn months(self) -> u32 {
        self.months
    }

    /// What is beside them, in milliseconds.
    pub fn millis(self) -> u64 {
        self.millis
    }

    /// The end of it, when it begins at `start`; at most the last timestamp.
    pub fn after(self, start: Timestamp) -> Timestamp {
        let months_later = start.months_later(self.months);
        Timestamp::from_unix_millis(months_later.as_unix_millis().saturating_add(self.millis))
    }
}

impl FromStr for Period {
    type Err = ParsePeriodError;

    fn from_str(text: &str) -> Result<Self, ParsePeriodError> {
        let malformed = ParsePeriodError::Malformed;
        let span: Span = text.trim().to_lowercase().parse().map_err(|_| malformed)?;
        let months =
            i64::from(span.get_years()) * i64::from(MONTHS_A_YEAR) + i64::from(span.get_months());
        // In UTC every day has 24 hours. All parts of a span have one sign.
        let hours = (i64::from(span.get_weeks()) * 7 + i64::from(span.get_days())) * 24
            + i64::from(span.get_hours());
        let seconds = (hours * 60 + span.get_minutes()) * 60 + span.get_seconds();
        let millis = seconds.checked_mul(1000).ok_or(malformed)? + span.get_milliseconds();
        let months = u32::try_from(months).map_err(|_| ParsePeriodError::NotPositive)?;
        let millis = u64::try_from(millis).map_err(|_| ParsePeriodError::NotPositive)?;
        if months > MAX_MONTHS || millis > MAX_MILLIS {
            return Err(malformed);
        }
        Self::new(months, millis).ok_or(ParsePeriodError::NotPositive)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut part = |number: u64, unit: &str| -> fmt::Result {
            if number > 0 {
                write!(f, "{separator}{number} {unit}")?;
                separator = " ";
            }
            Ok(())
        };
        part((self.months / MONTHS_A_YEAR).into(), "YEAR")?;
        part((self.months % MONTHS_A_YEAR).into(), "MONTH")?;
        part(self.millis / DAY_MS, "DAY")?;
        part(self.millis % DAY_MS / HOUR_MS, "HOUR")?;
        part(self.millis % HOUR_MS / MINUTE_MS, "MINUTE")?;
        part(self.millis % MINUTE_MS / SECOND_MS, "SECOND")?;
        part(self.millis % SECOND_MS, "MILLISECOND")
    }
}
