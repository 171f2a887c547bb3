//! The listing: directory by directory, page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::stream::{self, Stream};
use hdfs_native::client::{FileStatus, ListStatusIterator};

use super::error::{HdfsError, Step};
use super::meta;
use super::names::Names;
use super::session::Session;
use crate::{ObjectMeta, ObjectPath, Operation, Result};

/// Entries fetched at once: what a name node gives in one answer.
const PAGE: usize = 1000;

/// A listing under way.
struct Walk {
    session: Arc<Session>,
    names: Names,
    /// Directories to read, the next one last.
    pending: Vec<ObjectPath>,
    /// The directory being read, and where.
    open: Option<(ObjectPath, Arc<ListStatusIterator>)>,
    ready: VecDeque<ObjectMeta>,
}

/// All objects below `prefix`.
pub(super) fn objects(
    session: &Arc<Session>,
    names: &Names,
    prefix: &ObjectPath,
) -> impl Stream<Item = Result<ObjectMeta>> + use<> {
    let walk = Walk {
        session: Arc::clone(session),
        names: names.clone(),
        pending: vec![prefix.clone()],
        open: None,
        ready: VecDeque::new(),
    };
    let prefix = prefix.clone();
    stream::try_unfold((walk, prefix), |(mut walk, prefix)| async move {
        match walk.next().await {
            Ok(found) => Ok(found.map(|meta| (meta, (walk, prefix)))),
            Err(error) => Err(error.classify(Operation::List, &prefix)),
        }
    })
}

impl Walk {
    async fn next(&mut self) -> Result<Option<ObjectMeta>, HdfsError> {
        loop {
            if let Some(meta) = self.ready.pop_front() {
                return Ok(Some(meta));
            }
            if self.open.is_none() {
                let Some(directory) = self.pending.pop() else { return Ok(None) };
                let iterator = self.session.entries(&self.names.path(&directory));
                self.open = Some((directory, Arc::new(iterator)));
            }
            self.read_page().await?;
        }
    }

    async fn read_page(&mut self) -> Result<(), HdfsError> {
        let Some((directory, iterator)) = &self.open else { return Ok(()) };
        let (directory, iterator) = (directory.clone(), Arc::clone(iterator));
        let page = match self.session.call(Step::List, |_| page_of(iterator)).await {
            // Not there, or deleted since its parent was read.
            Err(error) if error.is_absence() => Vec::new(),
            page => page?,
        };
        if page.len() < PAGE {
            self.open = None;
        }
        let above = self.names.path(&directory);
        for status in page {
            // A file that is listed itself has no name below itself.
            let name = status.path.strip_prefix(above.trim_end_matches('/'));
            let Some(name) = name.and_then(|rest| rest.strip_prefix('/')) else { continue };
            let Some(path) = self.names.object(&directory, name) else { continue };
            if status.isdir {
                self.pending.push(path);
            } else {
                self.ready.push_back(meta(path, &status));
            }
        }
        Ok(())
    }
}

/// The next entries; fewer than [`PAGE`] at the end.
async fn page_of(iterator: Arc<ListStatusIterator>) -> hdfs_native::Result<Vec<FileStatus>> {
    let mut page = Vec::new();
    while page.len() < PAGE {
        match iterator.next().await {
            Some(status) => page.push(status?),
            None => break,
        }
    }
    Ok(page)
}
