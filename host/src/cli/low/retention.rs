//! What was typed of `cairn forget`, `cairn hold` and `cairn prune`.

use cairn_pipeline::{Grouping, Period};
use clap::{Args, Subcommand};

use super::{Repository, Watching};

const FORGET: &str = "\
Without names, rules say what goes: all --keep-... together, for each group by itself; what any of them keeps stays.
A snapshot with a ttl stays until that is over and goes then. What is held stays in any case: `cairn hold`.
Snapshots that were taken on other machines stay unless --force is given.

A series is what is left of labels without the digits and _-.: at their end: nightly of nightly_20261101.

Examples:
  cairn forget --repo /backup nightly-1 nightly-2
  cairn forget --repo /backup --keep-last 7 --keep-daily 30 --keep-monthly 12 --dry-run
  cairn forget --repo /backup --expired";

#[derive(Debug, Args)]
#[command(after_help = FORGET)]
pub(crate) struct Forget {
    #[command(flatten)]
    pub(crate) repository: Repository,
    #[command(flatten)]
    pub(crate) keep: Keep,
    /// Forget those whose ttl is over, as every --keep-... does besides.
    #[arg(long)]
    pub(crate) expired: bool,
    /// Forget also what was taken on other machines.
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would go, and why each of the others stays.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The snapshots to forget.
    #[arg(value_name = "LABEL")]
    pub(crate) label: Vec<String>,
}

/// A rule.
#[derive(Debug, Args)]
pub(crate) struct Keep {
    /// Keep the newest N.
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<u32>,
    /// Keep the newest of each of the newest N hours that have one.
    #[arg(long, value_name = "N")]
    pub(crate) keep_hourly: Option<u32>,
    /// The same of days, in UTC.
    #[arg(long, value_name = "N")]
    pub(crate) keep_daily: Option<u32>,
    /// The same of ISO weeks.
    #[arg(long, value_name = "N")]
    pub(crate) keep_weekly: Option<u32>,
    /// The same of months.
    #[arg(long, value_name = "N")]
    pub(crate) keep_monthly: Option<u32>,
    /// The same of years.
    #[arg(long, value_name = "N")]
    pub(crate) keep_yearly: Option<u32>,
    /// Keep all that are younger, such as "30 days" or "1 month".
    #[arg(long, value_name = "TIME")]
    pub(crate) keep_within: Option<Period>,
    /// What the snapshots of a group have in common: origin, database, series, with commas between. [default:
    /// origin,database]
    #[arg(long, value_name = "WORDS")]
    pub(crate) group_by: Option<Grouping>,
    /// Only snapshots that hold this database.
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// Only snapshots of this series.
    #[arg(long, value_name = "NAME")]
    pub(crate) series: Option<String>,
    /// Let groups become empty; else the newest of a group stays.
    #[arg(long)]
    pub(crate) allow_empty: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Hold {
    /// Hold a snapshot: nobody forgets it, in no way, before the hold is removed.
    Add {
        #[command(flatten)]
        repository: Repository,
        /// Why.
        #[arg(long, default_value = "")]
        reason: String,
        /// The snapshot.
        label: String,
        /// A name for the hold; a snapshot may have several.
        name: String,
    },
    /// Remove a hold.
    Remove {
        #[command(flatten)]
        repository: Repository,
        /// The snapshot.
        label: String,
        /// The name of the hold.
        name: String,
    },
    /// List holds.
    List {
        #[command(flatten)]
        repository: Repository,
        /// Only those of this snapshot.
        label: Option<String>,
    },
}

impl Hold {
    pub(super) fn repository(&self) -> &Repository {
        let (Self::Add { repository, .. }
        | Self::Remove { repository, .. }
        | Self::List { repository, .. }) = self;
        repository
    }

    pub(crate) fn repository_mut(&mut self) -> &mut Repository {
        let (Self::Add { repository, .. }
        | Self::Remove { repository, .. }
        | Self::List { repository, .. }) = self;
        repository
    }
}

#[derive(Debug, Args)]
pub(crate) struct Prune {
    #[command(flatten)]
    pub(crate) repository: Repository,
    /// How long what is not needed waits, from when it is marked until it is deleted: longer than any restore, better longer than any backup. 0s deletes
    /// at once, and is for who has the repository to himself.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub(crate) grace: humantime::Duration,
    /// How much of what packs hold may be needed by no snapshot, such as 5%. Above it, what is needed of the worst packs is copied, and the packs go.
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = percent)]
    pub(crate) max_unused: u8,
    /// Leave packs alone of which something is needed.
    #[arg(long, conflicts_with = "max_unused")]
    pub(crate) keep_packs: bool,
    /// Go on where data of snapshots is lost for good, as `check` says; their other parts stay restorable.
    #[arg(long)]
    pub(crate) accept_loss: bool,
    /// Only say what would go.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) watching: Watching,
}

/// A part of a hundred, with or without its sign.
fn percent(text: &str) -> Result<u8, &'static str> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let percent = number.parse().ok().filter(|percent| *percent <= 100);
    percent.ok_or("expected whole percent, from 0% to 100%")
}
