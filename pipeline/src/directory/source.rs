//! *Does*: takes views of a directory tree.
//!
//! *Invariants*: a warehouse is only written to where a pin needs it or an earlier job left something
//! to clean up.
//!
//! *On failure*: no such directory, or one that cannot be read, is an error that names it. A walk that a
//! running restore or a removal disturbed is repeated some times, then it is `Changed`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cairn_actors::tablet::{Selection, TabletError, TabletErrorKind, TabletSnapshot, TabletSource};

use super::failure::{busy, changed};
use super::listing::Listing;
use super::pin::HandleBudget;
use super::recovery::{pending_switch, recover};
use super::root::Root;
use super::view::DirectoryView;
use super::walk::{WalkEnd, walk};

/// A warehouse that removes directories during each of so many walks is not at rest.
const MAX_WALKS: u32 = 5;
/// A switch takes milliseconds; a slow disk gets its time.
const SWITCH_WAIT: Duration = Duration::from_millis(10);
/// Ten seconds in all.
const MAX_SWITCH_WAITS: u32 = 1000;

/// Backs up a directory tree: see the [module](super) for the convention.
#[derive(Debug)]
pub struct DirectorySource {
    root: Arc<Root>,
    origin: String,
    budget: Arc<HandleBudget>,
}

impl DirectorySource {
    /// Opens an existing warehouse, finishes the switch of a restore that a crash interrupted, and
    /// removes what other dead jobs left.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, TabletError> {
        let root = Root::open(root.as_ref())?;
        recover(&root)?;
        let origin = format!("{}:{}", host_name(), root.path().display());
        Ok(Self { root, origin, budget: HandleBudget::of_process() })
    }

    /// Waits for the end of a running switch and finishes a dead one.
    fn wait_for_switches(&self) -> Result<(), TabletError> {
        let mut last = String::new();
        for _ in 0..MAX_SWITCH_WAITS {
            match pending_switch(&self.root)? {
                None => return Ok(()),
                Some(job) => last = job,
            }
            recover(&self.root)?;
            if pending_switch(&self.root)?.is_some() {
                thread::park_timeout(SWITCH_WAIT);
            }
        }
        Err(busy(self.root.shown(""), &format!("restore {last} is being installed")))
    }

    fn list(&self, selection: &Selection) -> Result<Listing, TabletError> {
        let mut vanished = String::new();
        for _ in 0..MAX_WALKS {
            self.wait_for_switches()?;
            match walk(&self.root, selection) {
                Err(WalkEnd::Failed(error)) => return Err(error),
                Err(WalkEnd::Vanished(path)) => vanished = path,
                Ok(listing) => match pending_switch(&self.root)? {
                    None => return Ok(listing),
                    Some(_) => vanished = self.root.shown(""),
                },
            }
        }
        Err(changed(vanished, "was replaced or removed during every attempt to list it"))
    }
}

impl TabletSource for DirectorySource {
    fn origin(&self) -> String {
        self.origin.clone()
    }

    fn snapshot(&self, selection: &Selection) -> Result<Box<dyn TabletSnapshot>, TabletError> {
        let listing = self.list(selection)?;
        check_selection(selection, &listing)?;
        let view = DirectoryView::new(Arc::clone(&self.root), listing, Arc::clone(&self.budget));
        Ok(Box::new(view))
    }
}

/// Refuses a selection of things that were not found, and names them.
fn check_selection(selection: &Selection, listing: &Listing) -> Result<(), TabletError> {
    let mut missing = Vec::new();
    for item in &selection.items {
        let mut objects = listing.objects().iter().filter(|object| {
            let name = item.object.as_deref();
            *object.key.database == *item.database
                && name.is_none_or(|name| *object.key.name == *name)
        });
        let shown = match &item.object {
            Some(object) => format!("{}.{object}", item.database),
            None => item.database.clone(),
        };
        let Some(found) = objects.next() else {
            missing.push(shown);
            continue;
        };
        let partitions = item.object.as_ref().and(item.partitions.as_ref());
        for partition in partitions.into_iter().flatten() {
            if !found.partitions.contains(partition) {
                missing.push(format!("{shown}.{partition}"));
            }
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(TabletError::new(
            TabletErrorKind::NotFound,
            missing.join(", "),
            "is not in the warehouse",
        )),
    }
}

/// The name of this host: identities of one warehouse mean nothing on another.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}
