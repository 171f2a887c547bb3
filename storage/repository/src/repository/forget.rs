//! Forgetting: a record goes, and with it the snapshot; what it reached stays until a prune.
//!
//! `DESIGN.md`, section 8, holds the protocol and why a delete never takes the record of another snapshot than the one
//! that was meant, however late it takes effect.
//!
//! - *Cost*: seven small requests; a commit pays three for it ([`Repository::settled`]).
//! - *On cancel*: as a crash: the notice stays, and with it the label is nobody's.

use std::time::Duration;

use cairn_storage::{ByteRange, ErrorKind, ObjectPath, Payload, PutMode};
use futures::TryStreamExt;

use super::{Repository, refuse_read_only};
use crate::config::CommitMode;
use crate::{Error, Label, Result, Timestamp, layout};

/// Looks at the notices of others before they count as left by the dead.
const MAX_LOOKS: u32 = 7;

/// Longest wait before the second look: some round trips to a cloud service.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// How a look at a label that one wants to forget ended.
enum Look {
    /// Nobody else is at it.
    Alone,
    /// Others are, but this host may wait with its notice in place.
    First,
    /// Others are, and one of them goes first.
    Behind,
}

impl Repository {
    /// Removes the record of a snapshot: when this returns `Ok` it is not listed and cannot be restored any more, and who
    /// restores it at this moment is not disturbed. With `taken` only the snapshot of that instant is meant.
    ///
    /// Of several hosts that forget a snapshot at once one succeeds, or several if they had to wait for each other for more than
    /// some twelve seconds; for the others, and where there is none, [`crate::ErrorKind::NoSuchSnapshot`]. One whose record is damaged can be forgotten too.
    /// [`crate::ErrorKind::AppendOnly`] where this host may not delete.
    pub async fn forget(&self, label: &Label, taken: Option<Timestamp>) -> Result<()> {
        refuse_read_only(&self.storage)?;
        if !self.storage.capabilities().delete {
            return Err(self.append_only());
        }
        // Cheap, and nothing is written for a label that is not there.
        self.present(label, taken).await?;
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

    async fn forget_noticed(
        &self,
        label: &Label,
        taken: Option<Timestamp>,
        notice: &ObjectPath,
        is_sent: &mut bool,
    ) -> Result<()> {
        for number in 0..MAX_LOOKS {
            self.storage.put(notice, Payload::default(), PutMode::Overwrite).await?;
            match self.look(label, notice).await? {
                Look::Alone => return self.forget_present(label, taken, is_sent).await,
                Look::First => {}
                Look::Behind => self.delete(notice).await?,
            }
            pause(number).await;
            self.present(label, taken).await?;
        }
        // Who is still there has died, or is so slow that both may call it their success: the record goes all the same.
        self.storage.put(notice, Payload::default(), PutMode::Overwrite).await?;
        if self.is_contested(label).await? {
            return Err(Error::Busy { label: label.clone() });
        }
        self.forget_present(label, taken, is_sent).await
    }

    /// Deletes the record that is there now, behind a notice.
    async fn forget_present(
        &self,
        label: &Label,
        taken: Option<Timestamp>,
        is_sent: &mut bool,
    ) -> Result<()> {
        self.present(label, taken).await?;
        *is_sent = true;
        self.delete(&layout::snapshot_path(label)).await
    }

    /// Refuses when the snapshot that is meant is not there.
    async fn present(&self, label: &Label, taken: Option<Timestamp>) -> Result<()> {
        match (self.record(label).await, taken) {
            (Err(error), _) if error.damage().is_none() => Err(error),
            // What a damaged record was cannot be told: it is meant only by its label.
            (_, None) => Ok(()),
            (Ok(record), Some(taken)) if record.timestamp == taken => Ok(()),
            _ => Err(Error::NoSuchSnapshot { label: label.clone() }),
        }
    }

    async fn look(&self, label: &Label, notice: &ObjectPath) -> Result<Look> {
        let notices = self.notices(label).await?;
        if notices.iter().any(|other| other < notice) {
            return Ok(Look::Behind);
        }
        let is_alone = notices.iter().all(|other| other == notice);
        Ok(if is_alone && !self.is_contested(label).await? { Look::Alone } else { Look::First })
    }

    async fn notices(&self, label: &Label) -> Result<Vec<ObjectPath>> {
        let notices = self.storage.list(&layout::forgetting_of(label)).map_ok(|meta| meta.path);
        Ok(notices.try_collect().await?)
    }

    /// Whether somebody decides the record of a label, or died in doing so, and could bring it back.
    async fn is_contested(&self, label: &Label) -> Result<bool> {
        if self.config.commit_mode() == CommitMode::Conditional {
            return Ok(false);
        }
        let place = layout::arbitration_of(&layout::snapshot_path(label));
        let mut traces = self.storage.list(&place);
        Ok(traces.try_next().await?.is_some())
    }

    /// Waits until nobody forgets a snapshot of this label. [`crate::ErrorKind::Busy`] when that does not end.
    pub(super) async fn settled(&self, label: &Label) -> Result<()> {
        for number in 0..MAX_LOOKS {
            if self.notices(label).await?.is_empty() {
                return Ok(());
            }
            pause(number).await;
        }
        Err(Error::Busy { label: label.clone() })
    }

    /// Refuses when the record that was just put is not there any more.
    pub(super) async fn still_there(&self, label: &Label, bytes: &[u8]) -> Result<()> {
        match self.storage.get(&layout::snapshot_path(label), ByteRange::Full).await {
            Ok(holder) if holder == bytes => Ok(()),
            Ok(holder) => Err(Self::label_exists(label, &holder)),
            Err(error) if error.is_not_found() => Err(Error::Busy { label: label.clone() }),
            Err(error) => Err(error.into()),
        }
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
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

    fn append_only(&self) -> Error {
        Error::AppendOnly { location: self.storage.to_string() }
    }
}

async fn pause(number: u32) {
    let longest = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(number));
    tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
}
