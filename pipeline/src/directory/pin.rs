//! *Does*: holds segments so that they can be read whatever becomes of their live names (R9).
//!
//! # Three ways to hold a segment
//! 1. A hard link in `.cairn/pins/<job>/`. It costs no memory and survives deletion, rename and
//!    replacement of the live name.
//! 2. An open handle, where the file system refuses the link, and for files that have other names
//!    anyway (a link would change the change time of all of them, and with it their identities). Handles
//!    are limited, by a budget that all views of one source share.
//! 3. Nothing, when the budget is used up: the segment is verified when it is opened, and one that was
//!    replaced or removed until then is `Changed`.
//!
//! *Invariants*: whatever is held was compared with the listing after the hold was taken.
//! `.cairn` is made for the first link only, and removed with the last.
//!
//! *On failure*: a segment that is no longer the listed one is `Changed` and named.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cairn_actors::tablet::TabletError;
use rustix::fs::{AtFlags, Mode, OFlags, linkat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::failure::{changed, failed, invalid};
use super::hidden::{Area, JobDirectory};
use super::listing::Listed;
use super::root::Root;
use super::stamp::{Moment, Stamp};

/// Descriptors that stay for the rest of the process.
const RESERVED_HANDLES: u64 = 256;
/// More than the views that one process can start in one nanosecond.
const MAX_NAME_ATTEMPTS: i64 = 1000;
/// Why a segment is `Changed` when it is no longer what was listed.
pub(super) const REPLACED: &str = "was replaced, changed or removed since it was listed";

/// How many segments may be held by open handles.
#[derive(Debug)]
pub(super) struct HandleBudget {
    /// Nothing else is ordered by it: `Relaxed` suffices.
    left: AtomicUsize,
}

impl HandleBudget {
    /// What the limit of the process leaves.
    pub(super) fn of_process() -> Arc<Self> {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let left = limit.saturating_sub(RESERVED_HANDLES);
        Arc::new(Self { left: AtomicUsize::new(usize::try_from(left).unwrap_or(usize::MAX)) })
    }

    fn take(self: &Arc<Self>) -> Option<HandlePermit> {
        let taken =
            self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.ok().map(|_| HandlePermit(Arc::clone(self)))
    }
}

/// One handle of the budget, given back when dropped.
#[derive(Debug)]
pub(super) struct HandlePermit(Arc<HandleBudget>);

impl Drop for HandlePermit {
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Ordering::Relaxed);
    }
}

/// The hard link of one segment.
#[derive(Debug)]
pub(super) struct LinkedPin {
    directory: Arc<JobDirectory>,
    name: String,
}

impl LinkedPin {
    /// Removes the link.
    pub(super) fn release(&self) -> Result<(), Errno> {
        unlinkat(self.directory.fd(), &self.name, AtFlags::empty())
    }
}

#[derive(Debug)]
enum Hold {
    Link(Arc<JobDirectory>),
    Handle(OwnedFd, HandlePermit),
    Unheld,
}

/// A pinned segment, opened.
#[derive(Debug)]
pub(super) struct OpenedPin {
    /// The file at its beginning.
    pub(super) file: OwnedFd,
    /// What it is.
    pub(super) stamp: Stamp,
    /// When anything about the file changed, as of the hold.
    pub(super) ctime: Moment,
    /// The link to release after reading.
    pub(super) link: Option<LinkedPin>,
    /// The part of the handle budget that reading uses.
    pub(super) permit: Option<HandlePermit>,
}

/// The pins of one view.
#[derive(Debug)]
pub(super) struct Pins {
    root: Arc<Root>,
    budget: Arc<HandleBudget>,
    /// Guards the holds: pinning fills them, the opening threads empty them.
    state: Mutex<PinState>,
}

#[derive(Debug, Default)]
struct PinState {
    directory: Option<Arc<JobDirectory>>,
    /// Set when `.cairn` cannot be made.
    is_linkless: bool,
    holds: HashMap<usize, (Hold, Moment)>,
}

impl Pins {
    /// No pins yet.
    pub(super) fn new(root: Arc<Root>, budget: Arc<HandleBudget>) -> Self {
        Self { root, budget, state: Mutex::default() }
    }

