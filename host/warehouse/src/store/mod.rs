//! The catalog on disk: a redb file of JSON rows, and the tree of what is in it.
//!
//! [`Store::transact`] is the one way to change anything: it edits a draft, writes exactly the touched rows in one
//! durable transaction, and swaps the tree, in one critical section. An error before the commit leaves both as they
//! were. After a commit that fails the file tells whether it happened ([`file`]). While it cannot tell, no file is deleted on
//! either account and nothing is written; queries go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::ReadTransaction;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::catalog::model::Id;
use crate::segment::{Segment, SegmentFiles, make_directory, sync_directory};
use crate::{Error, Result};

mod fault;
mod file;
mod load;
mod row;
mod transaction;

#[cfg(test)]
mod tests;

pub use transaction::Transaction;

use fault::Fault;
use file::{Failed, StoreFile};
use row::RowKey;

/// The version of the rows and their meaning; a later program raises it when an earlier one would misread them.
const FORMAT: u64 = 1;

/// The first id; small numbers are taken for counts by people.
const FIRST_ID: Id = 10_001;

/// Ids that one transaction reserves: a load needs some dozens, and a restart wastes the rest.
const RESERVED_IDS: u64 = 1024;

/// The catalog, its file and the files of its segments.
#[derive(Debug)]
pub struct Store {
    data_dir: PathBuf,
    path: PathBuf,
    file: StoreFile,
    files: Arc<SegmentFiles>,
    cluster_id: u64,
    /// Held from the first look of a change at the tree until its commit: changes are one at a time.
    commit: Mutex<()>,
    /// Held for the time of a clone or an assignment.
    catalog: Mutex<Arc<Catalog>>,
    /// Last of the locks.
    ids: Mutex<Ids>,
}

#[derive(Debug)]
struct Ids {
    next: Id,
    /// The first that is not reserved.
    end: Id,
}

impl Store {
    /// The store of a data directory, which is made if it is missing. Files of segments that no row names are removed.
    pub fn open(data_dir: &Path) -> Result<Self> {
        make_durable(data_dir)?;
        make_private(data_dir)?;
        let path = data_dir.join("catalog.redb");
        let of = |fault: Fault| fault.of(&path);
        let file = StoreFile::open(&path).map_err(of)?;
        sync_directory(data_dir)?;
        let tablets = data_dir.join("tablets");
        let meta = match file.read(read_meta).map_err(of)? {
            Some(meta) => meta,
            // They are made after the first commit.
            None if tablets.symlink_metadata().is_ok() => {
                let problem = format!("it is empty, but there is {}", tablets.display());
                return Err(fault::damaged(&path, &problem));
            }
            None => Meta::create(&file).map_err(|failed| of(failed.fault))?,
        };
        let catalog = file.read(load::load).map_err(of)?;
        let files = SegmentFiles::open(&tablets)?;
        files.sweep(&adopt(&catalog, &files))?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            file,
            files,
            cluster_id: meta.cluster_id,
            commit: Mutex::default(),
            catalog: Mutex::new(Arc::new(catalog)),
            ids: Mutex::new(Ids { next: meta.next_id, end: meta.next_id }),
            path,
        })
    }

    /// The catalog as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&lock(&self.catalog))
    }

    /// The files of the segments.
    pub fn files(&self) -> &Arc<SegmentFiles> {
        &self.files
    }

    /// Where it lives.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Chosen at random when the directory was made.
    pub fn cluster_id(&self) -> u64 {
        self.cluster_id
    }

    /// A number that was never given out before, also not before a crash.
    pub fn next_id(&self) -> Result<Id> {
        let mut ids = lock(&self.ids);
        if ids.next == ids.end {
            let end = ids
                .end
                .checked_add(RESERVED_IDS)
                .ok_or_else(|| fault::damaged(&self.path, "its ids are used up"))?;
            let row = (RowKey::Meta("next_id"), Some(end.to_string().into_bytes()));
            self.file
                .write(&BTreeMap::from([row]))
                .map_err(|failed| failed.fault.of(&self.path))?;
            ids.end = end;
        }
        let id = ids.next;
        ids.next += 1;
        Ok(id)
    }

    /// Applies a change as a whole, or not at all. Changes are one at a time; blocks for an fsync.
    pub fn transact<T>(&self, change: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        let turn = lock(&self.commit);
        let mut transaction = Transaction::new(self, &self.catalog());
        let answer = change(&mut transaction)?;
        let lost = self.commit(transaction)?;
        drop(turn);
        // Their files go while others commit.
        drop(lost);
        Ok(answer)
    }

    /// A document of the embedder.
    pub fn document(&self, collection: &str, key: &str) -> Result<Option<Value>> {
        let read = |at: &ReadTransaction| row::read(at, row::DOCUMENTS, (collection, key));
        self.file.read(read).map_err(|fault| fault.of(&self.path))
    }

    /// All documents of a collection in the order of their keys.
    pub fn documents(&self, collection: &str) -> Result<Vec<(String, Value)>> {
        let read = |at: &ReadTransaction| row::read_prefix(at, collection);
        self.file.read(read).map_err(|fault| fault.of(&self.path))
    }

    /// Makes or changes a document.
    pub fn put_document(&self, collection: &str, key: &str, value: &Value) -> Result<()> {
        self.transact(|transaction| transaction.put_document(collection, key, value))
    }

    /// Removes a document; without effect where there is none.
    pub fn remove_document(&self, collection: &str, key: &str) -> Result<()> {
        self.transact(|transaction| {
            transaction.remove_document(collection, key);
            Ok(())
        })
    }

    /// Writes the rows and swaps the tree. The answer is what no row names any more.
    fn commit(&self, transaction: Transaction<'_>) -> Result<Vec<Arc<Segment>>> {
        let Transaction { draft, rows, segments, .. } = transaction;
        let (gained, lost): (Vec<_>, Vec<_>) = segments
            .into_values()
            .filter(|(_, change)| *change != 0)
            .partition(|(_, change)| *change > 0);
        // Before the commit, since a commit that fails may have happened.
        gained.iter().for_each(|(segment, _)| segment.set_named(true));
        if !rows.is_empty()
            && let Err(Failed { fault, is_undone }) = self.file.write(&rows)
        {
            if is_undone {
                gained.iter().for_each(|(segment, _)| segment.set_named(false));
            }
            return Err(fault.of(&self.path));
        }
        // The old tree goes outside of the lock: it may be a large one.
        let old = std::mem::replace(&mut *lock(&self.catalog), Arc::new(draft));
        drop(old);
        lost.iter().for_each(|(segment, _)| segment.set_named(false));
        Ok(lost.into_iter().map(|(segment, _)| segment).collect())
    }
}

