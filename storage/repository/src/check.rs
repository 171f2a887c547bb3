//! Checks: is everything there that the snapshots need?
//!
//! [`check_structure`] reads what is small (records, index runs, documents, on request the directories of
//! packs), lists what is big, and names for each damage the tables, partitions and tablets that it touches, snapshot by
//! snapshot. It does not read chunks of segments; whoever does tells [`affected_by`] which are lost.
//!
//! # Order
//! Records are listed first, then marks, runs, packs: the order of readers. So a backup that runs
//! meanwhile never looks damaged; what it has put and not yet listed counts as orphaned. Damages of what a settled mark
//! names are not told: nobody needs it, and it may be what a repair has condemned. But whoever may only append can
//! put such a mark, so what a snapshot needs and lies only there is read before it is called lost.
//!
//! # Memory
//! The index budget, about 60 bytes per pack, four runs and sixteen directories, 20 bytes per distinct document, and a few
//! documents at a time.

mod packs;
mod progress;
mod report;
mod walk;

use std::collections::HashSet;
use std::sync::Arc;

use cairn_storage::ErrorKind;
use tokio::runtime::Handle;

use self::packs::Packs;
pub use self::progress::{CheckPhase, CheckProgress, OnProgress};
use self::report::Findings;
pub use self::report::{Affected, CheckReport, Finding, ObjectName, TabletName};
use self::walk::{Judge, Walk};
use crate::index::{DEFAULT_BUDGET_BYTES, Index, ListedRun};
use crate::{ChunkId, Error, Label, PackId, Repository, Result};

/// What a check does beyond the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// Memory for the index in bytes.
    pub index_budget_bytes: u64,
    /// Also reads directory and trailer of each pack that a run lists: one small read per pack.
    pub directories: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { index_budget_bytes: DEFAULT_BUDGET_BYTES, directories: false }
    }
}

/// Checks the structure of a repository. Damage is what the report says; an error means that the check itself
/// could not go on, because the storage failed.
pub async fn check_structure(
    repository: &Repository,
    runtime: Handle,
    options: &CheckOptions,
    on_progress: OnProgress<'_>,
) -> Result<CheckReport> {
    let labels = repository.labels().await?;
    // Before the runs: what a prune is about to take may go while it is looked for.
    let (marks, damaged_marks) = repository.readable_marks().await?;
    let (named, settled) = (marks.named(), marks.settled());
    let runs = repository.runs().await?;
    let load = async |runs| {
        let storage = Arc::clone(repository.storage());
        let (sealer, budget) = (repository.sealer(), options.index_budget_bytes);
        Index::load(storage, sealer, runs, budget, runtime.clone()).await
    };
    let mut index = load(runs.clone()).await?;
    let mut findings = Findings::default();
    let others = damaged_marks.into_iter().map(|(_, damage)| damage);
    let keys = repository.damaged_keys().await?.into_iter();
    for damage in others.chain(keys).chain(repository.damaged_holds().await?) {
        findings.add(damage);
    }
    let num_runs = runs.iter().filter(|run| !settled.runs.contains(&run.id)).count() as u64;
    let mut report = CheckReport { num_runs, ..CheckReport::default() };

    let mut packs = Packs::list(repository, &settled).await?;
    let contradicted =
        packs.compare_with_runs(&runs, options.directories, on_progress, &mut findings);
    report.contradicted_runs = contradicted.await?;
    packs.compare_with_listing(&mut report);
    if !report.contradicted_runs.is_empty() {
        drop(index);
        let is_right = |run: &ListedRun| !report.contradicted_runs.contains(&run.id);
        index = load(runs.into_iter().filter(is_right).collect()).await?;
    }
    for damage in packs.damages(&named) {
        findings.add(damage);
    }

    let mut walk = Walk::new(repository, &index, Judge::Packs(&packs), findings);
    let total = labels.len() as u64;
    for (done, label) in (0..).zip(&labels) {
        on_progress(CheckProgress { phase: CheckPhase::Snapshots, done, total });
        if walk_label(&mut walk, repository, label).await? {
            report.num_snapshots += 1;
        }
    }
    on_progress(CheckProgress { phase: CheckPhase::Snapshots, done: total, total });
    walk.finish(&mut report);
    Ok(report)
}

/// What the chunks of a repository are judged by when their packs are read.
#[derive(Debug)]
pub struct Ground {
    /// Where they lie, by the runs that nothing contradicts.
    pub index: Index,
    /// All packs, with their lengths in bytes.
    pub packs: Vec<(PackId, u32)>,
    /// Packs that settled marks name: their damages are nobody's business, and what is needed of them a check of the structure has
    /// read.
    pub aside: HashSet<PackId>,
}

impl Ground {
    /// Looks at a repository of which a check of the structure has found this.
    pub async fn look(
        repository: &Repository,
        found: &CheckReport,
        index_budget_bytes: u64,
        runtime: Handle,
    ) -> Result<Self> {
        let (marks, _) = repository.readable_marks().await?;
        let mut runs = repository.runs().await?;
        runs.retain(|run| !found.contradicted_runs.contains(&run.id));
        let storage = Arc::clone(repository.storage());
        let sealer = repository.sealer();
        let index = Index::load(storage, sealer, runs, index_budget_bytes, runtime).await?;
        Ok(Self { index, packs: repository.packs().await?, aside: marks.settled().packs })
    }
}

/// What in which snapshots needs any of the `lost` chunks. Snapshots and documents that cannot be read for other
/// reasons are left out: [`check_structure`] reports them.
pub async fn affected_by(
    repository: &Repository,
    index: &Index,
    lost: &HashSet<ChunkId>,
) -> Result<Vec<Affected>> {
    let mut walk = Walk::new(repository, index, Judge::Lost(lost), Findings::default());
    for label in repository.labels().await? {
        walk_label(&mut walk, repository, &label).await?;
    }
    Ok(walk.affected_by_lost())
}

/// Walks one snapshot; `false` when it was deleted meanwhile. A damaged record is a finding.
async fn walk_label(walk: &mut Walk<'_>, repository: &Repository, label: &Label) -> Result<bool> {
    match repository.record(label).await {
        Ok(record) => walk.snapshot(&record).await?,
        Err(Error::Damaged(damage)) => walk.damaged_record(label, damage),
        Err(Error::NoSuchSnapshot { .. }) => return Ok(false),
        Err(Error::Storage(error)) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(true)
}