    /// Holds a segment by its position in the listing and its path.
    pub(super) fn hold(
        &self,
        position: usize,
        listed: &Listed,
        path: &str,
    ) -> Result<(), TabletError> {
        let mut state = self.state();
        if state.holds.contains_key(&position) {
            return Ok(());
        }
        let handle_first = listed.many_links;
        let mut held = None;
        if handle_first {
            held = self.open_handle(listed, path)?;
        }
        if held.is_none() {
            held = self.link(&mut state, position, listed, path)?;
        }
        if held.is_none() && !handle_first {
            held = self.open_handle(listed, path)?;
        }
        let held = match held {
            Some(held) => held,
            None => (Hold::Unheld, self.check_live(listed, path)?),
        };
        state.holds.insert(position, held);
        Ok(())
    }

    /// Opens a held segment, once.
    pub(super) fn open(
        &self,
        position: usize,
        listed: &Listed,
        path: &str,
    ) -> Result<OpenedPin, TabletError> {
        let held = self.state().holds.remove(&position);
        let shown = || self.root.shown(path);
        let Some((hold, ctime)) = held else {
            return Err(invalid(shown(), "was not pinned, or was opened before"));
        };
        let (file, link, permit) = match hold {
            Hold::Handle(file, permit) => (file, None, Some(permit)),
            Hold::Link(directory) => {
                let link = LinkedPin { directory, name: position.to_string() };
                let file = open_file(link.directory.fd(), &link.name);
                let file = file.map_err(|e| failed("open the file", shown(), e))?;
                (file, Some(link), None)
            }
            Hold::Unheld => match open_file(self.root.fd(), path) {
                Err(errno) if is_gone(errno) => return Err(changed(shown(), REPLACED)),
                other => (other.map_err(|e| failed("open the file", shown(), e))?, None, None),
            },
        };
        let stamp = Stamp::of_open(&file).map_err(|e| failed("examine the file", shown(), e))?;
        match listed.is_still(&stamp) {
            true => Ok(OpenedPin { file, stamp, ctime, link, permit }),
            false => Err(changed(shown(), REPLACED)),
        }
    }

    /// A poisoned lock is of no consequence: holds are inserted whole.
    fn state(&self) -> MutexGuard<'_, PinState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn link(
        &self,
        state: &mut PinState,
        position: usize,
        listed: &Listed,
        path: &str,
    ) -> Result<Option<(Hold, Moment)>, TabletError> {
        let Some(directory) = self.directory(state) else {
            return Ok(None);
        };
        let name = position.to_string();
        match linkat(self.root.fd(), path, directory.fd(), &name, AtFlags::empty()) {
            Ok(()) => {}
            Err(errno) if is_gone(errno) => return Err(changed(self.root.shown(path), REPLACED)),
            Err(errno) => {
                tracing::debug!(path, error = %errno, "a segment cannot be pinned by a link");
                return Ok(None);
            }
        }
        let stat = statat(directory.fd(), &name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|e| failed("examine the pin of", self.root.shown(path), e))?;
        let stamp = Stamp::from(stat);
        match listed.is_still(&stamp) {
            true => Ok(Some((Hold::Link(directory), stamp.ctime))),
            false => Err(changed(self.root.shown(path), REPLACED)),
        }
    }

    /// The directory of this view's links, made when the first is needed; `None` where it cannot be.
    fn directory(&self, state: &mut PinState) -> Option<Arc<JobDirectory>> {
        if state.directory.is_none() && !state.is_linkless {
            match self.make_directory() {
                Ok(directory) => state.directory = directory.map(Arc::new),
                Err(error) => tracing::debug!(%error, "segments are pinned without links"),
            }
            state.is_linkless = state.directory.is_none();
        }
        state.directory.clone()
    }

    fn make_directory(&self) -> Result<Option<JobDirectory>, TabletError> {
        let start = Moment::now();
        for attempt in 0..MAX_NAME_ATTEMPTS {
            let name = format!("{}-{:x}", process::id(), start.wrapping_add(attempt));
            let made = JobDirectory::create(&self.root, Area::Pins, &name)?;
            if made.is_some() {
                return Ok(made);
            }
        }
        Ok(None)
    }

    fn open_handle(
        &self,
        listed: &Listed,
        path: &str,
    ) -> Result<Option<(Hold, Moment)>, TabletError> {
        let Some(permit) = self.budget.take() else {
            return Ok(None);
        };
        let shown = || self.root.shown(path);
        let file = match open_file(self.root.fd(), path) {
            Err(Errno::MFILE | Errno::NFILE) => return Ok(None),
            Err(errno) if is_gone(errno) => return Err(changed(shown(), REPLACED)),
            other => other.map_err(|e| failed("open the file", shown(), e))?,
        };
        let stamp = Stamp::of_open(&file).map_err(|e| failed("examine the file", shown(), e))?;
        match listed.is_still(&stamp) {
            true => Ok(Some((Hold::Handle(file, permit), stamp.ctime))),
            false => Err(changed(shown(), REPLACED)),
        }
    }

    fn check_live(&self, listed: &Listed, path: &str) -> Result<Moment, TabletError> {
        match self.root.stamp(path.as_bytes())? {
            Some(stamp) if listed.is_still(&stamp) => Ok(stamp.ctime),
            _ => Err(changed(self.root.shown(path), REPLACED)),
        }
    }
}

