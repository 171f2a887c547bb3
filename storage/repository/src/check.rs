//! Checks: is everything there that the snapshots need?
//!
//! [`check_structure`] reads what is small (records, index runs, documents, on request the directories of
//! packs), lists what is big, and names for each damage the tables, partitions and tablets that it touches, snapshot by
//! snapshot. It does not read chunks of segments; whoever does tells [`affected_by`] which are lost.
//!
//! # Order
//! Records are listed first, then marks, runs, packs: the order of readers. So a backup that runs
//! meanwhile never looks damaged; what it has put and not yet listed counts as orphaned. What a mark names that is settled is
//! not looked at: nobody needs it, and it may be what a repair has condemned.
//!
//! # Memory
//! The index budget, about 60 bytes per pack, 20 bytes per distinct document, and a few documents at a time.

mod packs;
mod report;
mod walk;

use std::collections::HashSet;
use std::sync::Arc;

use cairn_storage::ErrorKind;
use tokio::runtime::Handle;

use self::packs::PackCheck;
use self::report::Findings;
pub use self::report::{Affected, CheckReport, Finding, ObjectName, TabletName};
use self::walk::{Judge, Walk};
use crate::error::DamagedObject;
use crate::index::{DEFAULT_BUDGET_BYTES, Index};
use crate::{ChunkId, Damage, Error, Fault, Label, PackId, Repository, Result};

/// What a check does beyond the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckOptions {
    /// Memory for the index in bytes.
    pub index_budget_bytes: u64,
    /// Also reads directory and trailer of each pack: one small read per pack.
    pub directories: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { index_budget_bytes: DEFAULT_BUDGET_BYTES, directories: false }
    }
}

/// What a check is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckPhase {
    /// Verifying index runs.
    Runs,
    /// Reading the directories of packs.
    Directories,
    /// Walking the manifests of snapshots.
    Snapshots,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// What it is doing.
    pub phase: CheckPhase,
    /// Runs, packs or snapshots done.
    pub done: u64,
    /// Of how many.
    pub total: u64,
}

/// Who is told of the progress: called often, from the task that checks.
pub type OnProgress<'a> = &'a (dyn Fn(CheckProgress) + Send + Sync);

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
    let mut runs = repository.runs().await?;
    runs.retain(|run| !settled.runs.contains(&run.id));
    let storage = Arc::clone(repository.storage());
    let (sealer, budget) = (repository.sealer(), options.index_budget_bytes);
    let index = Index::load(storage, sealer, runs.clone(), budget, runtime).await?;
    let mut findings = Findings::default();
    for damage in repository.damaged_keys().await? {
        findings.add(damage);
    }
    for damage in repository.damaged_holds().await? {
        findings.add(damage);
    }
    for (_, damage) in damaged_marks {
        findings.add(damage);
    }
    let mut report = CheckReport { num_runs: runs.len() as u64, ..CheckReport::default() };

    let packs = PackCheck { repository, index: &index, on_progress };
    let needs = packs.needs_of_runs(&runs, &mut findings).await?;
    let mut faults = packs.compare_with_listing(&needs, &settled.packs, &mut report).await?;
    if options.directories {
        packs.read_directories(&needs, &mut faults).await?;
    }
    let goes =
        |pack: &PackId, fault: &Fault| *fault == Fault::Missing && named.packs.contains(pack);
    for (pack, fault) in faults.iter().filter(|(pack, fault)| !goes(pack, fault)) {
        findings.add(Damage::new(DamagedObject::Pack(*pack), fault.clone()));
    }

    let mut walk = Walk::new(repository, &index, Judge::Packs(&faults), findings);
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

/// The index and the packs without what settled marks name: what chunks are judged by.
pub async fn kept(
    repository: &Repository,
    index_budget_bytes: u64,
    runtime: Handle,
) -> Result<(Index, Vec<(PackId, u32)>)> {
    let (marks, _) = repository.readable_marks().await?;
    let settled = marks.settled();
    let mut runs = repository.runs().await?;
    runs.retain(|run| !settled.runs.contains(&run.id));
    let storage = Arc::clone(repository.storage());
    let sealer = repository.sealer();
    let index = Index::load(storage, sealer, runs, index_budget_bytes, runtime).await?;
    let mut packs = repository.packs().await?;
    packs.retain(|(pack, _)| !settled.packs.contains(pack));
    Ok((index, packs))
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
