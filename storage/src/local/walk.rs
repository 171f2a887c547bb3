//! [`Walk`]: a listing, one directory at a time.
//!
//! A directory's names are read and sorted first; the attributes of its files are looked up in batches, one batch while the
//! one before is handed out as a page. So a directory of ten thousands of objects costs the longer of the two and not their sum.
//! One of few names is looked up in the visit that reads them.
//!
//! *Order*: the files of a directory by name, then its directories by name. What is deleted meanwhile may be listed or not.
//!
//! *Memory*: the names of one directory and of those still to be read, and the attributes of two batches.

use std::future::ready;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::LocalStorage;
use super::blocking::Cancelled;
use super::error::LocalError;
use super::tree::{Entries, Tree};
use crate::{ObjectMeta, ObjectPath, Operation, Result};

/// Names whose attributes are looked up by one visit to a thread that may block.
const BATCH: usize = 1024;
/// Batches looked up at once.
const AT_ONCE: usize = 2;

/// A listing under way.
pub(super) struct Walk<'a> {
    storage: &'a LocalStorage,
    /// Directories to read, the next one last.
    pending: Vec<ObjectPath>,
    /// What is left of the directory that is being read.
    batches: BoxStream<'a, Result<Entries>>,
    /// Its directories, as far as they were met.
    directories: Vec<ObjectPath>,
}

impl<'a> Walk<'a> {
    /// Begins at a directory, which need not be there.
    pub(super) fn new(storage: &'a LocalStorage, start: ObjectPath) -> Self {
        Self {
            storage,
            pending: vec![start],
            batches: stream::empty().boxed(),
            directories: Vec::new(),
        }
    }

    /// The next objects; none is the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ObjectMeta>>> {
        loop {
            if let Some(Entries { files, directories }) = self.batches.try_next().await? {
                self.directories.extend(directories);
                return Ok(Some(files));
            }
            self.pending.extend(self.directories.drain(..).rev());
            match self.pending.pop() {
                Some(directory) => self.batches = read(self.storage, directory).await?,
                None => return Ok(None),
            }
        }
    }
}

/// What one visit to a directory brings.
enum Visit {
    /// All that is in it.
    Done(Entries),
    /// The names of many objects, and the directory, held open.
    Named(OwnedFd, Vec<ObjectPath>),
}

fn visit(tree: &Tree, directory: &ObjectPath, cancelled: &Cancelled) -> Result<Visit, LocalError> {
    match tree.names(directory, cancelled)? {
        None => Ok(Visit::Done(Entries::default())),
        Some((handle, names)) if names.len() <= BATCH => {
            tree.look(&handle, names, cancelled).map(Visit::Done)
        }
        Some((handle, names)) => Ok(Visit::Named(handle, names)),
    }
}

/// What a directory holds, batch by batch; nothing when it is not there.
async fn read(
    storage: &LocalStorage,
    directory: ObjectPath,
) -> Result<BoxStream<'_, Result<Entries>>> {
    let visit = storage.run(Operation::List, &directory, visit).await?;
    let (handle, mut names): (Arc<OwnedFd>, _) = match visit {
        Visit::Done(entries) => return Ok(stream::once(ready(Ok(entries))).boxed()),
        Visit::Named(handle, names) => (Arc::new(handle), names),
    };
    let mut batches = Vec::with_capacity(names.len().div_ceil(BATCH));
    while !names.is_empty() {
        let rest = names.split_off(names.len().min(BATCH));
        batches.push(std::mem::replace(&mut names, rest));
    }
    let look = move |batch| {
        let (handle, directory) = (Arc::clone(&handle), directory.clone());
        async move {
            let look = storage.run(Operation::List, &directory, move |tree, _, cancelled| {
                tree.look(&handle, batch, cancelled)
            });
            look.await
        }
    };
    Ok(stream::iter(batches).map(look).buffered(AT_ONCE).boxed())
}
