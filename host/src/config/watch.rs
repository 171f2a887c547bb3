//! [`WatchConfig`]: how often `cairn serve` looks at its repositories for its metrics, and how old backups may be.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn_pipeline::{Scope, Target};
use serde::{Deserialize, Serialize};

use super::as_text;
use crate::exit::Refusal;

/// Each look lists what there is: more often is no use to anybody.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Each target is two series of metrics.
const MAX_TARGETS: usize = 256;

/// Settings of the watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WatchConfig {
    #[serde(with = "as_text")]
    interval: humantime::Duration,
    #[serde(with = "as_text")]
    size_interval: humantime::Duration,
    #[serde(with = "as_text")]
    check_interval: humantime::Duration,
    targets: Vec<TargetConfig>,
}

/// How old the newest of some snapshots may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetConfig {
    name: String,
    repository: Option<String>,
    database: Option<String>,
    series: Option<String>,
    #[serde(with = "as_text")]
    max_age: humantime::Duration,
}

/// How often is done what; none is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Intervals {
    pub(crate) look: Duration,
    pub(crate) measure: Option<Duration>,
    pub(crate) check: Option<Duration>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5 * 60).into(),
            size_interval: Duration::from_secs(60 * 60).into(),
            check_interval: Duration::ZERO.into(),
            targets: Vec::new(),
        }
    }
}

impl WatchConfig {
    /// The intervals; none where nothing is watched.
    pub(crate) fn intervals(&self) -> anyhow::Result<Option<Intervals>> {
        let interval = |name: &str, interval: Duration| {
            if !interval.is_zero() && interval < SHORTEST_INTERVAL {
                let message = format!("watch.{name}: 0s, which is never, or at least 1s");
                return Err(Refusal::usage(message));
            }
            Ok((!interval.is_zero()).then_some(interval))
        };
        let look = interval("interval", *self.interval)?;
        let measure = interval("size_interval", *self.size_interval)?;
        let check = interval("check_interval", *self.check_interval)?;
        if look.is_none() && !self.targets.is_empty() {
            return Err(Refusal::usage("watch.targets need a watch.interval above 0s"));
        }
        Ok(look.map(|look| Intervals { look, measure, check }))
    }

    /// The targets, each with a name of its own.
    pub(crate) fn targets(&self) -> anyhow::Result<Vec<Target>> {
        if self.targets.len() > MAX_TARGETS {
            return Err(Refusal::usage(format!(
                "watch.targets: {} are too many for a dashboard; at most {MAX_TARGETS}",
                self.targets.len()
            )));
        }
        let mut names = BTreeSet::new();
        let target = |target: &'_ TargetConfig| {
            let TargetConfig { name, repository, database, series, max_age } = target.clone();
            if name.is_empty() {
                return Err(Refusal::usage("watch.targets: a name is not empty"));
            }
            if !names.insert(name.clone()) {
                return Err(Refusal::usage(format!("watch.targets: {name} is named twice")));
            }
            if max_age.is_zero() {
                let message = format!("watch.targets: {name}: max_age is longer than nothing");
                return Err(Refusal::usage(message));
            }
            let scope = Scope { database, series };
            Ok(Target { name, repository, scope, max_age: max_age.into() })
        };
        self.targets.iter().map(target).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> WatchConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn by_default_repositories_are_looked_at_and_measured_but_not_checked() {
        let config = WatchConfig::default();
        let (look, measure) = (Duration::from_secs(300), Some(Duration::from_secs(3600)));
        let intervals = Some(Intervals { look, measure, check: None });
        assert_eq!(config.intervals().unwrap(), intervals);
        assert_eq!(config.targets().unwrap(), []);
        assert_eq!(read("interval = \"0s\"").intervals().unwrap(), None);
    }

    #[test]
    fn targets_are_read_in_order() {
        let config = read(
            "[[targets]]\nname = \"shop\"\nrepository = \"r\"\ndatabase = \"shop\"\nmax_age = \"26h\"\n\
             [[targets]]\nname = \"weekly\"\nseries = \"weekly\"\nmax_age = \"8 days\"",
        );
        let targets = config.targets().unwrap();
        assert_eq!(targets[0].repository.as_deref(), Some("r"));
        assert_eq!(targets[0].scope.database.as_deref(), Some("shop"));
        assert_eq!(targets[1].scope.series.as_deref(), Some("weekly"));
        assert_eq!(targets[1].max_age, Duration::from_secs(8 * 24 * 60 * 60));
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let target = |name: &str, age: &str| {
            format!("[[targets]]\nname = \"{name}\"\nmax_age = \"{age}\"\n")
        };
        let many: String = (0..=MAX_TARGETS).map(|it| target(&it.to_string(), "1h")).collect();
        for (text, message) in [
            ("interval = \"5ms\"".to_owned(), "watch.interval: 0s"),
            ("size_interval = \"5ms\"".to_owned(), "watch.size_interval: 0s"),
            ("check_interval = \"5ms\"".to_owned(), "watch.check_interval: 0s"),
            (format!("interval = \"0s\"\n{}", target("a", "1h")), "need a watch.interval"),
            (target("", "1h"), "a name is not empty"),
            (target("a", "1h") + &target("a", "2h"), "a is named twice"),
            (target("a", "0s"), "a: max_age is longer"),
            (many, "257 are too many"),
        ] {
            let config = read(&text);
            let checked = config.targets().map(drop).and(config.intervals().map(drop));
            let error = checked.unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!(toml::from_str::<WatchConfig>("[[targets]]\nname = \"a\"").is_err());
        assert!(toml::from_str::<WatchConfig>("[[targets]]\nlabel = \"a\"").is_err());
    }
}
