//! What an embedder asks for, typed.

use std::time::Duration;

use cairn_actors::tablet::Selection;
use cairn_actors::{RestoreItem, RestoreScope};
use cairn_repository::prune::{DEFAULT_GRACE, DEFAULT_MAX_UNUSED};
use cairn_repository::record::Record;
use cairn_repository::retention::Period;
use cairn_repository::{Label, Timestamp};

use crate::error::Error;

/// A backup.
///
/// ```
/// use cairn_pipeline::BackupRequest;
/// let request = BackupRequest::new("nightly-2026-11-23")?.rescan();
/// # Ok::<(), cairn_pipeline::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until an engine runs it"]
pub struct BackupRequest {
    pub(crate) label: Label,
    pub(crate) selection: Selection,
    pub(crate) rescan: bool,
    pub(crate) ttl: Option<Period>,
    /// When and where the snapshot was taken, if not now and here.
    pub(crate) taken: Option<(Timestamp, String)>,
}

impl BackupRequest {
    /// A backup of everything under a label: 1 to 128 letters, digits, `_`, `-`, `.`, `:`, not starting with a dot.
    pub fn new(label: &str) -> Result<Self, Error> {
        let label = Label::parse(label)?;
        let (selection, rescan, ttl, taken) = (Selection::everything(), false, None, None);
        Ok(Self { label, selection, rescan, ttl, taken })
    }

    /// Only what is selected.
    pub fn select(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// As the snapshot with this record was taken.
    pub(crate) fn taken_as(mut self, record: &Record) -> Self {
        self.ttl = record.ttl;
        self.taken = Some((record.timestamp, record.host.clone()));
        self
    }

    /// Keeps the snapshot so long; without, for ever. A sweep forgets it then; nothing else does.
    pub fn keep_for(mut self, ttl: Option<Period>) -> Self {
        self.ttl = ttl;
        self
    }

    /// Reads every segment again, whatever its identity says. Nothing that the repository has is stored again.
    pub fn rescan(mut self) -> Self {
        self.rescan = true;
        self
    }
}

/// A restore.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until an engine runs it"]
pub struct RestoreRequest {
    pub(crate) label: Label,
    pub(crate) scope: RestoreScope,
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) partial: bool,
}

impl RestoreRequest {
    /// A restore of a whole snapshot.
    pub fn new(label: &str) -> Result<Self, Error> {
        let (scope, timestamp, partial) = (RestoreScope::default(), None, false);
        Ok(Self { label: Label::parse(label)?, scope, timestamp, partial })
    }

    /// Only this item, or this one too.
    pub fn item(mut self, item: RestoreItem) -> Self {
        self.scope.items.push(item);
        self
    }

    /// Leaves out segments of which something is lost, and tells which, instead of failing. Everything is read twice. What it restores may have less
    /// than what it replaces: give it an empty place.
    pub fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// Only the snapshot of this time: one that has taken its label meanwhile is refused.
    pub fn taken_at(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }
}

/// A check of a repository.
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "a request does nothing until an engine runs it"]
pub struct CheckRequest {
    pub(crate) read_data: bool,
    pub(crate) repair: Option<Repair>,
}

/// What a check that repairs puts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// What was found damaged.
    Damaged,
    /// Also snapshots of which only packs know.
    Recovered,
}

impl CheckRequest {
    /// Structure only: records, manifests, index, presence and size of packs.
    pub fn structure() -> Self {
        Self::default()
    }

    /// Structure, and every byte of every chunk.
    pub fn read_data() -> Self {
        Self { read_data: true, ..Self::default() }
    }

    /// Repairs what it finds, as far as the repository itself allows: sound chunks are taken out of damaged packs, index and records are
    /// put back from packs. What is lost is stored again by the next backup, where live data still has it.
    pub fn repair(mut self) -> Self {
        self.repair = Some(Repair::Damaged);
        self
    }

    /// Repairs, and also puts back snapshots of which only packs know any more: their records were lost, or forgotten without
    /// a prune since.
    pub fn recover(mut self) -> Self {
        self.repair = Some(Repair::Recovered);
        self
    }
}

/// A prune of a repository.
#[derive(Debug, Clone, Copy)]
#[must_use = "a request does nothing until an engine runs it"]
pub struct PruneRequest {
    pub(crate) grace: Duration,
    pub(crate) max_unused: Option<u8>,
    pub(crate) accept_loss: bool,
    pub(crate) dry_run: bool,
}

impl PruneRequest {
    /// One that lets everything that a snapshot may need be for a day.
    pub fn new() -> Self {
        let max_unused = Some(DEFAULT_MAX_UNUSED);
        Self { grace: DEFAULT_GRACE, max_unused, accept_loss: false, dry_run: false }
    }

    /// How long what is not needed waits before it goes: longer than restores take, better longer than backups take. With none it goes at once,
    /// which is for who has the repository to himself.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How many percent of the bytes of packs may stay unused; 5 if nothing is said. Above it what is used of the worst packs is copied to new ones.
    pub fn max_unused(mut self, percent: u8) -> Self {
        self.max_unused = Some(percent);
        self
    }

    /// Leaves packs alone of which something is used.
    pub fn keep_packs(mut self) -> Self {
        self.max_unused = None;
        self
    }

    /// Goes on where chunks of segments that snapshots need are lost, as a check says; else that ends it.
    pub fn accept_loss(mut self) -> Self {
        self.accept_loss = true;
        self
    }

    /// Only finds out what would go, and writes nothing.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }
}

impl Default for PruneRequest {
    fn default() -> Self {
        Self::new()
    }
}
