//! [`publish`]: an object that exactly one of any number of writers puts, whatever the store can do.

use std::sync::Arc;

use bytes::Bytes;
use cairn_storage::{ObjectPath, Payload, PutMode, Storage};

use super::arbitration;
use crate::bounded::at_most;
use crate::config::CommitMode;
use crate::record::MAX_RECORD_BYTES;
use crate::{Error, Result};

/// Who put an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Published {
    /// It holds the bytes that this call was given: this call put them, or one before it with the same.
    Ours,
    /// It holds other bytes.
    Theirs(Bytes),
}

impl Published {
    fn of(holder: Bytes, ours: &Bytes) -> Self {
        if holder == *ours { Self::Ours } else { Self::Theirs(holder) }
    }
}

/// Puts an object if there is none. When this returns the object is there and stays as it is; of calls with
/// different bytes one gets [`Published::Ours`]. Repeating one whose outcome is unknown is safe.
///
/// `judge` says whether bytes that another writer left are what may lie at this path.
pub(super) async fn publish(
    storage: &Arc<dyn Storage>,
    mode: CommitMode,
    path: &ObjectPath,
    bytes: Bytes,
    judge: &(dyn Fn(&[u8]) -> Result<()> + Sync),
) -> Result<Published> {
    match mode {
        CommitMode::Conditional => put_if_absent(storage, path, bytes).await,
        CommitMode::Arbitrated => {
            let (storage, name) = (storage.as_ref(), rand::random());
            let decided = arbitration::decide(storage, path, name, &bytes, judge).await?;
            Ok(Published::of(decided, &bytes))
        }
    }
}

async fn put_if_absent(
    storage: &Arc<dyn Storage>,
    path: &ObjectPath,
    bytes: Bytes,
) -> Result<Published> {
    if !storage.capabilities().atomic_create {
        return Err(Error::invalid(
            "the repository was made in a place with put-if-absent, and this place has none: \
             `cairn repo copy` makes one that knows",
        ));
    }
    match storage.put(path, Payload::from(bytes.clone()), PutMode::Create).await {
        Ok(()) => Ok(Published::Ours),
        // A repeated call may meet what its first try stored.
        Err(error) if is_already_there(&error) => {
            Ok(Published::of(storage.get(path, at_most(MAX_RECORD_BYTES)).await?, &bytes))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a put failed because the object is there.
pub(super) fn is_already_there(error: &cairn_storage::Error) -> bool {
    error.kind() == cairn_storage::ErrorKind::AlreadyExists
}
