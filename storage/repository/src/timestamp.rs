//! [`Timestamp`]: an instant as a repository and its users write it.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// An instant in UTC, in whole milliseconds since the Unix epoch, between the years 1970 and 9999.
///
/// Shown as `yyyy-MM-dd-HH-mm-ss-SSS`, the form in which snapshots are listed.
///
/// ```
/// use cairn_repository::Timestamp;
/// let timestamp: Timestamp = "2026-11-23-08-00-00-123".parse()?;
/// assert_eq!(timestamp.as_unix_millis(), 1_795_420_800_123);
/// assert_eq!(timestamp.to_string(), "2026-11-23-08-00-00-123");
/// # Ok::<(), cairn_repository::ParseTimestampError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is not a [`Timestamp`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time of the form yyyy-MM-dd-HH-mm-ss-SSS")]
pub struct ParseTimestampError;

/// 9999-12-30-22-00-00-000: the last millisecond that the calendar library converts.
const MAX_MILLIS: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The instant so many milliseconds after the epoch. A value beyond the year 9999 becomes the
    /// last instant of the range.
    pub fn from_unix_millis(millis: u64) -> Self {
        Self(i64::try_from(millis).unwrap_or(MAX_MILLIS).min(MAX_MILLIS))
    }

    /// Milliseconds since the epoch.
    pub fn as_unix_millis(self) -> u64 {
        self.0.unsigned_abs()
    }

    /// What the clock of this machine says.
    pub fn now() -> Self {
        let millis = jiff::Timestamp::now().as_millisecond();
        Self::from_unix_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// The same time of the day so many months later, on the last day of a month that is too short; at most the last
    /// instant of the range.
    pub(crate) fn months_later(self, months: u32) -> Self {
        let last = Self(MAX_MILLIS);
        let Ok(span) = jiff::Span::new().try_months(months) else { return last };
        let later = self.to_civil().checked_add(span).ok();
        let later = later.and_then(|later| TimeZone::UTC.to_timestamp(later).ok());
        later.map_or(last, |later| Self(later.as_millisecond().min(MAX_MILLIS)))
    }

    pub(crate) fn to_civil(self) -> DateTime {
        // The range of the type is inside that of the library; the epoch is never seen.
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        TimeZone::UTC.to_datetime(instant)
    }
}

impl From<SystemTime> for Timestamp {
    /// An instant before the epoch becomes the epoch.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.to_civil();
        let [month, day, hour, minute, second] =
            [at.month(), at.day(), at.hour(), at.minute(), at.second()].map(i16::from);
        let fields = [at.year(), month, day, hour, minute, second, at.millisecond()];
        // Listings show ten thousands of them: digits by hand cost a third of formatting seven numbers.
        let mut text = [b'-'; LENGTH];
        let mut rest = text.as_mut_slice();
        for (field, width) in fields.into_iter().zip(WIDTHS) {
            let (digits, behind) = rest.split_at_mut(width);
            write_digits(field.unsigned_abs(), digits);
            rest = behind.get_mut(1..).unwrap_or_default();
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

/// Writes a number with leading zeros.
fn write_digits(mut number: u16, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, ParseTimestampError> {
        parse(text).ok_or(ParseTimestampError)
    }
}

/// Bytes of the form.
const LENGTH: usize = 23;

/// Fixed width: every field has exactly the digits of the form.
const WIDTHS: [usize; 7] = [4, 2, 2, 2, 2, 2, 3];

fn parse(text: &str) -> Option<Timestamp> {
    let mut fields = [0_i16; WIDTHS.len()];
    let mut texts = text.split('-');
    for (field, width) in fields.iter_mut().zip(WIDTHS) {
        let digits = texts.next()?;
        if digits.len() != width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *field = digits.parse().ok()?;
    }
    if texts.next().is_some() {
        return None;
    }
    let [year, month, day, hour, minute, second, millis] = fields;
    let small = |field: i16| i8::try_from(field).ok();
    let nanos = i32::from(millis) * 1_000_000;
    let civil = DateTime::new(
        year,
        small(month)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second)?,
        nanos,
    );
    let instant = TimeZone::UTC.to_timestamp(civil.ok()?).ok()?.as_millisecond();
    (0..=MAX_MILLIS).contains(&instant).then_some(Timestamp(instant))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_not_the_form() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23-08-00-00",
            "2026-11-23-08-00-00-1",
            "2026-11-23-08-00-00-123-",
            "2026-13-23-08-00-00-123",
            "2026-02-30-08-00-00-123",
            "1969-12-31-23-59-59-999",
            "+026-11-23-08-00-00-123",
            "2026-11-23T08-00-00-123",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(ParseTimestampError), "{text}");
        }
    }

    #[test]
    fn a_clock_beyond_the_range_is_clamped() {
        let last = Timestamp::from_unix_millis(u64::MAX);
        assert_eq!(last.to_string(), "9999-12-30-22-00-00-000");
        assert_eq!(last.to_string().parse(), Ok(last));
        assert_eq!(Timestamp::from_unix_millis(0).to_string(), "1970-01-01-00-00-00-000");
    }

    proptest! {
        #[test]
        fn text_round_trips_and_orders_as_time(a in 0..=MAX_MILLIS, b in 0..=MAX_MILLIS) {
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn parsing_is_total(text in ".{0,30}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
