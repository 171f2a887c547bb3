//! [`Repairing`], the state of a repair, and what it looks at: marks, packs, and what runs say of them. Nothing is written here.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use super::options::RepairOptions;
use super::report::{RepairPhase, RepairReport, Watch};
use crate::contradiction::compare;
use crate::index::{ListedRun, Run};
use crate::mark::{Mark, Marks, Named};
use crate::pack::IndexEntry;
use crate::{IndexId, MarkId, PackId, Repository, Result};

/// Runs in memory at once.
const MAX_RUNS: usize = 4;

/// A repair under way.
pub(super) struct Repairing<'a> {
    pub(super) repository: &'a Repository,
    pub(super) runtime: Handle,
    pub(super) options: RepairOptions,
    pub(super) watch: Watch<'a>,
    /// Packs to be looked at chunk by chunk.
    pub(super) suspects: BTreeSet<PackId>,
    /// Runs to be compared with all of their packs.
    pub(super) suspect_runs: BTreeSet<IndexId>,
    /// Marks that were put.
    pub(super) marks: BTreeSet<MarkId>,
    /// What they name.
    pub(super) named: Mark,
    /// Copies of records that were met in the last round.
    pub(super) copies: Vec<IndexEntry>,
    pub(super) report: RepairReport,
}

/// What a round looks at.
pub(super) struct Look {
    pub(super) marks: Marks,
    /// Packs and runs that marks name.
    pub(super) named: Named,
    /// What settled ones name. What others name may be needed until they are settled.
    pub(super) settled: Named,
    pub(super) runs: Vec<ListedRun>,
    /// Lengths of packs.
    pub(super) packs: HashMap<PackId, u64>,
}

/// What the runs say.
#[derive(Default)]
pub(super) struct Listed {
    /// Runs that cannot be read, or that a pack contradicts.
    pub(super) wrong: Vec<IndexId>,
    /// Runs that nobody has dealt with, with those of their packs that are suspect or not there.
    pub(super) doubtful: Vec<(IndexId, Vec<PackId>)>,
    /// What they list in suspects.
    pub(super) entries: HashMap<PackId, HashSet<IndexEntry>>,
}

impl Repairing<'_> {
    /// Marks, runs and packs, as they are now.
    pub(super) async fn look(&self) -> Result<Look> {
        let marks = self.repository.marks().await?;
        let runs = self.repository.runs().await?;
        let packs = self.repository.listed_packs().map_ok(|(id, meta)| (id, meta.size));
        let packs = packs.try_collect().await?;
        let (named, settled) = (marks.named(), marks.settled());
        Ok(Look { marks, named, settled, runs, packs })
    }

    /// What the runs say.
    pub(super) async fn read_runs(&self, look: &Look) -> Result<Listed> {
        let mut listed = Listed::default();
        let reads = stream::iter(look.runs.clone()).map(async |run| self.read_run(run, look).await);
        let mut reads = std::pin::pin!(reads.buffer_unordered(MAX_RUNS));
        let mut done = 0;
        while let Some((id, run)) = reads.try_next().await? {
            self.watch.tell(RepairPhase::Runs, done, look.runs.len() as u64);
            done += 1;
            match run {
                // Dealt with. What an unsettled mark of another names is named again, for nobody may come to settle that one.
                _ if look.settled.runs.contains(&id) || self.named.runs.contains(&id) => {
                    listed.note_entries(run.iter().flat_map(Run::entries), &self.suspects);
                }
                Some(run) => listed.note(id, &run, look, &self.suspects),
                None => listed.wrong.push(id),
            }
        }
        Ok(listed)
    }

    /// A run; `None` for what cannot be read as one, and for a suspect that a pack contradicts.
    async fn read_run(&self, listed: ListedRun, look: &Look) -> Result<(IndexId, Option<Run>)> {
        let run = self.repository.read_run(&listed).await?.and_then(Result::ok);
        if let Some(run) = &run
            && self.suspect_runs.contains(&listed.id)
        {
            let asked = |pack: &PackId, _| look.packs.get(pack).copied();
            let compared = compare(self.repository, run, asked).await?;
            if compared.contradicted_by.is_some() {
                return Ok((listed.id, None));
            }
        }
        Ok((listed.id, run))
    }
}

impl Listed {
    fn note_entries(
        &mut self,
        entries: impl Iterator<Item = IndexEntry>,
        suspects: &BTreeSet<PackId>,
    ) {
        for entry in entries.filter(|entry| suspects.contains(&entry.location.pack)) {
            self.entries.entry(entry.location.pack).or_default().insert(entry);
        }
    }

    fn note(&mut self, id: IndexId, run: &Run, look: &Look, suspects: &BTreeSet<PackId>) {
        self.note_entries(run.entries(), suspects);
        let is_doubtful = |pack: &PackId| suspects.contains(pack) || !look.packs.contains_key(pack);
        // A random id in the table of packs makes the name of a run new: what counts is what entries name.
        let named = run.entries().map(|entry| entry.location.pack).filter(is_doubtful);
        let packs: HashSet<PackId> = named.collect();
        if !packs.is_empty() {
            self.doubtful.push((id, packs.into_iter().collect()));
        }
    }
}
