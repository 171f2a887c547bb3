//! Properties of BACKUP and RESTORE: taken by name, what is left over is refused.

use cairn_pipeline::Period;
use cairn_sql::statement::Properties;

use crate::mysql::SqlError;
use crate::refusal;
use crate::repository::parse_ttl;

/// The shortest time that a job may be given.
const MIN_TIMEOUT_SECONDS: u64 = 600;

/// Pairs that have not been understood yet.
#[derive(Debug)]
pub(super) struct PropertyBag(Properties);

impl PropertyBag {
    pub(super) fn new(properties: Properties) -> Self {
        Self(properties)
    }

    /// Takes the value of a key; keys are compared without case.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| name.eq_ignore_ascii_case(key))?;
        Some(self.0.remove(at).1)
    }

    /// Refuses what nobody took.
    pub(super) fn refuse_rest(self, kind: &str) -> Result<(), SqlError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = self.0.into_iter().map(|(key, _)| key).collect();
        Err(refusal::analysis(format_args!("Unknown {kind} job properties: [{}]", keys.join(", "))))
    }
}

/// `"timeout" = "seconds"`
pub(super) fn timeout_seconds(bag: &mut PropertyBag, default: u64) -> Result<u64, SqlError> {
    let Some(text) = bag.take("timeout") else { return Ok(default) };
    let seconds: u64 = text
        .trim()
        .parse()
        .map_err(|_| refusal::analysis(format_args!("Invalid timeout format: {text}")))?;
    if seconds < MIN_TIMEOUT_SECONDS {
        return Err(refusal::analysis("timeout must be at least 10 min"));
    }
    Ok(seconds)
}

/// `"ttl" = "7 DAY"`; an empty value is for ever.
pub(super) fn ttl(
    bag: &mut PropertyBag,
    default: Option<Period>,
) -> Result<Option<Period>, SqlError> {
    bag.take("ttl").map_or(Ok(default), |text| parse_ttl("ttl", &text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(pairs: &[(&str, &str)]) -> PropertyBag {
        PropertyBag(pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect())
    }

    #[test]
    fn what_nobody_took_is_named() {
        let mut given = bag(&[("Timeout", "600"), ("colour", "red"), ("size", "1")]);
        assert_eq!(given.take("timeout").as_deref(), Some("600"));
        let error = given.refuse_rest("backup").unwrap_err();
        assert!(error.message.contains("Unknown backup job properties: [colour, size]"), "{error}");
        assert!(bag(&[]).refuse_rest("backup").is_ok());
    }

    #[test]
    fn a_ttl_is_the_one_that_is_given_or_the_default() {
        let week: Option<Period> = "7 day".parse().ok();
        let ttl = |text: &str| ttl(&mut bag(&[("TTL", text)]), week);
        assert_eq!(ttl("12 HOUR").unwrap(), "12 hours".parse().ok());
        assert_eq!(ttl(" ").unwrap(), None);
        assert_eq!(super::ttl(&mut bag(&[]), week).unwrap(), week);
    }

    #[test]
    fn a_timeout_is_ten_minutes_or_more() {
        let timeout = |text: &str| timeout_seconds(&mut bag(&[("timeout", text)]), 7);
        assert_eq!(timeout("600").unwrap(), 600);
        assert_eq!(timeout_seconds(&mut bag(&[]), 7).unwrap(), 7);
        let message = |text: &str| timeout(text).unwrap_err().message;
        assert!(message("599").contains("timeout must be at least 10 min"));
        assert!(message("-1").contains("Invalid timeout format: -1"));
        assert!(message("soon").contains("Invalid timeout format: soon"));
    }
}
