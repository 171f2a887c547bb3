//! Prunes: frees what no snapshot reaches, while others back up, restore, forget and prune.
//!
//! `DESIGN.md`, section 9, holds the protocol and why nothing that is needed goes. [`prune`] finishes what older ones have
//! begun, then puts a mark of its own if there is something to free. It deletes nothing on the word of others.
//!
//! - *Memory*: 25 bytes for each place of a chunk, 8 more while runs are merged, 120 for each pack, 20 for each distinct document, the chunks of documents at
//!   50 bytes, a few runs, and some 110 MiB at most for documents that are read.
//! - *On cancel*, as on a crash: whoever prunes next goes on.
//! - *On failure*: damage ends it before anything is condemned or deleted: where it is not known what snapshots reach, everything is kept.

mod carry;
mod ledger;
mod plan;
mod report;
mod survey;
mod sweep;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::{Duration, SystemTime};

use cairn_storage::{ObjectPath, Payload, PutMode};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use tokio::runtime::Handle;

use self::carry::Carrying;
use self::ledger::Settlement;
use self::plan::Choice;
use self::report::Watch;
pub use self::report::{OnProgress, PrunePhase, PruneProgress, PruneReport};
use self::survey::{Roots, Survey, SurveyedRun};
use crate::carrier::Carrier;
use crate::error::DamagedObject;
use crate::index::ListedRun;
use crate::layout::{self, MARK, NOW, SETTLED};
use crate::mark::{MAX_NAMED, Mark};
use crate::record::Record;
use crate::repository::refuse_read_only;
use crate::seal::ObjectKind;
use crate::{Damage, Error, MarkId, PackId, Repository, Result};

/// How long a mark waits for backups and restores when the host says nothing.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// Percent of the bytes of packs that may stay unused when the host says nothing, as in restic and rustic.
pub const DEFAULT_MAX_UNUSED: u8 = 5;

/// Deletes at once.
const MAX_DELETES: usize = 16;

/// What a prune may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneOptions {
    /// How old packs must be to be condemned, and marks to be swept: longer than restores take, better longer than
    /// backups take. With none everything is done at once, which is for who has the repository to himself.
    pub grace: Duration,
    /// Percent of the bytes of packs that may stay unused: above it the chunks that are used of the worst packs are copied to new ones, and
    /// small packs are made few. With none, packs of which something is used are let alone.
    pub max_unused: Option<u8>,
    /// Whether to go on where chunks of segments that snapshots need are lost. Should they only seem so, because packs cannot be seen for a while, they are
    /// rubbish once they are seen again.
    pub accept_loss: bool,
    /// Only finds out what a prune would do.
    pub dry_run: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        let max_unused = Some(DEFAULT_MAX_UNUSED);
        Self { grace: DEFAULT_GRACE, max_unused, accept_loss: false, dry_run: false }
    }
}

/// Prunes a repository. [`crate::ErrorKind::ReadOnly`] and [`crate::ErrorKind::AppendOnly`] where this host may not.
pub async fn prune(
    repository: &Repository,
    runtime: Handle,
    options: &PruneOptions,
    on_progress: OnProgress<'_>,
) -> Result<PruneReport> {
    let watch = Watch::new(on_progress);
    let mut pruning = Pruning {
        repository,
        runtime,
        options: *options,
        watch,
        now: SystemTime::UNIX_EPOCH,
        proven: BTreeMap::new(),
        empty: BTreeSet::new(),
        traces: Vec::new(),
        report: PruneReport::default(),
    };
    if options.dry_run {
        return pruning.look().await;
    }
    refuse_read_only(repository.storage())?;
    if !repository.storage().capabilities().delete {
        return Err(repository.append_only());
    }
    pruning.run().await?;
    Ok(pruning.report)
}

/// Whether everything that a record reaches is firm; the marks in whose eyes it is, if it is.
pub(crate) async fn is_whole(
    repository: &Repository,
    record: &Record,
    runtime: Handle,
) -> Result<Option<BTreeSet<MarkId>>> {
    let survey = Survey::of(repository, &runtime, Watch::new(&|_| {})).await?;
    let is_firm = survey.is_firm(repository, &record.root).await?;
    Ok(is_firm.then(|| survey.marks.ids()))
}

