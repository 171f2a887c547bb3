//! Forgetting: a record goes, and with it the snapshot; what it reached stays until a prune.
//!
//! `DESIGN.md`, section 8, holds the protocol and why a delete never takes the record of another snapshot than the one
//! that was meant, however late it takes effect.
//!
//! - *Cost*: eight small requests; a commit pays three for it ([`Repository::settled`]).
//! - *On cancel*: as a crash: the notice stays, and with it the label is nobody's.

use std::time::Duration;

use cairn_storage::{ErrorKind, ObjectPath, Payload, PutMode, StorageExt};
use futures::TryStreamExt;

use super::{Repository, refuse_read_only};
use crate::bounded::at_most;
use crate::config::CommitMode;
use crate::record::{MAX_RECORD_BYTES, Record};
use crate::{Error, Label, Result, Timestamp, layout};

/// Looks at what others do to the label before the answer is that it is busy: some twelve seconds.
const MAX_LOOKS: u32 = 7;

/// Longest wait before the second look: some round trips to a cloud service.
const FIRST_WAIT: Duration = Duration::from_millis(100);

impl Repository {
    /// Removes the record of a snapshot: when this returns `Ok` it is not listed and cannot be restored any more, and who
    /// restores it at this moment is not disturbed. With `taken` only the snapshot of that instant is meant.
    ///
    /// Where there is none, [`crate::ErrorKind::NoSuchSnapshot`]; several hosts that forget one at the same instant may all succeed. One whose record is damaged can be forgotten too.
    /// [`crate::ErrorKind::AppendOnly`] where this host may not delete, [`crate::ErrorKind::Held`] while somebody holds the snapshot.
    pub async fn forget(&self, label: &Label, taken: Option<Timestamp>) -> Result<()> {
        refuse_read_only(&self.storage)?;
        if !self.storage.capabilities().delete {
            return Err(self.append_only());
        }
        // Cheap, and nothing is written for a label that is not there or is held.
        self.free_to_go(label, taken).await?;
        let notice = layout::forgetting_of(label).join(&format!("{:032x}", rand::random::<u128>()));
        let notice = notice.map_err(Error::invalid)?;
        // Asked before anything is written: who may not delete could not take the notice back either.
        self.delete(&notice).await?;
        let mut is_sent = false;
        let outcome = self.forget_noticed(label, taken, &notice, &mut is_sent).await;
        // A delete that may still take effect keeps its notice: the label must not be given away before.
        if !(is_sent && outcome.as_ref().is_err_and(Error::is_retryable)) {
            self.withdraw(&notice).await;
        }
        self.records.remove(label);
        outcome
    }

    /// Deletes the record, with a notice in place from before the record is looked at.
    async fn forget_noticed(
        &self,
        label: &Label,
        taken: Option<Timestamp>,
        notice: &ObjectPath,
        is_sent: &mut bool,
    ) -> Result<()> {
        self.storage.put(notice, Payload::default(), PutMode::Overwrite).await?;
        self.decided(label).await?;
        self.free_to_go(label, taken).await?;
        *is_sent = true;
        self.delete(&layout::snapshot_path(label)).await
    }

    /// Puts a record over a damaged one of its label; whether it was still there and still damaged. A notice keeps
    /// others from taking the label meanwhile.
    pub(crate) async fn replace_damaged(&self, record: &Record) -> Result<bool> {
        let (label, path) = (&record.label, layout::snapshot_path(&record.label));
        let notice = layout::forgetting_of(label).join(&format!("{:032x}", rand::random::<u128>()));
        let notice = notice.map_err(Error::invalid)?;
        self.storage.put(&notice, Payload::default(), PutMode::Overwrite).await?;
        let outcome = match self.record(label).await {
            Err(error) if error.damage().is_some() => {
                let payload = Payload::from(self.stored_record(record));
                let put = self.storage.put(&path, payload, PutMode::Overwrite).await;
                put.map(|()| true).map_err(Error::from)
            }
            Ok(_) | Err(Error::NoSuchSnapshot { .. }) => Ok(false),
            Err(error) => Err(error),
        };
        // A put that may still take effect keeps its notice.
        if !outcome.as_ref().is_err_and(Error::is_retryable) {
            self.withdraw(&notice).await;
        }
        self.records.remove(label);
        outcome
    }

    /// Refuses when the snapshot that is meant is not there, or is held. Holds are looked for last.
    async fn free_to_go(&self, label: &Label, taken: Option<Timestamp>) -> Result<()> {
        let record = match (self.record(label).await, taken) {
            (Err(error), _) if error.damage().is_none() => return Err(error),
            // What a damaged record was cannot be told: it is meant only by its label.
            (record, None) => record.ok(),
            (Ok(record), Some(taken)) if record.timestamp == taken => Some(record),
            _ => return Err(Error::NoSuchSnapshot { label: label.clone() }),
        };
        self.refuse_held(label, record.as_ref()).await
    }

    /// Waits until nobody decides the record of a label, or died in doing so and could bring it back.
    /// [`crate::ErrorKind::Busy`] when that does not end.
    async fn decided(&self, label: &Label) -> Result<()> {
        match self.config.commit_mode() {
            CommitMode::Conditional => Ok(()),
            CommitMode::Arbitrated => {
                self.nothing_at(label, &layout::arbitration_of(&layout::snapshot_path(label))).await
            }
        }
    }

    /// Waits until nobody forgets a snapshot of this label. [`crate::ErrorKind::Busy`] when that does not end.
    pub(super) async fn settled(&self, label: &Label) -> Result<()> {
        self.nothing_at(label, &layout::forgetting_of(label)).await
    }

    async fn nothing_at(&self, label: &Label, place: &ObjectPath) -> Result<()> {
        for number in 0..MAX_LOOKS {
            if self.storage.list(place).try_next().await?.is_none() {
                return Ok(());
            }
            pause(number).await;
        }
        Err(Error::Busy { label: label.clone() })
    }

    /// Refuses when the record that was just put is not there any more.
    pub(super) async fn still_there(&self, label: &Label, bytes: &[u8]) -> Result<()> {
        match self.storage.get(&layout::snapshot_path(label), at_most(MAX_RECORD_BYTES)).await {
            Ok(holder) if holder == bytes => Ok(()),
            Ok(holder) => Err(self.label_exists(label, &holder)),
            Err(error) if error.is_not_found() => Err(Error::Busy { label: label.clone() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an object. [`crate::ErrorKind::AppendOnly`] where this host may not.
    pub(crate) async fn delete(&self, path: &ObjectPath) -> Result<()> {
        match self.storage.delete(path).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(self.append_only()),
            outcome => Ok(outcome?),
        }
    }

    async fn withdraw(&self, notice: &ObjectPath) {
        if let Err(error) = self.storage.delete(notice).await {
            tracing::warn!(%error, "the label of a forgotten snapshot is not free yet");
        }
    }

    pub(crate) fn append_only(&self) -> Error {
        Error::AppendOnly { location: self.storage.to_string() }
    }
}

async fn pause(number: u32) {
    let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(number));
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
}
