//! Staging: where an object is written before it has a name.
//!
//! A staged file lives in `<root>/.staging~/`, a name outside the alphabet of [`crate::ObjectPath`]: no object can
//! be there and no list goes there.
//!
//! What a crash leaves there is removed by [`sweep`] when it has been lying for a day by the clock of the name
//! node, which is the only clock involved. That is safe beside writers of other hosts: a put is bounded by
//! minutes, and HDFS itself takes a file from a writer that does not renew its lease for an hour. And if a living
//! writer were hit, its rename would find nothing, and the put would fail and be tried again: never a part.

use std::sync::Arc;
use std::time::Duration;

use hdfs_native::WriteOptions;
use hdfs_native::file::FileWriter;
use tokio_util::sync::CancellationToken;

use super::error::{HdfsError, Step};
use super::session::Session;
use crate::{Payload, PutMode};

/// Bytes between two looks whether the put is cancelled: a few milliseconds of a fast network.
const WRITE_BYTES: usize = 1 << 20;

/// Rights of files and directories, as Hadoop's default umask gives them.
const FILE_RIGHTS: u32 = 0o644;
const DIRECTORY_RIGHTS: u32 = 0o755;

/// How old a staged file is when nobody can be writing it.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The writer of a file that is removed has nothing to wait for but its last packets.
const DISCARD_PATIENCE: Duration = Duration::from_secs(30);

/// A file being written. It is removed when it is dropped before it is published.
pub(super) struct StagedFile {
    session: Arc<Session>,
    path: String,
    /// Taken when the file is given up.
    writer: Option<FileWriter>,
    is_published: bool,
}

impl StagedFile {
    /// A new, empty file in the directory `staging`.
    pub(super) async fn create(
        session: &Arc<Session>,
        staging: &str,
        options: WriteOptions,
    ) -> Result<Self, HdfsError> {
        let path = format!("{staging}/{:032x}", rand::random::<u128>());
        let options = options.permission(FILE_RIGHTS).overwrite(false).create_parent(true);
        let target = path.as_str();
        let created = session
            .ask(Step::CreateStaged, |client| async move { client.create(target, options).await });
        let writer = Some(created.await?);
        Ok(Self { session: Arc::clone(session), path, writer, is_published: false })
    }

    /// Writes the bytes and closes the file, which makes them durable: the last packet of each block asks every
    /// data node to sync it.
    ///
    /// A write is not dropped half-way but for the end of a grace: its pipeline would stay.
    pub(super) async fn write(
        &mut self,
        payload: &Payload,
        cancelled: &CancellationToken,
    ) -> Result<(), HdfsError> {
        let writer = self.writer.as_mut().ok_or(HdfsError::Cancelled)?;
        for piece in payload.pieces() {
            let mut rest = piece.clone();
            while !rest.is_empty() {
                if cancelled.is_cancelled() {
                    return Err(HdfsError::Cancelled);
                }
                let slice = rest.split_to(rest.len().min(WRITE_BYTES));
                Box::pin(writer.write_bytes(slice))
                    .await
                    .map_err(HdfsError::in_step(Step::WriteStaged))?;
            }
        }
        Box::pin(writer.close()).await.map_err(HdfsError::in_step(Step::CompleteStaged))
    }

    /// How many copies of each block the name node wants; none when it does not say.
    pub(super) async fn copies(&self) -> Result<Option<u32>, HdfsError> {
        let path = self.path.as_str();
        let status = self
            .session
            .ask(Step::ReadAttributes, |client| async move { client.get_file_info(path).await });
        Ok(status.await?.replication)
    }

    /// Asks the name node for so many copies, which it makes beside us.
    pub(super) async fn set_copies(&self, copies: u32) -> Result<(), HdfsError> {
        let path = self.path.as_str();
        let asked = self.session.ask(Step::AskForCopies, |client| async move {
            client.set_replication(path, copies).await
        });
        asked.await.map(drop)
    }

    /// Gives the file the name `target`, atomically.
    pub(super) async fn publish(mut self, target: &str, mode: PutMode) -> Result<(), HdfsError> {
        let renamed = match self.rename(target, mode).await {
            // Most objects go where others are; the rest pays for the question.
            Err(error) if error.is_absence() => {
                self.make_parent(target).await?;
                self.rename(target, mode).await
            }
            renamed => renamed,
        };
        if renamed.is_ok() {
            self.is_published = true;
            self.session.has_proved_itself();
        }
        renamed
    }

    async fn rename(&self, target: &str, mode: PutMode) -> Result<(), HdfsError> {
        let (from, is_overwrite) = (self.path.as_str(), mode == PutMode::Overwrite);
        let renamed = self.session.ask(Step::Publish, |client| async move {
            client.rename(from, target, is_overwrite).await
        });
        renamed.await
    }

    async fn make_parent(&self, target: &str) -> Result<(), HdfsError> {
        let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
        let made = self.session.ask(Step::MakeParent, |client| async move {
            client.mkdirs(parent, DIRECTORY_RIGHTS, true).await
        });
        made.await
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take().filter(|_| !self.is_published) else { return };
        let (session, path) = (Arc::clone(&self.session), std::mem::take(&mut self.path));
        self.session.detach(discard(session, path, writer));
    }
}

/// Removes a file, and ends its pipeline, whose tasks would go on.
async fn discard(session: Arc<Session>, path: String, mut writer: FileWriter) {
    remove(&session, &path).await;
    let closed = tokio::time::timeout(DISCARD_PATIENCE, Box::pin(writer.close())).await;
    tracing::debug!(path, ?closed, "an unfinished put is given up");
}

/// Removes the staged files that nobody can be writing.
pub(super) async fn sweep(session: Arc<Session>, staging: String) {
    let directory = staging.as_str();
    let entries = session
        .ask(Step::List, |client| async move { client.list_status(directory, false).await })
        .await;
    let status = session
        .ask(Step::List, |client| async move { client.get_file_info(directory).await })
        .await;
    // The directory was changed by the put that asks, so its time is now.
    let (entries, now) = match (entries, status) {
        (Ok(entries), Ok(status)) => (entries, status.modification_time),
        (Err(error), _) | (_, Err(error)) => {
            tracing::debug!(staging, %error, "unfinished puts stay");
            return;
        }
    };
    let is_abandoned =
        |modified: u64| Duration::from_millis(now.saturating_sub(modified)) > ABANDONED_AFTER;
    for entry in entries.into_iter().filter(|entry| is_abandoned(entry.modification_time)) {
        remove(&session, &entry.path).await;
        tracing::info!(path = entry.path, "removed an unfinished put");
    }
}

/// What cannot be removed now is removed by a sweep.
async fn remove(session: &Session, path: &str) {
    let owned = path.to_owned();
    let removed =
        session.ask(Step::Remove, |client| async move { client.delete(&owned, false).await }).await;
    if let Err(error) = removed {
        tracing::debug!(path, %error, "an unfinished put stays until it is swept");
    }
}
