//! *Does*: makes staged data live with a list of renames that a crash cannot tear apart (R10).
//!
//! # The commit record
//! `.cairn/restore/<job>/switch`: 8 bytes `CAIRNSW1`, the 128-bit FNV-1a hash of the rest in
//! little-endian, then the CBOR list of moves. It is written after everything staged is durable. From
//! its `fsync` on the restore is committed: whoever finds it carries the list out to the end. A record
//! that is torn or missing means that nothing has moved.
//!
//! # One move
//! One `renameat2`: `RENAME_EXCHANGE` where something is live, so that the old data takes the staged
//! place in the same instant; `RENAME_NOREPLACE` where nothing is. The record holds the inode number of
//! what moves, so that a done move is told from a pending one and the list can be run again.
//!
//! *Invariants*: at every instant each moved path shows its old or its new content, never a mixture and
//! never nothing. The list as a whole is done when the first `open` after a crash returns.
//!
//! *On failure*: before the record nothing has changed. A move that fails after it is taken back with all
//! before it, and the record removed. Should that fail too, the record stays, and the next `open`
//! completes the installation.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use cairn_actors::tablet::TabletError;
use minicbor::{Decode, Encode};
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, chmodat, fsync, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::attributes::{decode_whole, encode_whole};
use super::entries::open_directory;
use super::failure::{changed, failed};
use super::hidden::JobDirectory;
use super::lock::fnv128;
use super::root::Root;

/// Name of the commit record in the job directory.
pub(super) const SWITCH: &str = "switch";
const MAGIC: &[u8; 8] = b"CAIRNSW1";
const HEADER_BYTES: usize = 24;

/// What one move does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(super) enum Action {
    /// The staged and the live item change places.
    #[n(0)]
    Exchange,
    /// The staged item goes where nothing is.
    #[n(1)]
    Place,
    /// The live item goes where nothing is staged.
    #[n(2)]
    Remove,
}

/// One rename.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Move {
    /// What it does.
    #[n(0)]
    pub(super) action: Action,
    /// Path from the job directory.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(super) staged: Vec<u8>,
    /// Path from the warehouse.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(super) live: Vec<u8>,
    /// Inode number of the item that leaves its place: the live one for `Remove`, else the staged one.
    #[n(3)]
    pub(super) inode: u64,
    /// Mode that a directory gets after the move, where it is one that would not let itself be moved.
    #[n(4)]
    pub(super) mode: Option<u32>,
}

impl Move {
    /// Whether a path of the warehouse is what moves, or lies below it.
    pub(super) fn carries(&self, path: &str) -> bool {
        match path.as_bytes().strip_prefix(self.live.as_slice()) {
            Some(rest) => rest.is_empty() || rest.starts_with(b"/"),
            None => false,
        }
    }
}

/// A list of moves with the places they are relative to.
#[derive(Debug)]
pub(super) struct Switch<'a> {
    root: &'a Root,
    job: &'a JobDirectory,
    moves: Vec<Move>,
}

impl<'a> Switch<'a> {
    /// A list that is not committed yet.
    pub(super) fn new(root: &'a Root, job: &'a JobDirectory, moves: Vec<Move>) -> Self {
        Self { root, job, moves }
    }

