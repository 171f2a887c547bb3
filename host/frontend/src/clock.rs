//! The wall clock of the server, and how times are shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Milliseconds since 1970-01-01.
pub(crate) type Millis = i64;

/// Now.
pub(crate) fn now_millis() -> Millis {
    since_epoch().as_millis().try_into().unwrap_or(0)
}

/// Now, in microseconds since 1970-01-01.
pub(crate) fn now_micros() -> i64 {
    since_epoch().as_micros().try_into().unwrap_or(0)
}

/// The same for arithmetic on calendars.
pub(crate) fn timestamp() -> Timestamp {
    // Milliseconds of the wall clock are always in range.
    Timestamp::from_millisecond(now_millis()).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A time as StarRocks shows it, `2026-01-31 13:00:00`, in UTC as everything else that Cairn shows.
pub(crate) fn shown(millis: Millis) -> String {
    let known = u64::try_from(millis).ok().filter(|_| Timestamp::from_millisecond(millis).is_ok());
    let Some(since) = known else { return millis.to_string() };
    // Its fields stand where they always do; a listing shows ten thousands of times.
    let mut text = cairn_pipeline::Timestamp::from_unix_millis(since).to_string().into_bytes();
    text.truncate("2026-01-31 13:00:00".len());
    for (at, separator) in [(10, b' '), (13, b':'), (16, b':')] {
        if let Some(byte) = text.get_mut(at) {
            *byte = separator;
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_second() {
        assert_eq!(shown(0), "1970-01-01 00:00:00");
        assert_eq!(shown(1_769_864_461_999), "2026-01-31 13:01:01");
        assert_eq!(shown(Millis::MAX), Millis::MAX.to_string());
    }
}
