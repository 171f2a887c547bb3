//! [`Repository::sweep_time`]: what time it is, as far as two clocks agree.

use cairn_storage::{Payload, PutMode};

use super::{Repository, refuse_read_only};
use crate::retention::MAX_CLOCK_DIFFERENCE;
use crate::{Error, Result, Timestamp, layout};

impl Repository {
    /// The time now for a sweep: the earlier one of this host's clock and of the storage's, which is that of an object that was
    /// just put. [`crate::ErrorKind::ClocksDiffer`] when they are more than ten minutes apart: one of them is wrong, and nobody
    /// can tell which.
    pub async fn sweep_time(&self, host: impl Fn() -> Timestamp) -> Result<Timestamp> {
        refuse_read_only(&self.storage)?;
        let witness = layout::witness_path(rand::random());
        // Who may not delete could not take it back, and has no use for the time.
        self.delete(&witness).await?;
        let before = host();
        self.storage.put(&witness, Payload::default(), PutMode::Overwrite).await?;
        let after = host();
        let seen = self.storage.head(&witness).await;
        if let Err(error) = self.storage.delete(&witness).await {
            tracing::debug!(%error, "what told the storage's time stays");
        }
        let storage = Timestamp::from(seen?.modified);
        let apart = |early: Timestamp, late: Timestamp| {
            late.as_unix_millis().saturating_sub(early.as_unix_millis())
        };
        let difference = apart(storage, before).max(apart(after, storage));
        match u128::from(difference) > MAX_CLOCK_DIFFERENCE.as_millis() {
            true => Err(Error::ClocksDiffer { host: after, storage }),
            false => Ok(before.min(storage)),
        }
    }
}
