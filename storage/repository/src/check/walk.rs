//! [`Walk`]: from records down to chunks, remembering what was intact.
//!
//! Snapshots share documents. A document below which everything was intact is not read again for the
//! next snapshot; one with damage is, because each snapshot's report names its own parts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::{StreamExt, TryStreamExt, stream};

use super::packs::Packs;
use super::report::{Affected, CheckReport, Findings, ObjectName, TabletName};
use crate::error::DamagedObject;
use crate::index::Index;
use crate::manifest::{
    Database, Document, DocumentRef, Object, ObjectList, Partition, Root, Segment, Tablet,
    TabletList,
};
use crate::record::Record;
use crate::{ChunkId, Damage, Error, Fault, Label, PackId, Repository, Result};

/// Documents read ahead: with few tablets each, their latency is what a check waits for.
const MAX_DOCUMENTS: usize = 16;

/// Chunks looked up at once.
const MAX_LOOKUPS: usize = 64;

/// How chunks are judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Judge<'a> {
    /// By the index: a chunk is lost when no pack without fault holds it.
    Packs(&'a Packs<'a>),
    /// By a list of lost chunks.
    Lost(&'a HashSet<ChunkId>),
}

/// Why a chunk is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    NotListed,
    Pack(PackId),
    Named,
}

/// What a chunk was judged to be.
#[derive(Debug, Clone, Copy)]
enum Verdict {
    Intact { raw_len: Option<u32> },
    Lost(Loss),
}

/// What does not change during a walk.
#[derive(Debug, Clone, Copy)]
struct Context<'a> {
    repository: &'a Repository,
    index: &'a Index,
    judge: Judge<'a>,
}

/// A document, or the damages that keep it from being read.
type Fetched<D> = Result<D, Vec<Damage>>;

pub(super) struct Walk<'a> {
    context: Context<'a>,
    findings: Findings,
    /// Short hashes of references below which everything is intact.
    intact: HashSet<u128>,
    num_documents: u64,
    num_segments: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        index: &'a Index,
        judge: Judge<'a>,
        findings: Findings,
    ) -> Self {
        let context = Context { repository, index, judge };
        Self { context, findings, intact: HashSet::new(), num_documents: 0, num_segments: 0 }
    }

    pub(super) fn finish(self, report: &mut CheckReport) {
        report.num_documents = self.num_documents;
        report.num_segments = self.num_segments;
        self.findings.into_report(report);
    }

    pub(super) fn affected_by_lost(self) -> Vec<Affected> {
        self.findings.into_affected()
    }

    pub(super) fn damaged_record(&mut self, label: &Label, damage: Damage) {
        if matches!(self.context.judge, Judge::Packs(_)) {
            self.findings.add_affected(damage, affected(label));
        }
    }

    /// Walks a snapshot.
    pub(super) async fn snapshot(&mut self, record: &Record) -> Result<()> {
        if self.is_intact(&record.root) {
            return Ok(());
        }
        let place = Affected { segments: record.stats.segments, ..affected(&record.label) };
        let root = self.context.fetch::<Root>(&record.root).await?;
        let Some(root) = self.unwrap_or_note(root, &place) else {
            return Ok(());
        };
        let mut is_intact = true;
        for database in root.databases() {
            is_intact &= self.database(&record.label, database).await?;
        }
        self.remember(&record.root, is_intact);
        Ok(())
    }

    /// Walks a database; whether everything below is intact.
    async fn database(&mut self, label: &Label, database: &Database) -> Result<bool> {
        if self.is_intact(&database.objects) {
            return Ok(true);
        }
        let place = Affected { database: Some(database.name.clone()), ..affected(label) };
        let objects = self.context.fetch::<ObjectList>(&database.objects).await?;
        let Some(objects) = self.unwrap_or_note(objects, &place) else {
            return Ok(false);
        };
        let is_intact = self.partitions(&place, objects.objects()).await?;
        self.remember(&database.objects, is_intact);
        Ok(is_intact)
    }

    /// Walks the partitions of all objects of a database, many at once.
    async fn partitions(&mut self, place: &Affected, objects: &[Object]) -> Result<bool> {
        let context = self.context;
        let partitions = objects
            .iter()
            .flat_map(|object| object.partitions.iter().map(move |partition| (object, partition)));
        let unknown = partitions.filter(|(_, partition)| !self.is_intact(&partition.tablets));
        let fetches = unknown.map(async |(object, partition)| {
            let tablets = context.fetch::<TabletList>(&partition.tablets).await?;
            Ok::<_, Error>((object, partition, tablets))
        });
        let fetches: Vec<_> = fetches.collect();
        let mut fetches = stream::iter(fetches).buffered(MAX_DOCUMENTS);
        let mut are_intact = true;
        while let Some((object, partition, tablets)) = fetches.try_next().await? {
            let place = Affected {
                object: Some(ObjectName { kind: object.kind.clone(), name: object.name.clone() }),
                partition: Some(partition.name.clone()),
                segments: partition.segments,
                ..place.clone()
            };
            let is_intact = match self.unwrap_or_note(tablets, &place) {
                Some(tablets) => self.tablets(&place, partition, tablets.tablets()).await?,
                None => false,
            };
            self.remember(&partition.tablets, is_intact);
            are_intact &= is_intact;
        }
        Ok(are_intact)
    }

    async fn tablets(
        &mut self,
        place: &Affected,
        partition: &Partition,
        tablets: &[Tablet],
    ) -> Result<bool> {
        let document = document_of(&partition.tablets);
        let mut are_intact = true;
        for tablet in tablets {
            let losses = self.context.losses_of(tablet, &document).await?;
            self.num_segments += tablet.segments.len() as u64;
            are_intact &= losses.is_empty();
            for (damage, segments) in losses {
                let (index, name) = (tablet.index.clone(), tablet.name.clone());
                let tablet = Some(TabletName { index, name });
                self.findings.add_affected(damage, Affected { tablet, segments, ..place.clone() });
            }
        }
        Ok(are_intact)
    }

    fn unwrap_or_note<D>(&mut self, fetched: Fetched<D>, place: &Affected) -> Option<D> {
        match fetched {
            Ok(document) => Some(document),
            Err(damages) => {
                for damage in damages {
                    self.findings.add_affected(damage, place.clone());
                }
                None
            }
        }
    }

    fn is_intact(&self, reference: &DocumentRef) -> bool {
        self.intact.contains(&reference.key())
    }

    fn remember(&mut self, reference: &DocumentRef, is_intact: bool) {
        if is_intact && self.intact.insert(reference.key()) {
            self.num_documents += 1;
        }
    }
}

