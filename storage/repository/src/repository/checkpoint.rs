//! Checkpoints: what a backup that has not ended has read, for the backup that is asked for when it died.
//!
//! A checkpoint has the form of a record and lies below `checkpoints/`, where nothing takes it for a snapshot. Its manifest
//! lists segments whose chunks may be lost: who uses it asks for each chunk, as of any earlier snapshot, so nothing depends
//! on a checkpoint and one that is damaged, stale or gone costs time only (`DESIGN.md`, section 8).

use std::time::SystemTime;

use cairn_storage::{ByteRange, ObjectPath, Payload, PutMode, StorageExt};
use futures::TryStreamExt;

use super::{Repository, refuse_read_only};
use crate::record::{MAX_RECORD_BYTES, Record};
use crate::seal::ObjectKind;
use crate::{Error, Result, layout};

/// Checkpoints of an origin that are looked at: those of jobs that run beside one another, and of a few that died.
const MAX_CHECKPOINTS: usize = 16;

/// Where a checkpoint lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointId(ObjectPath);

/// A checkpoint that was found.
#[derive(Debug, Clone)]
pub struct FoundCheckpoint {
    /// Which.
    pub id: CheckpointId,
    /// When it was put, by the clock of the storage.
    pub modified: SystemTime,
    /// Its content: an unfinished snapshot.
    pub record: Record,
}

impl Repository {
    /// Puts a checkpoint of the record's origin. Packs and runs with everything it refers to must be durable, but for
    /// chunks of segments.
    pub async fn put_checkpoint(&self, record: &Record) -> Result<CheckpointId> {
        refuse_read_only(&self.storage)?;
        let name = format!("{:032x}", rand::random::<u128>());
        let path = self.checkpoints_of(&record.origin).join(&name).map_err(Error::invalid)?;
        let sealed = self.sealer.seal(ObjectKind::Checkpoint, &path, record.encode());
        self.storage.put(&path, Payload::from(sealed), PutMode::Create).await?;
        Ok(CheckpointId(path))
    }

    /// The checkpoints of an origin, the newest first as the storage dates them. What is no checkpoint is passed over.
    pub async fn checkpoints(&self, origin: &str) -> Result<Vec<FoundCheckpoint>> {
        let listed = self.storage.list(&self.checkpoints_of(origin));
        let mut listed: Vec<_> = listed.try_collect().await?;
        listed.retain(|meta| meta.size <= MAX_RECORD_BYTES);
        listed.sort_unstable_by(|a, b| (b.modified, &b.path).cmp(&(a.modified, &a.path)));
        listed.truncate(MAX_CHECKPOINTS);
        let mut found = Vec::with_capacity(listed.len());
        for meta in listed {
            let bytes = match self.storage.get(&meta.path, ByteRange::Full).await {
                Ok(bytes) => bytes,
                // Its backup has ended meanwhile.
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            let opened = self.sealer.open(ObjectKind::Checkpoint, &meta.path, &bytes);
            match opened.and_then(|bytes| Record::decode(&bytes)) {
                Ok(record) if record.origin == origin => {
                    found.push(FoundCheckpoint {
                        id: CheckpointId(meta.path),
                        modified: meta.modified,
                        record,
                    });
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(path = %meta.path, %error, "no checkpoint"),
            }
        }
        Ok(found)
    }

    fn checkpoints_of(&self, origin: &str) -> ObjectPath {
        layout::checkpoints_of(&self.sealer.chunk_id(origin.as_bytes()))
    }

    /// Removes a checkpoint that was superseded. Where this host may not delete it stays, and does no harm.
    pub async fn remove_checkpoint(&self, id: &CheckpointId) {
        if self.storage.capabilities().delete
            && let Err(error) = self.storage.delete(&id.0).await
        {
            tracing::debug!(path = %id.0, %error, "a checkpoint stays");
        }
    }
}
