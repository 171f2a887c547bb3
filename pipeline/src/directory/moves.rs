//! *Does*: finds the shortest list of moves that makes a staged tree live.
//!
//! # The highest possible level
//! A database that does not exist moves as one directory; so does a table that does not exist or is
//! replaced whole; then partitions; then the loose files and links of a level, one by one, with the
//! removal of those that the snapshot lacks. Whatever moves as one directory changes in one instant.
//!
//! *Invariants*: nothing is changed here. Loose sockets, fifos and devices stay where they are unless
//! something restored has their name.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use cairn_actors::tablet::{TabletError, TabletErrorKind};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::entries::{Entries, below};
use super::failure::{failed, invalid};
use super::hidden::JobDirectory;
use super::root::{Root, join};
use super::stamp::Stamp;
use super::switch::{Action, Move};
use super::target::Target;

/// Where the staged tree lies in the job directory, and the replaced one after the switch.
pub(super) const NEW: &str = "new";
/// Where removed loose files go.
pub(super) const OLD: &str = "old";
/// Without it a directory cannot be moved.
pub(super) const OWNER_WRITE: u32 = 0o200;

/// Refuses a path that holds something else than a directory of the warehouse's file system; says
/// whether it holds a directory.
pub(super) fn check_directory(root: &Root, path: &str) -> Result<bool, TabletError> {
    let Some(stamp) = root.stamp(path.as_bytes())? else {
        return Ok(false);
    };
    if !stamp.is_directory() {
        return Err(invalid(root.shown(path), "is in the way: it is not a directory"));
    }
    if stamp.device != root.device() {
        let problem = "is on another file system, which no switch can reach";
        return Err(TabletError::new(TabletErrorKind::Unsupported, root.shown(path), problem));
    }
    Ok(true)
}

/// Refuses a loose file or link in whose place a directory is; says whether anything is there.
pub(super) fn check_loose(root: &Root, path: &[u8]) -> Result<bool, TabletError> {
    match root.stamp(path)? {
        Some(stamp) if stamp.is_directory() => {
            Err(invalid(root.shown(path), "is in the way: it is a directory"))
        }
        found => Ok(found.is_some()),
    }
}

/// The moves that make the staged tree of these targets live. `modes` are the final modes of the
/// staged directories where they are not usual, by their paths from the warehouse.
pub(super) fn moves_of(
    root: &Root,
    job: &JobDirectory,
    targets: &[Target],
    modes: &BTreeMap<String, u32>,
) -> Result<Vec<Move>, TabletError> {
    let mut finder = MoveFinder { root, job, modes, moves: Vec::new(), num_removed: 0 };
    let mut placed = BTreeSet::new();
    for target in targets {
        if placed.contains(&target.database) {
            continue;
        }
        if !target.database.is_empty() && !check_directory(root, &target.database)? {
            finder.add_directory(Action::Place, &target.database)?;
            placed.insert(target.database.clone());
            continue;
        }
        finder.add_target(target)?;
    }
    Ok(finder.moves)
}

struct MoveFinder<'a> {
    root: &'a Root,
    job: &'a JobDirectory,
    modes: &'a BTreeMap<String, u32>,
    moves: Vec<Move>,
    num_removed: u64,
}

impl MoveFinder<'_> {
    fn add_target(&mut self, target: &Target) -> Result<(), TabletError> {
        let path = target.path();
        if target.table.is_empty() {
            return self.add_loose(&path, target.replaces_loose());
        }
        match (check_directory(self.root, &path)?, target.is_whole) {
            (false, _) => self.add_directory(Action::Place, &path),
            (true, true) => self.add_directory(Action::Exchange, &path),
            (true, false) => self.add_partitions(target, &path),
        }
    }

    fn add_partitions(&mut self, target: &Target, path: &str) -> Result<(), TabletError> {
        for partition in &target.partitions {
            let partition_path = join(&[path, partition]);
            match () {
                () if partition.is_empty() => self.add_loose(path, true)?,
                () if check_directory(self.root, &partition_path)? => {
                    self.add_directory(Action::Exchange, &partition_path)?;
                }
                () => self.add_directory(Action::Place, &partition_path)?,
            }
        }
        Ok(())
    }

    /// A directory without write permission would not let its entry `..` be rewritten, so that one
    /// gets its mode after the move.
    fn add_directory(&mut self, action: Action, path: &str) -> Result<(), TabletError> {
        let mode = self.modes.get(path).copied().filter(|mode| mode & OWNER_WRITE == 0);
        self.add_staged(action, path.as_bytes(), mode)
    }

    fn add_staged(
        &mut self,
        action: Action,
        live: &[u8],
        mode: Option<u32>,
    ) -> Result<(), TabletError> {
        let staged = [NEW.as_bytes(), b"/", live].concat();
        let stat = statat(self.job.fd(), staged.as_slice(), AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|e| failed("examine the staged", self.root.shown(live), e))?;
        let inode = Stamp::from(stat).inode;
        self.moves.push(Move { action, staged, live: live.to_vec(), inode, mode });
        Ok(())
    }

    fn add_loose(&mut self, path: &str, removes_others: bool) -> Result<(), TabletError> {
        let staged_directory = join(&[self.job.path(), NEW, path]);
        let staged = self.loose_in(&staged_directory)?;
        for name in &staged {
            let live = below(path.as_bytes(), name);
            match check_loose(self.root, &live)? {
                true => self.add_staged(Action::Exchange, &live, None)?,
                false => self.add_staged(Action::Place, &live, None)?,
            }
        }
        if removes_others {
            for name in self.loose_in(path)?.difference(&staged) {
                self.add_removal(below(path.as_bytes(), name))?;
            }
        }
        Ok(())
    }

    fn add_removal(&mut self, live: Vec<u8>) -> Result<(), TabletError> {
        let Some(stamp) = self.root.stamp(&live)? else {
            return Ok(());
        };
        let staged = format!("{OLD}/{}", self.num_removed).into_bytes();
        self.num_removed += 1;
        let inode = stamp.inode;
        self.moves.push(Move { action: Action::Remove, staged, live, inode, mode: None });
        Ok(())
    }

    /// The files and links in a directory of the warehouse; none when it does not exist.
    fn loose_in(&self, path: &str) -> Result<BTreeSet<std::ffi::CString>, TabletError> {
        let shown = |errno| failed("list the directory", self.root.shown(path), errno);
        let directory = match self.root.open_directory(path.as_bytes()) {
            Err(Errno::NOENT) => return Ok(BTreeSet::new()),
            other => other.map_err(shown)?,
        };
        let mut loose = BTreeSet::new();
        for (name, kind) in Entries::default().of(directory.as_fd()).map_err(shown)? {
            let kind = match kind {
                FileType::Unknown => {
                    let stat = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW);
                    FileType::from_raw_mode(stat.map_err(shown)?.st_mode)
                }
                known => known,
            };
            if matches!(kind, FileType::RegularFile | FileType::Symlink) {
                loose.insert(name);
            }
        }
        Ok(loose)
    }
}