    /// The list that a dead process committed; `None` when it committed none.
    pub(super) fn read(root: &'a Root, job: &'a JobDirectory) -> Result<Option<Self>, TabletError> {
        let shown = || root.shown(format!("{}/{SWITCH}", job.path()));
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(job.fd(), SWITCH, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|e| failed("open the commit record", shown(), e))?,
        };
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            failed("read the commit record", shown(), errno)
        })?;
        let moves = decode(&bytes);
        if moves.is_none() {
            tracing::warn!(path = shown(), "a torn commit record is ignored: nothing has moved");
        }
        Ok(moves.map(|moves| Self { root, job, moves }))
    }

    /// Writes the commit record durably.
    pub(super) fn commit(&self) -> Result<(), TabletError> {
        let written = self.write().and_then(|()| fsync(self.job.fd()));
        written.map_err(|e| failed("write the commit record", self.shown_record(), e))
    }

    /// Removes the commit record durably.
    pub(super) fn erase(&self) -> Result<(), TabletError> {
        let erased = match unlinkat(self.job.fd(), SWITCH, AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => fsync(self.job.fd()),
            Err(errno) => Err(errno),
        };
        erased.map_err(|e| failed("remove the commit record", self.shown_record(), e))
    }

    /// Carries out every move that is not done yet; `after` is called with the number of moves done.
    pub(super) fn carry_out(&self, mut after: impl FnMut(usize)) -> Result<(), TabletError> {
        for (done, item) in self.moves.iter().enumerate() {
            if !self.is_done(item)? {
                self.perform(item).map_err(|e| self.move_error(item, e))?;
            }
            if let Some(mode) = item.mode {
                let mode = Mode::from_raw_mode(mode);
                let changed = chmodat(self.root.fd(), &*item.live, mode, AtFlags::empty());
                changed.map_err(|e| failed("set the mode of", self.root.shown(&item.live), e))?;
            }
            after(done + 1);
        }
        Ok(())
    }

    /// Takes back every move that is done, the last first.
    pub(super) fn take_back(&self) -> Result<(), TabletError> {
        for item in self.moves.iter().rev() {
            if self.is_done(item)? {
                self.undo(item).map_err(|e| self.move_error(item, e))?;
            }
        }
        self.sync()
    }

    /// Makes every move durable.
    pub(super) fn sync(&self) -> Result<(), TabletError> {
        let parents = |path: fn(&Move) -> &[u8]| -> BTreeSet<&[u8]> {
            self.moves.iter().map(|item| parent(path(item))).collect()
        };
        for directory in parents(|item| &item.live) {
            let synced = sync_directory(self.root.fd(), directory);
            synced.map_err(|e| failed("sync the directory", self.root.shown(directory), e))?;
        }
        for directory in parents(|item| &item.staged) {
            match sync_directory(self.job.fd(), directory) {
                // Removals that were already cleaned up leave no staging place behind.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => {
                    let shown = self.root.shown(self.job.path());
                    return Err(failed("sync the directory", shown, errno));
                }
            }
        }
        Ok(())
    }

    fn shown_record(&self) -> String {
        self.root.shown(format!("{}/{SWITCH}", self.job.path()))
    }

    fn write(&self) -> Result<(), Errno> {
        let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = openat(self.job.fd(), SWITCH, flags, Mode::from_raw_mode(0o600))?;
        let mut file = File::from(file);
        let written = file.write_all(&encode(&self.moves));
        written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        fsync(&file)
    }

    /// Only a move takes the recorded item from its place.
    fn is_done(&self, item: &Move) -> Result<bool, TabletError> {
        let (base, path) = match item.action {
            Action::Remove => (self.root.fd(), &item.live),
            Action::Exchange | Action::Place => (self.job.fd(), &item.staged),
        };
        match statat(base, path.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(stat.st_ino != item.inode),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(true),
            Err(errno) => Err(self.move_error(item, errno)),
        }
    }

    fn perform(&self, item: &Move) -> Result<(), Errno> {
        let (staged, live) = (item.staged.as_slice(), item.live.as_slice());
        let (root, job) = (self.root.fd(), self.job.fd());
        match item.action {
            Action::Exchange => renameat_with(job, staged, root, live, RenameFlags::EXCHANGE),
            Action::Place => renameat_with(job, staged, root, live, RenameFlags::NOREPLACE),
            Action::Remove => renameat_with(root, live, job, staged, RenameFlags::NOREPLACE),
        }
    }

    fn undo(&self, item: &Move) -> Result<(), Errno> {
        let (staged, live) = (item.staged.as_slice(), item.live.as_slice());
        let (root, job) = (self.root.fd(), self.job.fd());
        match item.action {
            Action::Exchange => renameat_with(job, staged, root, live, RenameFlags::EXCHANGE),
            Action::Place => renameat_with(root, live, job, staged, RenameFlags::NOREPLACE),
            Action::Remove => renameat_with(job, staged, root, live, RenameFlags::NOREPLACE),
        }
    }

    fn move_error(&self, item: &Move, errno: Errno) -> TabletError {
        let shown = self.root.shown(&item.live);
        match errno {
            Errno::NOENT | Errno::EXIST => {
                changed(shown, "appeared or disappeared while it was being replaced")
            }
            _ => failed("move the restored data to", shown, errno),
        }
    }
}

fn parent(path: &[u8]) -> &[u8] {
    path.iter().rposition(|byte| *byte == b'/').map_or(b"", |slash| &path[..slash])
}

/// Makes the entries of a directory durable, where the file system has such a call.
pub(super) fn sync_directory(base: impl AsFd, path: &[u8]) -> Result<(), Errno> {
    let directory = open_directory(base, if path.is_empty() { b"." } else { path })?;
    match fsync(directory) {
        Err(Errno::INVAL) => Ok(()),
        other => other,
    }
}

fn encode(moves: &Vec<Move>) -> Vec<u8> {
    let body = encode_whole(moves);
    [MAGIC, fnv128(&body).to_le_bytes().as_slice(), &body].concat()
}

fn decode(bytes: &[u8]) -> Option<Vec<Move>> {
    let (header, body) = bytes.split_at_checked(HEADER_BYTES)?;
    let (magic, hash) = header.split_at(MAGIC.len());
    let is_whole = magic == MAGIC && hash == fnv128(body).to_le_bytes();
    if is_whole { decode_whole(body) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves() -> Vec<Move> {
        let item = |action, mode| Move {
            action,
            staged: b"new/d/t".to_vec(),
            live: b"d/\xff".to_vec(),
            inode: u64::MAX,
            mode,
        };
        vec![
            item(Action::Exchange, None),
            item(Action::Place, Some(0o555)),
            item(Action::Remove, None),
        ]
    }

    #[test]
    fn commit_record_round_trips() {
        assert_eq!(decode(&encode(&moves())), Some(moves()));
    }

    #[test]
    fn torn_or_damaged_commit_record_is_none() {
        let whole = encode(&moves());
        for len in 0..whole.len() {
            assert_eq!(decode(&whole[..len]), None, "{len}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            assert_eq!(decode(&damaged), None, "{at}");
        }
    }
}