impl Context<'_> {
    /// Reads a document whose chunks are judged to be there.
    async fn fetch<D: Document>(&self, reference: &DocumentRef) -> Result<Fetched<D>> {
        let verdicts = self.judge_all(reference.chunks.iter().collect()).await?;
        let losses = distinct_losses(&verdicts);
        if !losses.is_empty() {
            return Ok(Err(losses.into_iter().map(|loss| self.damage_of(loss)).collect()));
        }
        match self.repository.read_document(self.index, reference).await {
            Ok(document) => Ok(Ok(document)),
            Err(Error::Damaged(_)) if matches!(self.judge, Judge::Lost(_)) => Ok(Err(Vec::new())),
            Err(Error::Damaged(damage)) => Ok(Err(vec![damage])),
            Err(error) => Err(error),
        }
    }

    /// The damages that a tablet suffers, each with the number of its segments.
    async fn losses_of(
        &self,
        tablet: &Tablet,
        document: &DamagedObject,
    ) -> Result<Vec<(Damage, u64)>> {
        let ids = tablet.segments.iter().flat_map(|segment| segment.chunks.iter()).collect();
        let verdicts = self.judge_all(ids).await?;
        let mut verdicts = verdicts.as_slice();
        let mut segments_by_loss: BTreeMap<Loss, u64> = BTreeMap::new();
        let mut damages = Vec::new();
        for segment in &tablet.segments {
            let of_segment;
            (of_segment, verdicts) =
                verdicts.split_at_checked(segment.chunks.len()).unwrap_or_default();
            let losses = distinct_losses(of_segment);
            if let Some(fault) = wrong_length(segment, of_segment) {
                let chunk = segment.chunks.first();
                damages.push((Damage { chunk, ..Damage::new(document.clone(), fault) }, 1));
            }
            for loss in losses {
                *segments_by_loss.entry(loss).or_default() += 1;
            }
        }
        let lost = segments_by_loss.into_iter();
        damages.extend(lost.map(|(loss, segments)| (self.damage_of(loss), segments)));
        Ok(damages)
    }

    async fn judge_all(&self, ids: Vec<ChunkId>) -> Result<Vec<Verdict>> {
        let verdicts = stream::iter(ids).map(async |id| self.judge(id).await);
        verdicts.buffered(MAX_LOOKUPS).try_collect().await
    }

    async fn judge(&self, id: ChunkId) -> Result<Verdict> {
        let packs = match self.judge {
            Judge::Lost(lost) if lost.contains(&id) => return Ok(Verdict::Lost(Loss::Named)),
            Judge::Lost(_) => return Ok(Verdict::Intact { raw_len: None }),
            Judge::Packs(packs) => packs,
        };
        let places = self.index.find_all(&id).await?;
        Ok(match packs.judge(&id, &places).await? {
            Ok(place) => Verdict::Intact { raw_len: Some(place.raw_len) },
            Err(Some(pack)) => Verdict::Lost(Loss::Pack(pack)),
            Err(None) => Verdict::Lost(Loss::NotListed),
        })
    }

    fn damage_of(&self, loss: Loss) -> Damage {
        match (loss, self.judge) {
            (Loss::Pack(pack), Judge::Packs(packs)) => {
                let fault = packs.fault(&pack).cloned().unwrap_or(Fault::Missing);
                Damage::new(DamagedObject::Pack(pack), fault)
            }
            _ => Damage::new(DamagedObject::Index, Fault::NotListed),
        }
    }
}

/// The losses among some chunks, in order, each once.
fn distinct_losses(verdicts: &[Verdict]) -> BTreeSet<Loss> {
    let losses = verdicts.iter().filter_map(|verdict| match verdict {
        Verdict::Lost(loss) => Some(*loss),
        Verdict::Intact { .. } => None,
    });
    losses.collect()
}

/// What is wrong with the length of a segment of whose chunks none is lost.
fn wrong_length(segment: &Segment, verdicts: &[Verdict]) -> Option<Fault> {
    let lengths = verdicts.iter().map(|verdict| match verdict {
        Verdict::Intact { raw_len } => raw_len.map(u64::from),
        Verdict::Lost(_) => None,
    });
    let actual = lengths.sum::<Option<u64>>()?;
    (actual != segment.len).then_some(Fault::Length { expected: segment.len, actual })
}

fn affected(label: &Label) -> Affected {
    Affected {
        label: label.clone(),
        database: None,
        object: None,
        partition: None,
        tablet: None,
        segments: 0,
    }
}

fn document_of(reference: &DocumentRef) -> DamagedObject {
    reference.chunks.first().map_or(DamagedObject::Index, DamagedObject::Document)
}
