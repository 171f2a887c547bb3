//! [`Walk`]: a listing, one directory at a time.
//!
//! A directory's names are read and sorted first; the attributes of its files are looked up in batches, one batch while the
//! one before is handed out. So a directory of ten thousands of objects costs the longer of the two and not their sum.
//!
//! *Order*: the files of a directory by name, then its directories by name. What is deleted meanwhile may be listed or not.
//!
//! *Memory*: the names of one directory and of those still to be read, and the attributes of two batches.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::LocalStorage;
use super::tree::Entries;
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
    ready: std::vec::IntoIter<ObjectMeta>,
}

impl<'a> Walk<'a> {
    /// Begins at a directory, which need not be there.
    pub(super) fn new(storage: &'a LocalStorage, start: ObjectPath) -> Self {
        Self {
            storage,
            pending: vec![start],
            batches: stream::empty().boxed(),
            directories: Vec::new(),
            ready: Vec::new().into_iter(),
        }
    }

    /// The next object; none is the end.
    pub(super) async fn next(&mut self) -> Result<Option<ObjectMeta>> {
        loop {
            if let Some(meta) = self.ready.next() {
                return Ok(Some(meta));
            }
            if let Some(Entries { files, directories }) = self.batches.try_next().await? {
                self.ready = files.into_iter();
                self.directories.extend(directories);
                continue;
            }
            self.pending.extend(self.directories.drain(..).rev());
            match self.pending.pop() {
                Some(directory) => self.batches = read(self.storage, directory).await?,
                None => return Ok(None),
            }
        }
    }
}

/// What a directory holds, batch by batch; nothing when it is not there.
async fn read(
    storage: &LocalStorage,
    directory: ObjectPath,
) -> Result<BoxStream<'_, Result<Entries>>> {
    let names = storage.run(Operation::List, &directory, |tree, directory, cancelled| {
        tree.names(directory, cancelled)
    });
    let Some((handle, mut names)) = names.await? else {
        return Ok(stream::empty().boxed());
    };
    let handle: Arc<OwnedFd> = Arc::new(handle);
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
