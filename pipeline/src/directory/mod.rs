//! A warehouse that is a directory tree.
//!
//! # Convention
//! `<warehouse>/<database>/<table>/<partition>/<tablet>/<segment files>`
//!
//! The first directory level is the database, the second the table, the third the partition, the fourth
//! the tablet; everything below is part of the segment's name (`x/y.dat`). Shallower trees work: what
//! lies loose at a level belongs to an empty name below it. A file directly in a table's directory
//! belongs to partition "" and tablet "" of that table, one directly in a database's directory to
//! table "", one directly in the warehouse to database "".
//!
//! # What is kept
//! Regular files with content, mode and modification time; symbolic links as links (never followed, so
//! loops do no harm) with target and modification time; directories with their mode, empty ones at
//! every level included. The set-user-ID and set-group-ID bits of a file come back only when the
//! restored file has the owner and group that the original had. Sockets, fifos and devices are listed
//! as skipped.
//!
//! Not kept: owners, access times, modification times of directories, extended attributes, access
//! control lists, holes, which names are hard links of one file, and the mode of the warehouse
//! directory itself. Names must be UTF-8, and paths inside the warehouse shorter than 4000 bytes.
//!
//! # The hidden directory
//! `<warehouse>/.cairn` belongs to Cairn and is never backed up. It exists only while it is needed:
//!
//! | path                    | holds                                                             |
//! |-------------------------|-------------------------------------------------------------------|
//! | `.cairn/pins/<job>/`    | a hard link for each segment that a view has pinned               |
//! | `.cairn/restore/<job>/` | `new/` the staged tree, later the replaced one; `old/` removed loose files; `switch` the commit record |
//! | `.cairn/locks/`         | one lock file for each target of a running restore, and one for the switch |
//!
//! Every job directory holds a file `lock`, locked with `flock` for as long as its owner lives, so that
//! what a dead process left is told from what a living one uses.
//!
//! # Invariants
//! R9 (a pin outlives every read) is kept in `pin`, R10 (a restore is installed whole or not at all) in
//! `switch` and `recovery`.

mod attributes;
mod entries;
mod failure;
mod file_lock;
mod hidden;
mod leftover;
mod listing;
mod lock;
mod moves;
mod name;
mod pin;
mod reader;
mod recovery;
mod root;
mod sink;
mod source;
mod staging;
mod stamp;
mod switch;
mod target;
mod view;
mod walk;
mod writer;

use std::sync::Arc;

pub use sink::DirectorySink;
pub use source::DirectorySource;

/// The instants of an installation at which a test may end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SwitchPoint {
    /// Everything staged is durable; the commit record is not written.
    BeforeSwitchFile,
    /// The commit record is durable; nothing has moved.
    AfterSwitchFile,
    /// One move is done. Not reached by an installation without moves.
    AfterFirstMove,
    /// Every move is done; none is known to be durable.
    AfterMoves,
    /// Every move is durable and the commit record is gone; the replaced data is still there.
    AfterSwitchFileRemoved,
}

impl SwitchPoint {
    /// Every point, in the order in which an installation reaches them.
    pub const ALL: [Self; 5] = [
        Self::BeforeSwitchFile,
        Self::AfterSwitchFile,
        Self::AfterFirstMove,
        Self::AfterMoves,
        Self::AfterSwitchFileRemoved,
    ];

    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeSwitchFile => "before-switch-file",
            Self::AfterSwitchFile => "after-switch-file",
            Self::AfterFirstMove => "after-first-move",
            Self::AfterMoves => "after-moves",
            Self::AfterSwitchFileRemoved => "after-switch-file-removed",
        }
    }
}

/// Called at each [`SwitchPoint`] that an installation reaches.
pub type SwitchHook = Arc<dyn Fn(SwitchPoint) + Send + Sync>;
