//! [`RetentionConfig`]: how long snapshots are kept where nobody says, and what `cairn serve` lets go by itself.

use std::time::Duration;

use cairn_pipeline::{Grouping, Period, Policy, Rule, Scope};
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::exit::Refusal;

/// Each sweep lists every repository: more often is no use to anybody.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Settings of retention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionConfig {
    /// Empty is for ever.
    default_ttl: String,
    #[serde(with = "as_text")]
    sweep_interval: humantime::Duration,
    rules: Vec<RuleConfig>,
}

/// What is kept of some snapshots.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuleConfig {
    repository: Option<String>,
    database: Option<String>,
    series: Option<String>,
    group_by: Option<String>,
    keep_last: u32,
    keep_hourly: u32,
    keep_daily: u32,
    keep_weekly: u32,
    keep_monthly: u32,
    keep_yearly: u32,
    keep_within: Option<String>,
    allow_empty: bool,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            default_ttl: String::new(),
            sweep_interval: Duration::from_secs(60 * 60).into(),
            rules: Vec::new(),
        }
    }
}

impl RetentionConfig {
    /// How long a snapshot is kept whose backup does not say; none is for ever.
    pub(crate) fn default_ttl(&self) -> anyhow::Result<Option<Period>> {
        match self.default_ttl.as_str() {
            "" => Ok(None),
            text => period("retention.default_ttl", text).map(Some),
        }
    }

    /// How often a server sweeps; none is never.
    #[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "only a warehouse is swept"))]
    pub(crate) fn sweep_interval(&self) -> anyhow::Result<Option<Duration>> {
        let interval = *self.sweep_interval;
        if !interval.is_zero() && interval < SHORTEST_INTERVAL {
            return Err(Refusal::usage(
                "retention.sweep_interval: 0s, which is never, or at least 1s",
            ));
        }
        Ok((!interval.is_zero()).then_some(interval))
    }

    /// The rules, each with the name of the repository that it is for; none is all.
    #[cfg_attr(not(feature = "sql"), expect(dead_code, reason = "only a warehouse is swept"))]
    pub(crate) fn rules(&self) -> anyhow::Result<Vec<(Option<String>, Rule)>> {
        let rule = |rule: &RuleConfig| Ok((rule.repository.clone(), rule.rule()?));
        self.rules.iter().map(rule).collect()
    }
}

impl RuleConfig {
    fn rule(&self) -> anyhow::Result<Rule> {
        let within = self.keep_within.as_deref();
        let group_by = self.group_by.as_deref().map(str::parse::<Grouping>).transpose();
        let policy = Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: within.map(|text| period("retention.rules: keep_within", text)).transpose()?,
            may_empty: self.allow_empty,
        };
        if policy.is_empty() {
            return Err(Refusal::usage(
                "retention.rules: a rule has at least one keep_... above 0",
            ));
        }
        let (database, series) = (self.database.clone(), self.series.clone());
        let group_by = group_by
            .map_err(|error| Refusal::usage(format!("retention.rules: group_by: {error}")))?;
        Ok(Rule {
            scope: Scope { database, series },
            group_by: group_by.unwrap_or_default(),
            policy,
        })
    }
}

fn period(name: &str, text: &str) -> anyhow::Result<Period> {
    text.parse().map_err(|error| Refusal::usage(format!("{name} {text:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RetentionConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn by_default_only_ttls_count_and_there_is_none() {
        let config = RetentionConfig::default();
        assert_eq!(config.default_ttl().unwrap(), None);
        assert_eq!(config.sweep_interval().unwrap(), Some(Duration::from_secs(3600)));
        assert_eq!(config.rules().unwrap(), []);
        assert_eq!(read("sweep_interval = \"0s\"").sweep_interval().unwrap(), None);
    }

    #[test]
    fn rules_are_read_in_order() {
        let config = read(
            "default_ttl = \"30 days\"\n\
             [[rules]]\nrepository = \"r\"\ndatabase = \"shop\"\nkeep_last = 7\n\
             [[rules]]\nseries = \"nightly\"\ngroup_by = \"series\"\nkeep_within = \"1 month\"",
        );
        assert_eq!(config.default_ttl().unwrap(), "30 DAY".parse().ok());
        let rules = config.rules().unwrap();
        assert_eq!(rules[0].0.as_deref(), Some("r"));
        assert_eq!(
            (rules[0].1.scope.database.as_deref(), rules[0].1.policy.last),
            (Some("shop"), 7)
        );
        assert_eq!(rules[1].1.group_by.to_string(), "series");
        assert_eq!(rules[1].1.policy.within, "1 MONTH".parse().ok());
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let refused = |text: &str| {
            let config = read(text);
            let of_rules = config.rules().map(drop);
            let checked = of_rules.and(config.default_ttl().map(drop));
            checked.and(config.sweep_interval().map(drop)).unwrap_err().to_string()
        };
        for (text, message) in [
            ("default_ttl = \"soon\"", "retention.default_ttl \"soon\": not a duration"),
            ("sweep_interval = \"5ms\"", "retention.sweep_interval: 0s"),
            ("[[rules]]", "at least one keep_..."),
            ("[[rules]]\nkeep_within = \"0 day\"", "keep_within \"0 day\": not a positive"),
            ("[[rules]]\nkeep_last = 1\ngroup_by = \"colour\"", "\"colour\" is none of origin"),
        ] {
            assert!(refused(text).contains(message), "{text}: {}", refused(text));
        }
        assert!(toml::from_str::<RetentionConfig>("[[rules]]\nkeep = 1").is_err());
    }
}
