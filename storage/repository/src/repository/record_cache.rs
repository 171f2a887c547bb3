//! [`RecordCache`]: records that were read, so that a listing reads only what is new.
//!
//! A record never changes, but a label may be forgotten and given away: an entry counts only for the length, the time and
//! the version that the storage lists it with. What exists is always asked of the storage, so nothing here can show a
//! snapshot that is gone or hide one that is there.
//!
//! It holds what the latest whole listing showed, some 500 bytes for each snapshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use cairn_storage::ObjectMeta;

use crate::Label;
use crate::record::Record;

/// Records by label; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordCache {
    /// Guards the map only.
    entries: Arc<Mutex<BTreeMap<Label, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    listed_as: ListedAs,
    record: Arc<Record>,
}

/// What a listing tells of an object.
#[derive(Debug)]
struct ListedAs {
    size: u64,
    modified: SystemTime,
    version: Option<String>,
}

impl ListedAs {
    fn of(meta: &ObjectMeta) -> Self {
        Self { size: meta.size, modified: meta.modified, version: meta.version.clone() }
    }

    fn is(&self, meta: &ObjectMeta) -> bool {
        self.size == meta.size && self.modified == meta.modified && self.version == meta.version
    }
}

impl RecordCache {
    /// The record of a label, if it is the one that is listed.
    pub(super) fn get(&self, label: &Label, meta: &ObjectMeta) -> Option<Arc<Record>> {
        let entries = self.lock();
        let entry = entries.get(label).filter(|entry| entry.listed_as.is(meta))?;
        Some(Arc::clone(&entry.record))
    }

    /// The records of a whole listing, ascending by label, as far as they are those that are listed; drops what it does not show.
    pub(super) fn known(&self, listed: &[(Label, ObjectMeta)]) -> Vec<Option<Arc<Record>>> {
        let mut entries = self.lock();
        let mut kept = entries.iter().peekable();
        let known = listed.iter().map(|(label, meta)| {
            while kept.next_if(|(it, _)| *it < label).is_some() {}
            let (_, entry) = kept.next_if(|(it, _)| *it == label)?;
            entry.listed_as.is(meta).then(|| Arc::clone(&entry.record))
        });
        let records: Vec<_> = known.collect();
        // Mostly a listing shows what the one before showed.
        if records.iter().flatten().count() < entries.len() {
            let known = listed.iter().zip(&records).filter(|(_, record)| record.is_some());
            let mut known = known.map(|((label, _), _)| label).peekable();
            entries.retain(|label, _| known.next_if(|it| *it == label).is_some());
        }
        records
    }

    /// Keeps a record that was read after it had been listed so.
    pub(super) fn insert(&self, label: &Label, meta: &ObjectMeta, record: &Arc<Record>) {
        let entry = Entry { listed_as: ListedAs::of(meta), record: Arc::clone(record) };
        self.lock().insert(label.clone(), entry);
    }

    /// Drops one.
    pub(super) fn remove(&self, label: &Label) {
        self.lock().remove(label);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Label, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::manifest::DocumentRef;
    use crate::record::RecordStats;
    use crate::{Timestamp, layout};

    /// An object of this label as a listing shows it.
    fn listed(label: &str, modified: u64) -> (Label, ObjectMeta) {
        let label: Label = label.parse().unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified);
        let meta = ObjectMeta::new(layout::snapshot_path(&label), 9, modified);
        (label, meta)
    }

    /// Of a listing with a record for each.
    fn cache(listing: &[(Label, ObjectMeta)]) -> RecordCache {
        let cache = RecordCache::default();
        for (label, meta) in listing {
            let record = Record {
                label: label.clone(),
                timestamp: Timestamp::from_unix_millis(1),
                origin: "origin".to_owned(),
                host: "host".to_owned(),
                root: DocumentRef::of(b"root"),
                stats: RecordStats::default(),
                ttl: None,
                databases: Vec::new(),
            };
            cache.insert(label, meta, &Arc::new(record));
        }
        cache
    }

    fn labels(cache: &RecordCache) -> Vec<String> {
        cache.lock().keys().map(ToString::to_string).collect()
    }

    fn known(cache: &RecordCache, listing: &[(Label, ObjectMeta)]) -> Vec<Option<String>> {
        let label = |record: Arc<Record>| record.label.to_string();
        cache.known(listing).into_iter().map(|record| record.map(label)).collect()
    }

    #[test]
    fn what_a_listing_does_not_show_is_dropped() {
        let all = ["a", "b", "c", "d"].map(|label| listed(label, 1));
        let cache = cache(&all);
        assert_eq!(known(&cache, &all), ["a", "b", "c", "d"].map(|it| Some(it.to_owned())));
        let [_, b, _, d] = all;
        let new = listed("bb", 1);
        assert_eq!(known(&cache, &[b, new, d]), [Some("b".into()), None, Some("d".into())]);
        assert_eq!(labels(&cache), ["b", "d"]);
        assert_eq!(known(&cache, &[]), []);
        assert_eq!(labels(&cache), [""; 0]);
    }

    #[test]
    fn a_label_that_was_given_away_is_read_again() {
        let cache = cache(&[listed("a", 1), listed("b", 1)]);
        let listing = [listed("a", 2), listed("b", 1)];
        assert_eq!(known(&cache, &listing), [None, Some("b".into())]);
        assert_eq!(labels(&cache), ["b"]);
        let (label, meta) = listed("b", 2);
        assert!(cache.get(&label, &meta).is_none());
    }
}