/// A prune under way.
struct Pruning<'a> {
    repository: &'a Repository,
    runtime: Handle,
    options: PruneOptions,
    watch: Watch<'a>,
    /// The time of the storage when the prune began.
    now: SystemTime,
    /// Marks of which this prune has seen itself that nothing which is needed lies only in what they name, as it read that: whoever may
    /// only append could put a mark, and say that it is settled.
    proven: BTreeMap<MarkId, Mark>,
    /// Marks of which this prune has seen itself that nothing is there that they name, whoever says that they are swept.
    empty: BTreeSet<MarkId>,
    /// What probes left, by the last survey.
    traces: Vec<(ObjectPath, SystemTime)>,
    report: PruneReport,
}

/// What a mark would name.
struct Plan<'s> {
    /// Positions, ascending.
    packs: Vec<u32>,
    runs: Vec<&'s SurveyedRun>,
}

impl Plan<'_> {
    fn takes(&self, pack: u32) -> bool {
        self.packs.binary_search(&pack).is_ok()
    }
}

impl Pruning<'_> {
    async fn run(&mut self) -> Result<()> {
        self.now = self.storage_time().await?;
        let survey = self.settle_older().await?;
        self.sweep().await?;
        if let Some((id, mark)) = self.mark(&survey).await? {
            self.settle_own(id, mark, survey).await?;
            if self.options.grace.is_zero() {
                self.sweep().await?;
            }
        }
        self.clean_up().await?;
        self.tell_of_waiting().await
    }

    /// What a prune would do now.
    async fn look(mut self) -> Result<PruneReport> {
        self.now = host_time();
        let survey = self.survey().await?;
        let plan = self.plan(&survey);
        self.count(&survey, &plan);
        let goes = |pack| survey.goes(pack) || plan.takes(pack);
        let settlement = survey.ledger.settle(goes, |pack| plan.takes(pack));
        self.report.unused_bytes = settlement.unused(goes);
        self.report.copied_chunks = settlement.num_to_copy();
        self.tell_of_waiting().await?;
        Ok(self.report)
    }

    /// Settles marks of prunes that did not come so far.
    async fn settle_older(&mut self) -> Result<Survey> {
        let marks = self.repository.marks_seen().await?;
        let survey = self.survey().await?;
        let is_settled = self.prove(&survey, &HashSet::new()).await?;
        for (id, seen) in marks.seen() {
            if seen.put.is_some() && seen.settled.is_none() {
                self.put(*id, SETTLED).await?;
            }
        }
        // What was carried over lies elsewhere now.
        if is_settled { Ok(survey) } else { self.survey().await }
    }

    /// Settles a mark that was put after this survey: anew, unless nothing can have come to need what it names.
    async fn settle_own(&mut self, id: MarkId, mark: Mark, survey: Survey) -> Result<()> {
        let mut known = survey.marks.ids();
        known.insert(id);
        let seen = self.repository.marks_seen().await?.ids();
        if !seen.is_subset(&known) || !survey.roots.are_all(self.repository).await? {
            drop(survey);
            let survey = self.survey().await?;
            self.prove(&survey, &mark.packs.iter().copied().collect()).await?;
        }
        self.proven.insert(id, mark);
        self.put(id, SETTLED).await
    }

    /// Makes firm what marks leave unfirm; whether there was nothing to do. What may be swept now, and `own` packs, are let go only
    /// for places that were read.
    async fn prove(&mut self, survey: &Survey, own: &HashSet<PackId>) -> Result<bool> {
        let due: HashSet<PackId> = survey.marks.settled_before(|since| self.is_over(since)).packs;
        let packs = survey.ledger.packs();
        let for_now = |pack: u32| {
            let pack = packs.get(pack as usize);
            pack.is_some_and(|pack| due.contains(&pack.id) || own.contains(&pack.id))
        };
        let settlement = survey.ledger.settle(|pack| survey.goes(pack), for_now);
        self.carry(survey, &settlement).await?;
        for (id, seen) in survey.marks.seen() {
            // One that came after the records were listed says nothing of those that came with it.
            let is_empty = seen.swept.is_some() && self.empty.contains(id);
            if seen.put.is_some() && !is_empty && survey.marks_before.contains(id) {
                self.proven.insert(*id, seen.mark.clone());
            }
        }
        Ok(settlement.is_settled())
    }

    /// Makes firm what a settlement says is not.
    async fn carry(&mut self, survey: &Survey, settlement: &Settlement) -> Result<()> {
        let accept_loss = self.options.accept_loss;
        let carrying =
            Carrying { repository: self.repository, ledger: &survey.ledger, accept_loss };
        let (carried, lost) = carrying.carry(settlement, self.watch).await?;
        if lost > 0 {
            self.refuse_slow_look().await?;
        }
        let lost = lost + survey.lost_chunks;
        self.report.lost_chunks = self.report.lost_chunks.max(lost);
        self.report.copied_chunks += carried.chunks;
        self.report.copied_bytes += carried.bytes;
        Ok(())
    }

    /// What the storage says that the time is. Who may not delete learns it here and has written nothing.
    async fn storage_time(&self) -> Result<SystemTime> {
        let path = layout::mark_path(MarkId::random(), NOW);
        self.repository.delete(&path).await?;
        let storage = self.repository.storage();
        storage.put(&path, Payload::default(), PutMode::Overwrite).await?;
        let meta = storage.head(&path).await;
        self.repository.delete(&path).await?;
        Ok(meta?.modified)
    }

    /// Looks at everything, and at what is reached of it.
    async fn survey(&mut self) -> Result<Survey> {
        // Before the records: of a mark that comes later they do not tell who relies on what it names.
        let marks_before = self.repository.marks_seen().await?.ids();
        // Before the index: what a record reaches was listed before the record was.
        let roots = Roots::read(self.repository).await?;
        let mut survey = Survey::of(self.repository, &self.runtime, self.watch).await?;
        survey.marks_before = marks_before;
        self.traces = std::mem::take(&mut survey.traces);
        self.empty = survey.empty_marks();
        self.report.num_snapshots = roots.roots.len() as u64;
        let accept_loss = self.options.accept_loss;
        let documents = survey.reach(self.repository, roots, accept_loss, self.watch).await?;
        self.report.num_documents = documents;
        self.report.lost_chunks = self.report.lost_chunks.max(survey.lost_chunks);
        if survey.lost_chunks > 0 {
            self.refuse_slow_look().await?;
        }
        Ok(survey)
    }

    /// What a look that took a grace did not find may have been moved meanwhile.
    async fn refuse_slow_look(&self) -> Result<()> {
        let is_over = |now| plan::age(now, self.now) >= self.options.grace;
        if self.options.dry_run || self.options.grace.is_zero() {
            return Ok(());
        }
        match is_over(self.storage_time().await?) {
            false => Ok(()),
            true => {
                Err(Error::invalid("the prune took longer than its grace: prune with a longer one"))
            }
        }
    }

    fn plan<'s>(&self, survey: &'s Survey) -> Plan<'s> {
        let settlement = survey.ledger.settle(|position| survey.goes(position), |_| false);
        let choice = Choice {
            now: self.now,
            grace: self.options.grace,
            max_unused: self.options.max_unused,
            pack_bytes: self.repository.config().pack_bytes,
            spares_unlisted: survey.lost_chunks > 0,
        };
        let packs = choice.packs(&survey.ledger, &settlement);
        let plan = Plan { packs, runs: Vec::new() };
        let mut runs = plan::runs(&survey.runs, |pack| plan.takes(pack));
        runs.truncate(MAX_NAMED);
        Plan { runs, ..plan }
    }

    fn count(&mut self, survey: &Survey, plan: &Plan<'_>) {
        let ledger = &survey.ledger;
        let sizes = plan.packs.iter().filter_map(|pack| ledger.packs().get(*pack as usize));
        self.report.num_packs = ledger.packs().len() as u64;
        self.report.pack_bytes = ledger.packs().iter().map(|pack| u64::from(pack.size)).sum();
        self.report.condemned_packs = plan.packs.len() as u64;
        self.report.condemned_bytes = sizes.map(|pack| u64::from(pack.size)).sum();
        self.report.superseded_runs = plan.runs.len() as u64;
    }

    /// Puts a mark, if there is something to free.
    async fn mark(&mut self, survey: &Survey) -> Result<Option<(MarkId, Mark)>> {
        let plan = self.plan(survey);
        self.count(survey, &plan);
        let goes = |pack: u32| survey.goes(pack) || plan.takes(pack);
        let mut settlement = survey.ledger.settle(goes, |pack| plan.takes(pack));
        self.report.unused_bytes = settlement.unused(goes);
        if plan.packs.is_empty() && plan.runs.is_empty() {
            return Ok(None);
        }
        let stays = |pack: &PackId| survey.ledger.position(pack).is_some_and(|pack| !goes(pack));
        self.list_again(survey, &plan.runs, stays).await?;
        // What older marks name was dealt with, and may be gone.
        settlement.to_copy.retain(|pack, _| plan.takes(*pack));
        self.carry(survey, &settlement).await?;
        let ledger = survey.ledger.packs();
        let packs = plan.packs.iter().filter_map(|pack| ledger.get(*pack as usize));
        let mark = Mark {
            packs: packs.map(|pack| pack.id).collect(),
            runs: plan.runs.iter().map(|run| run.id).collect(),
            bytes: self.report.condemned_bytes,
        };
        let id = MarkId::random();
        let path = layout::mark_path(id, MARK);
        let sealed = self.repository.sealer().seal(ObjectKind::Mark, &path, mark.encode());
        let payload = Payload::from(sealed);
        self.repository.storage().put(&path, payload, PutMode::Overwrite).await?;
        Ok(Some((id, mark)))
    }

    /// Puts runs with what others list in packs that stay, each entry once: prunes that died here have left copies.
    async fn list_again(
        &mut self,
        survey: &Survey,
        runs: &[&SurveyedRun],
        stays: impl Fn(&PackId) -> bool,
    ) -> Result<()> {
        let mut carrier = Carrier::new(self.repository);
        let mut entries = survey.ledger.entries();
        for (done, together) in (0..).step_by(survey::MAX_RUNS).zip(runs.chunks(survey::MAX_RUNS)) {
            self.watch.tell(PrunePhase::Merging, done, runs.len() as u64);
            let listed = together.iter().map(|run| ListedRun { id: run.id, size: run.size });
            let listed = listed.collect::<Vec<_>>();
            let reads = listed.iter().map(|run| self.repository.read_run(run));
            let reads = try_join_all(reads.collect::<Vec<_>>()).await?;
            for (ListedRun { id, .. }, run) in listed.iter().zip(reads) {
                // One that has gone was superseded by another prune, whose runs list it too.
                let Some(run) = run else { continue };
                let run =
                    run.map_err(|malformed| Damage::new(DamagedObject::IndexRun(*id), malformed))?;
                for entry in run.entries().filter(|entry| stays(&entry.location.pack)) {
                    if entries.is_new(&entry) {
                        carrier.list(entry).await?;
                    }
                }
            }
        }
        self.report.written_runs += carrier.finish().await?.runs;
        Ok(())
    }

    /// How much older marks and this one's still keep waiting.
    async fn tell_of_waiting(&mut self) -> Result<()> {
        let marks = self.repository.marks().await?;
        for (_, seen) in marks.seen().filter(|(_, seen)| seen.swept.is_none()) {
            self.report.waiting_packs += seen.mark.packs.len() as u64;
            self.report.waiting_runs += seen.mark.runs.len() as u64;
            let waited = seen.settled.map(|since| plan::age(self.now, since)).unwrap_or_default();
            let left = self.options.grace.saturating_sub(waited);
            self.report.next_sweep = Some(self.report.next_sweep.map_or(left, |it| it.min(left)));
        }
        Ok(())
    }

    async fn delete_all(&self, paths: Vec<ObjectPath>) -> Result<()> {
        let total = paths.len() as u64;
        let deletes = stream::iter(paths).map(async |path| self.repository.delete(&path).await);
        let mut deletes = std::pin::pin!(deletes.buffer_unordered(MAX_DELETES));
        let mut done = 0;
        while deletes.try_next().await?.is_some() {
            done += 1;
            self.watch.tell(PrunePhase::Deleting, done, total);
        }
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a dry run writes nothing, so it cannot ask the storage for the time"
)]
fn host_time() -> SystemTime {
    SystemTime::now()
}