/// Opens for reading; without waiting should a named pipe have taken the file's place.
fn open_file(base: impl std::os::fd::AsFd, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(base, path, flags, Mode::empty())
}

/// Whether opening or linking failed since something else, or nothing, is in the file's place.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use cairn_actors::tablet::{Selection, TabletErrorKind};

    use super::super::listing::Listing;
    use super::super::walk::walk;
    use super::*;

    /// Two names of one file, so that handles are tried first, with a budget.
    fn scene(handles: usize) -> (tempfile::TempDir, Listing, Pins) {
        let place = tempfile::tempdir().unwrap();
        let tablet = place.path().join("d/t/p/b");
        fs::create_dir_all(&tablet).unwrap();
        fs::write(tablet.join("0"), "content").unwrap();
        fs::hard_link(tablet.join("0"), tablet.join("1")).unwrap();
        let root = Root::open(place.path()).unwrap();
        let listing = walk(&root, &Selection::everything()).unwrap();
        let budget = Arc::new(HandleBudget { left: AtomicUsize::new(handles) });
        (place, listing, Pins::new(root, budget))
    }

    fn listed(listing: &Listing, segment: u32) -> (usize, Listed, String) {
        let address =
            cairn_actors::tablet::SegmentAddress { object: 0, partition: 0, tablet: 0, segment };
        let (position, found) = listing.segment(address).unwrap();
        (position, *found, listing.path(address))
    }

    #[test]
    fn handles_are_taken_from_the_budget_and_given_back() {
        let (place, listing, pins) = scene(1);
        for segment in [0, 1] {
            let (position, found, path) = listed(&listing, segment);
            pins.hold(position, &found, &path).unwrap();
        }
        // The second is held by a link, since the budget is used up.
        assert!(place.path().join(".cairn/pins").try_exists().unwrap());
        assert_eq!(pins.budget.left.load(Ordering::Relaxed), 0);
        let (position, found, path) = listed(&listing, 0);
        drop(pins.open(position, &found, &path).unwrap());
        assert_eq!(pins.budget.left.load(Ordering::Relaxed), 1);
        drop(pins);
        assert!(!place.path().join(".cairn").try_exists().unwrap());
    }

    #[test]
    fn segment_that_cannot_be_held_is_verified_when_it_is_opened() {
        let (place, listing, pins) = scene(0);
        pins.state().is_linkless = true;
        for segment in [0, 1] {
            let (position, found, path) = listed(&listing, segment);
            pins.hold(position, &found, &path).unwrap();
        }
        assert!(!place.path().join(".cairn").try_exists().unwrap());
        let (position, found, path) = listed(&listing, 0);
        assert!(pins.open(position, &found, &path).unwrap().link.is_none());
        let live = place.path().join("d/t/p/b/1");
        fs::remove_file(&live).unwrap();
        fs::write(&live, "another").unwrap();
        let (position, found, path) = listed(&listing, 1);
        let error = pins.open(position, &found, &path).unwrap_err();
        assert_eq!(error.kind(), TabletErrorKind::Changed);
        assert_eq!(error.what(), live.canonicalize().unwrap().to_str().unwrap());
    }
}
