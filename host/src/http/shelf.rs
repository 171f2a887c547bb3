//! [`Shelf`]: what repositories list, as it was read last. A page never reads a repository: that blocks, and slowly where it is far.
//!
//! *Memory*: the newest snapshots of each and their number, however many there are.
//!
//! *On failure*: what was listed before stays, and why it is old is said; a read that panics is one that failed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cairn_pipeline::ListedSnapshot;
use tokio::time::{Instant, timeout};

/// Snapshots of one repository that are kept.
const MAX_SNAPSHOTS: usize = 10;
/// How old a list may be that somebody looks at.
const FRESH: Duration = Duration::from_secs(15);
/// How long a page waits for a list that it must begin to read.
const PATIENCE: Duration = Duration::from_secs(1);

const PANICKED: &str = "the list broke off with a panic, of which the log tells";

/// A snapshot of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) label: String,
    /// What its record says, or why it cannot be read.
    pub(super) about: Result<About, String>,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) taken: String,
    pub(super) raw_bytes: u64,
    pub(super) stored_bytes: u64,
    pub(super) took: Duration,
}

/// What a repository lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Listing {
    /// The newest first.
    pub(super) newest: Vec<Shown>,
    pub(super) total: usize,
}

/// A list as it was read last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kept {
    /// None before it was read.
    pub(super) listing: Option<Listing>,
    /// Why it could not be read the last time.
    pub(super) error: Option<String>,
}

/// Lists of repositories, by a key that is one's own.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// Held for a look or a step.
    places: Mutex<BTreeMap<String, Place>>,
}

#[derive(Debug, Default)]
struct Place {
    kept: Kept,
    /// When it was begun to be read, and what had happened until then.
    begun: Option<(Instant, u64)>,
    is_reading: bool,
}

/// What a look begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    Nothing,
    InTheBackground,
    AndWait,
}

impl Shelf {
    /// What a repository lists. It is read again when the list is old or something happened since, which `so_far` counts.
    pub(super) async fn look(
        self: &Arc<Self>,
        key: &str,
        so_far: u64,
        read: impl FnOnce() -> Result<Vec<ListedSnapshot>, String> + Send + 'static,
    ) -> Kept {
        let begin = self.begins(key, so_far);
        if begin != Begin::Nothing {
            let (shelf, of) = (Arc::clone(self), key.to_owned());
            let reading = tokio::task::spawn_blocking(move || {
                // Nothing of what it shares is read after a panic but what it kept before.
                let outcome = catch_unwind(AssertUnwindSafe(read));
                let outcome = outcome.unwrap_or_else(|_| Err(PANICKED.to_owned()));
                shelf.keep(&of, outcome.map(listing));
            });
            if begin == Begin::AndWait {
                // What takes longer is shown by a later look.
                let _ = timeout(PATIENCE, reading).await;
            }
        }
        self.lock().get(key).map(|place| place.kept.clone()).unwrap_or_default()
    }

    /// Whether the caller is to read it. A list that has only become old need not be waited for.
    fn begins(&self, key: &str, so_far: u64) -> Begin {
        let now = Instant::now();
        let mut places = self.lock();
        let place = places.entry(key.to_owned()).or_default();
        let is_same = place.begun.is_some_and(|(_, then)| then == so_far);
        let is_young = place.begun.is_some_and(|(at, _)| now.duration_since(at) < FRESH);
        if (is_same && is_young) || place.is_reading {
            return Begin::Nothing;
        }
        (place.begun, place.is_reading) = (Some((now, so_far)), true);
        if is_same { Begin::InTheBackground } else { Begin::AndWait }
    }

    fn keep(&self, key: &str, outcome: Result<Listing, String>) {
        if let Some(place) = self.lock().get_mut(key) {
            place.is_reading = false;
            match outcome {
                Ok(listing) => place.kept = Kept { listing: Some(listing), error: None },
                Err(error) => place.kept.error = Some(error),
            }
        }
    }

    /// Forgets repositories that are gone.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().retain(|key, _| is_there(key));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listing(mut listed: Vec<ListedSnapshot>) -> Listing {
    let total = listed.len();
    listed.sort_unstable_by_key(|snapshot| std::cmp::Reverse(snapshot.modified));
    listed.truncate(MAX_SNAPSHOTS);
    Listing { newest: listed.into_iter().map(shown).collect(), total }
}

fn shown(snapshot: ListedSnapshot) -> Shown {
    let about = match snapshot.record {
        Ok(record) => Ok(About {
            taken: record.timestamp.to_string(),
            raw_bytes: record.stats.raw_bytes,
            stored_bytes: record.stats.stored_bytes,
            took: Duration::from_millis(record.stats.duration_ms),
        }),
        Err(error) => Err(error.to_string()),
    };
    Shown { label: snapshot.label.to_string(), about }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use cairn_testkit::wait_until;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_list_is_read_when_it_is_old_or_something_happened() {
        let (shelf, reads) = (Arc::new(Shelf::default()), Arc::new(AtomicUsize::new(0)));
        let look = |so_far| {
            let (shelf, reads) = (Arc::clone(&shelf), Arc::clone(&reads));
            async move {
                let count = Arc::clone(&reads);
                let read = move || {
                    count.fetch_add(1, Ordering::Relaxed);
                    Ok(Vec::new())
                };
                let kept = shelf.look("r", so_far, read).await;
                assert_eq!(kept.listing, Some(Listing::default()));
                reads.load(Ordering::Relaxed)
            }
        };
        assert_eq!((look(0).await, look(0).await), (1, 1));
        assert_eq!((look(1).await, look(1).await), (2, 2));
        tokio::time::advance(FRESH).await;
        look(1).await;
        wait_until("it is read again", Duration::from_secs(60), || !shelf.lock()["r"].is_reading);
        assert_eq!(reads.load(Ordering::Relaxed), 3);
        let failed = shelf.look("r", 2, || Err("unreachable".to_owned())).await;
        assert_eq!(failed.error.as_deref(), Some("unreachable"));
        assert_eq!(failed.listing, Some(Listing::default()), "what was listed stays");
        shelf.retain(|key| key != "r");
        assert_eq!(look(2).await, 4);
    }

    #[tokio::test]
    async fn one_that_panics_has_failed_and_is_asked_again() {
        let shelf = Arc::new(Shelf::default());
        let failed = shelf.look("r", 0, || panic!("in a storage")).await;
        assert_eq!(failed, Kept { listing: None, error: Some(PANICKED.to_owned()) });
        let again = shelf.look("r", 1, || Ok(Vec::new())).await;
        assert_eq!(again, Kept { listing: Some(Listing::default()), error: None });
    }

    #[tokio::test]
    async fn one_that_does_not_answer_is_asked_once_and_keeps_nobody_waiting() {
        let shelf = Arc::new(Shelf::default());
        let (answer, asked) = std::sync::mpsc::sync_channel::<()>(0);
        let read = move || {
            let _ = asked.recv();
            Ok(Vec::new())
        };
        assert_eq!(shelf.look("r", 0, read).await, Kept::default());
        let again = shelf.look("r", 1, || panic!("asked twice")).await;
        assert_eq!(again, Kept::default());
        drop(answer);
    }
}
