//! [`parse_ttl`]: how long snapshots are kept, of a repository or of one of them, as it is typed.

use cairn_pipeline::{ParsePeriodError, Period};

use crate::mysql::SqlError;
use crate::refusal;

/// A ttl as typed under this name; an empty one is for ever.
pub(crate) fn parse_ttl(name: &str, text: &str) -> Result<Option<Period>, SqlError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| match error {
        ParsePeriodError::NotPositive => {
            refusal::analysis(format_args!("{name} must be a positive duration, but got: {text}"))
        }
        _ => refusal::analysis(format_args!(
            "Invalid {name}: '{text}'. Expected a duration such as '7 DAY' or '12 HOUR', or an empty value to keep the snapshot forever"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_positive_duration_or_none() {
        assert_eq!(parse_ttl("ttl", "12 HOUR").unwrap(), "12 hours".parse().ok());
        assert_eq!(parse_ttl("ttl", " ").unwrap(), None);
        let message = |text: &str| parse_ttl("ttl", text).unwrap_err().message;
        assert!(message("0 DAY").contains("ttl must be a positive duration, but got: 0 DAY"));
        assert!(message("soon").contains(
            "Invalid ttl: 'soon'. Expected a duration such as '7 DAY' or '12 HOUR', or an empty value to keep the snapshot forever"
        ));
    }
}
