//! `INTERVAL n unit`.

use crate::cursor::{Cursor, Result};

const UNITS: [&str; 8] = ["YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"];

/// How many, and of what: `day`. The number may be in quotes.
pub(super) fn interval(c: &mut Cursor<'_>) -> Result<(u32, String)> {
    c.expect_word("INTERVAL")?;
    Ok((step(c)?, unit(c)?))
}

/// A number of units: at least one, else nothing ever ends.
pub(super) fn step(c: &mut Cursor<'_>) -> Result<u32> {
    let place = c.unexpected("a number greater than 0");
    let step = match c.accept_string() {
        Some(digits) => digits.trim().parse().ok(),
        None => c.number("a number greater than 0").ok(),
    };
    step.filter(|step| *step > 0).ok_or(place)
}

/// A unit of time in lower case.
fn unit(c: &mut Cursor<'_>) -> Result<String> {
    let unit = c.word();
    if !UNITS.contains(&unit.as_str()) {
        return Err(c.unexpected("YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE or SECOND"));
    }
    c.advance();
    Ok(unit.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_quoted_and_are_never_zero() {
        let parse = |text| interval(&mut Cursor::new(text).unwrap()).map_err(|e| e.to_string());
        assert_eq!(parse("INTERVAL 1 DAY").unwrap(), (1, "day".to_owned()));
        assert_eq!(parse("interval '15' minute").unwrap(), (15, "minute".to_owned()));
        assert_eq!(
            parse("INTERVAL 0 DAY").unwrap_err(),
            "expected a number greater than 0, found 0 at line 1, column 10"
        );
        assert!(parse("INTERVAL 1 FORTNIGHT").unwrap_err().starts_with("expected YEAR, QUARTER"));
    }
}
