//! What `cairn forget` and `cairn hold` mean.

use cairn_pipeline::{Policy, Rule, Scope};

use super::Location;
use crate::cli::low::retention::{Forget, Hold, Keep};
use crate::exit::Refusal;

#[derive(Debug)]
pub(crate) struct ForgetPlan {
    pub(crate) repository: Location,
    pub(crate) what: Forgotten,
    /// Also what was taken on other machines.
    pub(crate) force: bool,
    pub(crate) dry_run: bool,
}

/// What is to be forgotten.
#[derive(Debug)]
pub(crate) enum Forgotten {
    /// These snapshots.
    Named(Vec<String>),
    /// What is expired, and what these rules do not keep.
    ByRules(Vec<Rule>),
}

#[derive(Debug)]
pub(crate) struct HoldPlan {
    pub(crate) repository: Location,
    pub(crate) action: HoldAction,
}

#[derive(Debug)]
pub(crate) enum HoldAction {
    Add { label: String, name: String, reason: String },
    Remove { label: String, name: String },
    List { label: Option<String> },
}

impl HoldPlan {
    pub(super) fn of(repository: Location, typed: Hold) -> Self {
        let action = match typed {
            Hold::Add { label, name, reason, .. } => HoldAction::Add { label, name, reason },
            Hold::Remove { label, name, .. } => HoldAction::Remove { label, name },
            Hold::List { label, .. } => HoldAction::List { label },
        };
        Self { repository, action }
    }
}

impl ForgetPlan {
    pub(super) fn of(repository: Location, typed: Forget) -> anyhow::Result<Self> {
        let Forget { keep, expired, force, dry_run, label, .. } = typed;
        let rules = rules(keep)?;
        let what = match (label.is_empty(), !rules.is_empty() || expired) {
            (false, false) => Forgotten::Named(label),
            (true, true) => Forgotten::ByRules(rules),
            (false, true) => {
                return Err(Refusal::usage("forget what is named or what rules say, not both"));
            }
            (true, false) => {
                return Err(Refusal::usage(
                    "forget what? name snapshots, or give --expired or a --keep-... above 0",
                ));
            }
        };
        Ok(Self { repository, what, force, dry_run })
    }
}

/// The rule that was typed, if one was.
pub(super) fn rules(keep: Keep) -> anyhow::Result<Vec<Rule>> {
    let is_refined = keep.group_by.is_some()
        || keep.database.is_some()
        || keep.series.is_some()
        || keep.allow_empty;
    let rule = rule(keep);
    match (rule.policy.is_empty(), is_refined) {
        (false, _) => Ok(vec![rule]),
        (true, false) => Ok(Vec::new()),
        (true, true) => Err(Refusal::usage(
            "--group-by, --database, --series and --allow-empty refine a rule: give a --keep-... above 0 with them",
        )),
    }
}

fn rule(keep: Keep) -> Rule {
    Rule {
        scope: Scope { database: keep.database, series: keep.series },
        group_by: keep.group_by.unwrap_or_default(),
        policy: Policy {
            last: keep.keep_last.unwrap_or_default(),
            hourly: keep.keep_hourly.unwrap_or_default(),
            daily: keep.keep_daily.unwrap_or_default(),
            weekly: keep.keep_weekly.unwrap_or_default(),
            monthly: keep.keep_monthly.unwrap_or_default(),
            yearly: keep.keep_yearly.unwrap_or_default(),
            within: keep.keep_within,
            may_empty: keep.allow_empty,
        },
    }
}
