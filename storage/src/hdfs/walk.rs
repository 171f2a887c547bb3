//! The listing: directory by directory, page by page.

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
}

/// All objects below `prefix`, page by page.
pub(super) fn pages(
    session: &Arc<Session>,
    names: &Names,
    prefix: &ObjectPath,
) -> impl Stream<Item = Result<Vec<ObjectMeta>>> + use<> {
    let walk = Walk {
        session: Arc::clone(session),
        names: names.clone(),
        pending: vec![prefix.clone()],
        open: None,
    };
    let prefix = prefix.clone();
    stream::try_unfold((walk, prefix), |(mut walk, prefix)| async move {
        match walk.next().await {
            Ok(page) => Ok(page.map(|page| (page, (walk, prefix)))),
            Err(error) => Err(error.classify(Operation::List, &prefix)),
        }
    })
}

impl Walk {
    /// The next objects; none is the end.
    async fn next(&mut self) -> Result<Option<Vec<ObjectMeta>>, HdfsError> {
        let Some((directory, iterator)) = self.open.take().or_else(|| self.open_next()) else {
            return Ok(None);
        };
        let asked = page_of(Arc::clone(&iterator));
        let entries = match self.session.call(Step::List, |_| asked).await {
            // Not there, or deleted since its parent was read.
            Err(error) if error.is_absence() => Vec::new(),
            entries => entries?,
        };
        let is_last = entries.len() < PAGE;
        let page = self.sort_out(&directory, entries);
        if !is_last {
            self.open = Some((directory, iterator));
        }
        Ok(Some(page))
    }

    fn open_next(&mut self) -> Option<(ObjectPath, Arc<ListStatusIterator>)> {
        let directory = self.pending.pop()?;
        let iterator = self.session.entries(&self.names.path(&directory));
        Some((directory, Arc::new(iterator)))
    }

    /// The objects among the entries of a directory; its directories are read later.
    fn sort_out(&mut self, directory: &ObjectPath, entries: Vec<FileStatus>) -> Vec<ObjectMeta> {
        let above = self.names.path(directory);
        let mut objects = Vec::with_capacity(entries.len());
        for status in entries {
            // A file that is listed itself has no name below itself.
            let name = status.path.strip_prefix(above.trim_end_matches('/'));
            let Some(name) = name.and_then(|rest| rest.strip_prefix('/')) else { continue };
            let Some(path) = self.names.object(directory, name) else { continue };
            if status.isdir {
                self.pending.push(path);
            } else {
                objects.push(meta(path, &status));
            }
        }
        objects
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