/// What the store knows of itself.
struct Meta {
    cluster_id: u64,
    next_id: Id,
}

impl Meta {
    fn create(file: &StoreFile) -> Result<Self, Failed> {
        // The seed of a hasher is the randomness that the standard library gives out. The sign stays clear for clients.
        let cluster_id = RandomState::new().hash_one(FORMAT) >> 1;
        let rows = [("format", FORMAT), ("cluster_id", cluster_id), ("next_id", FIRST_ID)];
        let rows =
            rows.map(|(name, value)| (RowKey::Meta(name), Some(value.to_string().into_bytes())));
        file.write(&BTreeMap::from(rows))?;
        Ok(Self { cluster_id, next_id: FIRST_ID })
    }
}

/// Nothing for a file that was only just made.
fn read_meta(transaction: &ReadTransaction) -> Result<Option<Meta>, Fault> {
    let read = |name| row::read::<_, u64>(transaction, row::META, name);
    match read("format")? {
        None => return Ok(None),
        Some(FORMAT) => {}
        Some(format) => return Err(Fault::Newer(format)),
    }
    let missing = |name: &str| Fault::Content(format!("{name} is missing"));
    Ok(Some(Meta {
        cluster_id: read("cluster_id")?.ok_or_else(|| missing("cluster_id"))?,
        next_id: read("next_id")?.ok_or_else(|| missing("next_id"))?,
    }))
}

/// Ties every segment of the catalog to its file, and lists them by tablet.
fn adopt(catalog: &Catalog, files: &Arc<SegmentFiles>) -> BTreeMap<Id, BTreeSet<u64>> {
    let mut named: BTreeMap<Id, BTreeSet<u64>> = BTreeMap::new();
    let tables = catalog.databases().flat_map(|database| database.tables());
    for segment in tables.flat_map(|table| table.partitions()).flat_map(|row| row.segments()) {
        files.adopt(segment);
        named.entry(segment.tablet).or_default().insert(segment.number);
    }
    named
}

/// Keeps other users of the machine out: the catalog holds what passwords are proven with, the tablets all rows.
fn make_private(directory: &Path) -> Result<()> {
    let metadata = fs::metadata(directory).map_err(|error| Error::io("read", directory, error))?;
    let mut permissions = metadata.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o700);
        fs::set_permissions(directory, permissions)
            .map_err(|error| Error::io("close to others", directory, error))?;
    }
    Ok(())
}

/// The directory, durably, and all above it that are missing (W1).
fn make_durable(directory: &Path) -> Result<()> {
    for (directory, parent) in entries(directory, &|path| path.is_dir()).into_iter().rev() {
        make_directory(directory)?;
        sync_directory(parent)?;
    }
    Ok(())
}

/// The directory and those above it that are missing, each with where its entry is; the outermost is last.
fn entries<'a>(directory: &'a Path, is_there: &dyn Fn(&Path) -> bool) -> Vec<(&'a Path, &'a Path)> {
    let mut entries = Vec::new();
    let mut next = directory;
    while let Some(parent) = next.parent() {
        // Where a path of one name is.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        entries.push((next, parent));
        if is_there(parent) {
            break;
        }
        next = parent;
    }
    entries
}

/// What the locks of this file guard is replaced in one step: a thread that died left it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
