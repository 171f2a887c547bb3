//! What `cairn repo copy` is to do.

use std::path::PathBuf;

use cairn_pipeline::{RepositorySettings, Rule};

use super::{Location, retention, settings};
use crate::cli::low;
use crate::config::HostConfig;
use crate::exit::Refusal;

#[derive(Debug)]
pub(crate) struct RepoCopyPlan {
    pub(crate) from: Location,
    pub(crate) to: Location,
    /// None copies object by object.
    pub(crate) anew: Option<AnewPlan>,
}

/// How snapshots are stored anew.
#[derive(Debug)]
pub(crate) struct AnewPlan {
    /// Empty is all.
    pub(crate) labels: Vec<String>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) settings: RepositorySettings,
    pub(crate) encrypt: bool,
    /// Whose properties hold for the place that is copied to.
    pub(crate) to_config: Option<PathBuf>,
}

impl RepoCopyPlan {
    pub(super) fn of(config: &HostConfig, typed: low::Copy) -> anyhow::Result<Self> {
        let low::Copy { from, to, anew, label, keep, encrypt, to_config, new, .. } = typed;
        let rules = retention::rules(keep)?;
        if !anew && !rules.is_empty() {
            return Err(Refusal::usage(
                "a rule says which snapshots are stored --anew: give that too",
            ));
        }
        if !label.is_empty() && !rules.is_empty() {
            return Err(Refusal::usage("copy what is named or what rules keep, not both"));
        }
        let settings = settings(config, &new)?;
        let anew = anew.then_some(AnewPlan { labels: label, rules, settings, encrypt, to_config });
        Ok(Self { from, to, anew })
    }
}
