//! Counting on what is there: a backup takes chunks for stored that others stored, while prunes delete.
//!
//! `DESIGN.md`, section 9, holds the protocol and why nothing that a reported snapshot needs goes.
//!
//! - *Cost*: two lists of `prune/`, and a list of packs and a read of each mark where there ever was a prune; a walk over the new snapshot when a mark
//!   fell into the time of the backup.
//! - *On failure*: [`crate::ErrorKind::Pruned`]: the same backup, begun again, stores what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use cairn_storage::StorageExt;
use futures::TryStreamExt;
use tokio::runtime::Handle;

use super::{MAX_LOADS, Repository};
use crate::bounded::{at_most, refuse_longer};
use crate::error::DamagedObject;
use crate::index::{Index, Trust};
use crate::layout::{self, MARK};
use crate::mark::{MAX_MARK_BYTES, Mark, Marks};
use crate::prune::is_whole;
use crate::record::Record;
use crate::seal::ObjectKind;
use crate::{Damage, Error, MarkId, Result};

impl Repository {
    /// Loads the index for a backup: it lists what no prune is about to take. What the backup counts on is proven when it
    /// commits: [`Repository::commit_counting_on`].
    pub async fn load_index_to_count_on(
        &self,
        budget_bytes: u64,
        runtime: Handle,
    ) -> Result<Index> {
        for _ in 0..MAX_LOADS {
            let index = self.load_trusted(budget_bytes, runtime.clone()).await?;
            if index.num_gone() == 0 {
                return Ok(index);
            }
        }
        // What went is not counted on, and stored again.
        self.load_trusted(budget_bytes, runtime).await
    }

    async fn load_trusted(&self, budget_bytes: u64, runtime: Handle) -> Result<Index> {
        // In this order: a mark that was taken away names nothing that the lists after it show.
        let marks = self.marks().await?;
        let named = marks.named();
        let mut runs = self.runs().await?;
        runs.retain(|run| !named.runs.contains(&run.id));
        let present = match marks.is_empty() {
            true => None,
            false => Some(self.packs().await?.into_iter().map(|(pack, _)| pack).collect()),
        };
        let trust = Trust { is_counted_on: true, marks, condemned: named.packs, present };
        Index::load_trusting(
            Arc::clone(&self.storage),
            &self.sealer,
            runs,
            trust,
            budget_bytes,
            runtime,
        )
        .await
    }

    /// [`Repository::commit`] of a backup that took for stored what `counted_on` lists, as
    /// [`Repository::load_index_to_count_on`] gave it. [`crate::ErrorKind::Pruned`] when a prune took some of it: there is no
    /// snapshot then, and the backup has to begin again.
    pub async fn commit_counting_on(&self, record: &Record, counted_on: &Index) -> Result<()> {
        let mut known = counted_on.marks().ids();
        if !self.marks_seen().await?.ids().is_subset(&known) {
            known.extend(self.prove_whole(record, counted_on).await?);
        }
        self.commit(record).await?;
        // Whoever marks from now on lists the record afterwards.
        let is_late = !self.marks_seen().await?.ids().is_subset(&known);
        if is_late && let Err(error) = self.prove_whole(record, counted_on).await {
            return match self.forget(&record.label, Some(record.timestamp)).await {
                Ok(()) | Err(Error::NoSuchSnapshot { .. }) => Err(error),
                // It is listed and may not be whole.
                Err(withdrawal) => Err(withdrawal),
            };
        }
        Ok(())
    }

    /// Proves that everything that a record reaches is firm; says in the eyes of who has seen which marks.
    async fn prove_whole(&self, record: &Record, counted_on: &Index) -> Result<BTreeSet<MarkId>> {
        let runtime = counted_on.runtime().clone();
        match is_whole(self, record, runtime).await? {
            Some(seen) => Ok(seen),
            None => Err(Error::Pruned { label: record.label.clone() }),
        }
    }

    /// The marks and how far they are, but not what they name.
    pub(crate) async fn marks_seen(&self) -> Result<Marks> {
        let prefix = layout::prune_prefix();
        let mut objects = self.storage.list(&prefix);
        let mut marks = Marks::default();
        while let Some(meta) = objects.try_next().await? {
            if let Some((id, name)) = layout::parse_mark_path(&meta.path) {
                marks.note(id, name, meta.modified);
            }
        }
        Ok(marks)
    }

    /// The marks with what they name.
    pub(crate) async fn marks(&self) -> Result<Marks> {
        let (marks, damaged) = self.readable_marks().await?;
        match damaged.into_iter().next() {
            Some((_, damage)) => Err(damage.into()),
            None => Ok(marks),
        }
    }

    /// The marks that can be read, and the damages of the others.
    pub(crate) async fn readable_marks(&self) -> Result<(Marks, Vec<(MarkId, Damage)>)> {
        let (mut marks, mut damaged) = (self.marks_seen().await?, Vec::new());
        for (id, seen) in marks.seen_mut().filter(|(_, seen)| seen.put.is_some()) {
            match self.mark(*id).await {
                Ok(mark) => seen.mark = mark,
                Err(Error::Damaged(damage)) => damaged.push((*id, damage)),
                Err(error) => return Err(error),
            }
        }
        Ok((marks, damaged))
    }

    /// What a mark names: nothing when it has been removed, for then that is gone.
    async fn mark(&self, id: MarkId) -> Result<Mark> {
        let path = layout::mark_path(id, MARK);
        match self.storage.get(&path, at_most(MAX_MARK_BYTES)).await {
            Ok(bytes) => {
                let opened = refuse_longer(&bytes, MAX_MARK_BYTES)
                    .and_then(|()| self.sealer.open(ObjectKind::Mark, &path, &bytes));
                let mark = opened.and_then(|bytes| Mark::decode(&bytes));
                mark.map_err(|malformed| Damage::new(DamagedObject::Mark(id), malformed).into())
            }
            Err(error) if error.is_not_found() => Ok(Mark::default()),
            Err(error) => Err(error.into()),
        }
    }
}
