//! [`Watch`]: what an operator wants to know of repositories while no job runs, as metrics.
//!
//! A host looks at each of its repositories from time to time and tells here what it found; nothing is asked when metrics are
//! scraped. *Invariant*: the number of series does not grow with tables, tablets or snapshots. They are named by repositories,
//! of which a watch shows [`MAX_REPOSITORIES`] in its life, and by the targets that its configuration names.
//!
//! *On failure*: what is not known any more keeps its last value, beside the time of the last look that succeeded: an age that
//! grows is the truth, a zero would not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_repository::ListedSnapshot;
use cairn_repository::layout::packs_prefix;
use cairn_repository::retention::{Owner, Scope};
use futures::TryStreamExt;

use crate::error::Error;
use crate::job::CheckReport;
use crate::metrics::{RepositoryMetrics, TargetMetrics};
use crate::repository::Repository;

/// Repositories that a watch gives series of their own. Targets hear of the others, too.
pub const MAX_REPOSITORIES: usize = 64;

/// How old the newest of some snapshots may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name: a label value, so it comes from a configuration and from nowhere else.
    pub name: String,
    /// In which repository; none is all of them.
    pub repository: Option<String>,
    /// Which snapshots.
    pub scope: Scope,
    /// After what age of the newest a person is told.
    pub max_age: Duration,
}

/// What is known of the repositories of a host.
#[derive(Debug)]
pub struct Watch {
    /// Whose snapshots count for targets; none is everybody's.
    owner: Option<Owner>,
    targets: Vec<(Target, TargetMetrics)>,
    /// Held for a step: storages are asked outside of it.
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The repositories of this round.
    names: BTreeSet<String>,
    /// Those of them that are too many to have series of their own.
    unshown: BTreeSet<String>,
    /// Those with series of their own, also when they are gone: a series cannot be taken back.
    shown: BTreeMap<String, RepositoryMetrics>,
    /// By target, then by repository: when the newest snapshot of it was taken, in milliseconds; none where there is none.
    newest: BTreeMap<usize, BTreeMap<String, Option<u64>>>,
}

/// What a look at a repository found.
struct Look {
    num_snapshots: u64,
    raw_bytes: u64,
    newest: Option<u64>,
    by_target: Vec<(usize, Option<u64>)>,
}

impl Watch {
    /// A watch of these targets. Metric handles are resolved on the threads that call it.
    pub fn new(owner: Option<Owner>, targets: Vec<Target>) -> Self {
        let with_metrics = |target: Target| {
            let database = target.scope.database.as_deref();
            let metrics = TargetMetrics::new(&target.name, target.repository.as_deref(), database);
            metrics.max_age.set(target.max_age.as_secs_f64());
            (target, metrics)
        };
        let targets = targets.into_iter().map(with_metrics).collect();
        Self { owner, targets, known: Mutex::default() }
    }

    /// A round begins over the repositories that there are now: of others nothing is shown any more, and a target without any is
    /// missed at once. Answers the names that are not there and that targets name.
    pub fn begin_round(&self, names: &[String]) -> Vec<&str> {
        let names: BTreeSet<String> = names.iter().cloned().collect();
        let mut known = self.lock();
        for (_, metrics) in known.shown.iter().filter(|(name, _)| !names.contains(*name)) {
            metrics.show_nothing();
        }
        for newest in known.newest.values_mut() {
            newest.retain(|name, _| names.contains(name));
        }
        known.unshown.retain(|name| names.contains(name));
        known.names = names;
        let mut missing = Vec::new();
        for (number, (target, metrics)) in self.targets.iter().enumerate() {
            missing
                .extend(target.repository.as_deref().filter(|name| !known.names.contains(*name)));
            known.show_target(number, target, metrics);
        }
        missing
    }

    /// Looks at a repository: whether it can be reached, what snapshots it has. Blocks.
    pub fn look(&self, name: &str, repository: &Repository) -> Result<(), Error> {
        // A place that was emptied lists nothing, as a repository without snapshots does.
        match repository.ping().and_then(|()| repository.snapshots()) {
            Ok(listed) => {
                let now = repository.engine().clock().now().as_unix_millis();
                self.found(name, self.judge(name, &listed), now);
                Ok(())
            }
            Err(error) => {
                self.not_reached(name);
                Err(error)
            }
        }
    }

