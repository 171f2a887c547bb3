//! Amounts as people read them.

use std::time::Duration;

use bytesize::ByteSize;

/// Shortest time of which a rate says anything.
const MIN_RATED: Duration = Duration::from_millis(1);

/// `1.5 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// `1.5 MiB/s`.
pub(crate) fn rate(bytes: u64, took: Duration) -> String {
    if took < MIN_RATED {
        return "-".to_owned();
    }
    let per_second = u128::from(bytes) * 1_000_000 / took.as_micros();
    format!("{}/s", self::bytes(u64::try_from(per_second).unwrap_or(u64::MAX)))
}

/// `320 ms`, `3.2 s`, `2 min 5 s`, `1 h 2 min`.
pub(crate) fn duration(took: Duration) -> String {
    let (seconds, millis) = (took.as_secs(), took.as_millis());
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{}.{} s", seconds, took.subsec_millis() / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 segment`, `1,200 segments`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short_and_exact_enough() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(3 << 20), "3.0 MiB");
        assert_eq!(rate(3 << 20, Duration::from_millis(1500)), "2.0 MiB/s");
        assert_eq!(rate(5, Duration::ZERO), "-");
        assert_eq!(duration(Duration::from_millis(999)), "999 ms");
        assert_eq!(duration(Duration::from_millis(3250)), "3.2 s");
        assert_eq!(duration(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(duration(Duration::from_secs(3725)), "1 h 2 min");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "file"), "1 file");
        assert_eq!(plural(1000, "file"), "1,000 files");
    }
}