    /// A repository could not be reached, or not even be opened.
    pub fn not_reached(&self, name: &str) {
        self.lock().with_shown(name, |metrics| metrics.reachable.set(0.0));
    }

    /// Adds up the packs of a repository: a listing of all of them. Blocks.
    pub fn measure(&self, name: &str, repository: &Repository) -> Result<(), Error> {
        let inner = repository.inner().clone();
        let bytes = repository.engine().block_on(async move {
            let mut pages = inner.storage().list_pages(&packs_prefix());
            let mut bytes = 0;
            while let Some(page) = pages.try_next().await? {
                bytes += page.iter().map(|meta| meta.size).sum::<u64>();
            }
            Ok::<u64, cairn_repository::Error>(bytes)
        })??;
        self.lock().with_shown(name, |metrics| metrics.stored_bytes.set(bytes as f64));
        Ok(())
    }

    /// A check of a repository ended.
    pub fn checked(&self, name: &str, repository: &Repository, report: &CheckReport) {
        let now = repository.engine().clock().now().as_unix_millis();
        self.lock().with_shown(name, |metrics| {
            metrics.damages.set(report.findings().count() as f64);
            metrics.checked.set(seconds(now));
        });
    }

    fn judge(&self, name: &str, listed: &[ListedSnapshot]) -> Look {
        let readable =
            || listed.iter().filter_map(|it| Some((&it.label, it.record.as_ref().ok()?)));
        let newest_of = |target: &Target| {
            let counts = readable().filter(|(label, record)| {
                self.owner.as_ref().is_none_or(|owner| owner.made(record))
                    && target.scope.fits(label, record)
            });
            counts.map(|(_, record)| record.timestamp.as_unix_millis()).max()
        };
        let here = self.targets.iter().enumerate().filter(|(_, (target, _))| target.is_in(name));
        Look {
            num_snapshots: listed.len() as u64,
            raw_bytes: readable().map(|(_, record)| record.stats.raw_bytes).sum(),
            newest: readable().map(|(_, record)| record.timestamp.as_unix_millis()).max(),
            by_target: here.map(|(number, (target, _))| (number, newest_of(target))).collect(),
        }
    }

    fn found(&self, name: &str, look: Look, now_millis: u64) {
        let mut known = self.lock();
        known.with_shown(name, |metrics| {
            metrics.reachable.set(1.0);
            metrics.reached.set(seconds(now_millis));
            metrics.num_snapshots.set(look.num_snapshots as f64);
            metrics.snapshot_bytes.set(look.raw_bytes as f64);
            metrics.newest.set(look.newest.map_or(f64::NAN, seconds));
        });
        for (number, newest) in look.by_target {
            known.newest.entry(number).or_default().insert(name.to_owned(), newest);
            if let Some((target, metrics)) = self.targets.get(number) {
                known.show_target(number, target, metrics);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    fn is_in(&self, repository: &str) -> bool {
        self.repository.as_deref().is_none_or(|name| name == repository)
    }
}

impl Known {
    /// Of the first repositories only: names come from users.
    fn with_shown(&mut self, name: &str, show: impl FnOnce(&RepositoryMetrics)) {
        if !self.shown.contains_key(name) {
            if self.shown.len() == MAX_REPOSITORIES {
                if self.unshown.insert(name.to_owned()) {
                    tracing::warn!(
                        name,
                        "a repository too many to have metrics of its own, and alerts by them: restart the server after many were dropped"
                    );
                }
                return;
            }
            self.shown.insert(name.to_owned(), RepositoryMetrics::new(name));
        }
        if let Some(metrics) = self.shown.get(name) {
            show(metrics);
        }
    }

    /// Without any snapshot it is as old as time itself; while a repository in which there may be one has not been looked at,
    /// nobody knows.
    fn show_target(&self, number: usize, target: &Target, metrics: &TargetMetrics) {
        let looked_at = self.newest.get(&number);
        let newest = looked_at.and_then(|of| of.values().flatten().max());
        let is_known = |name: &String| looked_at.is_some_and(|of| of.contains_key(name));
        let mut here = self.names.iter().filter(|name| target.is_in(name));
        metrics.newest.set(match newest {
            Some(newest) => seconds(*newest),
            None if here.all(is_known) => 0.0,
            None => f64::NAN,
        });
    }
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
