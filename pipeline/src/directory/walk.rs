//! *Does*: lists the selected part of a warehouse: one pass over its directories, one `stat` for each
//! file, no file opened.
//!
//! *Order*: by name at each level, loose entries before directories.
//!
//! *Invariants*: links are never followed. When the walk ends, every directory that it listed is still
//! in its place; so a switch of a restore never shows as half of the old and half of the new directory.
//! Files that vanish between listing and `stat` are left out.
//!
//! *On failure*: an unreadable directory or file and a name that is not UTF-8 end the walk with an error
//! that names it. A directory that vanished or was replaced ends it with [`WalkEnd::Vanished`]: again.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cairn_actors::tablet::{ObjectKey, Selection, TabletError};
use rustix::fs::{AtFlags, FileType, readlinkat, statat};
use rustix::io::Errno;

use super::attributes::{Definition, USUAL_DIRECTORY, unusual};
use super::entries::{Entries, below};
use super::failure::{failed, invalid};
use super::hidden::HIDDEN;
use super::listing::{Found, Listing};
use super::root::{Root, join};
use super::stamp::{Moment, Stamp};

/// Why a walk did not end with a listing.
#[derive(Debug)]
pub(super) enum WalkEnd {
    /// A directory went away or was replaced under the walk.
    Vanished(String),
    /// Another attempt would fail the same way.
    Failed(TabletError),
}

impl From<TabletError> for WalkEnd {
    fn from(error: TabletError) -> Self {
        Self::Failed(error)
    }
}

/// Lists what is selected.
pub(super) fn walk(root: &Root, selection: &Selection) -> Result<Listing, WalkEnd> {
    let mut walk = Walk {
        root,
        selection,
        entries: Entries::default(),
        listing: Listing::default(),
        visited: Vec::new(),
    };
    walk.warehouse()?;
    walk.check_visited()?;
    let mut listing = walk.listing;
    listing.seal();
    Ok(listing)
}

/// What a directory holds.
struct Contents {
    stamp: Stamp,
    loose: Vec<Found>,
    directories: Vec<String>,
}

/// How much of a directory the selection takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    /// Files and links, and every directory: a bad name is an error.
    All,
    /// Files and links, and some directories.
    LooseAndNamed,
    /// Some directories.
    Named,
}

impl Interest {
    fn of(all: bool, loose: bool) -> Self {
        match (all, loose) {
            (true, _) => Self::All,
            (false, true) => Self::LooseAndNamed,
            (false, false) => Self::Named,
        }
    }
}

/// A directory while it is read.
struct Reading<'a> {
    directory: BorrowedFd<'a>,
    path: &'a str,
    interest: Interest,
    now: i64,
}

impl Reading<'_> {
    /// Examines an entry where that is needed: directories are examined when they are opened.
    fn stamp(&self, name: &CStr, kind: FileType) -> Result<Option<Stamp>, Errno> {
        let is_needed = kind == FileType::Unknown
            || (kind != FileType::Directory && self.interest != Interest::Named);
        match is_needed {
            true => {
                let stat = statat(self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                Ok(Some(Stamp::from(stat)))
            }
            false => Ok(None),
        }
    }

    fn wants(&self, kind: FileType) -> bool {
        match kind {
            FileType::Directory => self.interest == Interest::All,
            _ => self.interest != Interest::Named,
        }
    }
}

struct Walk<'a> {
    root: &'a Root,
    selection: &'a Selection,
    entries: Entries,
    listing: Listing,
    /// Path and inode of each directory that was listed.
    visited: Vec<(String, u64)>,
}

impl Walk<'_> {
    fn warehouse(&mut self) -> Result<(), WalkEnd> {
        let is_wanted = self.selection.has_object("", "");
        let interest = Interest::of(self.selection.items.is_empty(), is_wanted);
        let contents = self.read("", interest)?;
        if is_wanted && !contents.loose.is_empty() {
            self.listing.start_object(ObjectKey::table("", ""), Definition::default());
            self.add_loose_partition(contents.loose);
        }
        for database in contents.directories {
            let items = &self.selection.items;
            if items.is_empty() || items.iter().any(|item| item.database == database) {
                self.database(&database)?;
            }
        }
        Ok(())
    }

    fn database(&mut self, database: &str) -> Result<(), WalkEnd> {
        let items = &self.selection.items;
        let is_whole = items.is_empty()
            || items.iter().any(|item| item.database == database && item.object.is_none());
        let is_wanted = self.selection.has_object(database, "");
        let contents = self.read(database, Interest::of(is_whole, is_wanted))?;
        let mode = unusual(contents.stamp.permissions());
        let is_empty = contents.loose.is_empty() && contents.directories.is_empty();
        if is_wanted && (is_empty || !contents.loose.is_empty()) {
            let definition = Definition { database: mode, ..Definition::default() };
            self.listing.start_object(ObjectKey::table(database, ""), definition);
            self.add_loose_partition(contents.loose);
        }
        for table in contents.directories {
            if self.selection.has_object(database, &table) {
                self.table(database, &table, mode)?;
            }
        }
        Ok(())
    }

    fn table(&mut self, database: &str, table: &str, mode: Option<u32>) -> Result<(), WalkEnd> {
        let is_whole = self.selection.has_whole_object(database, table);
        let is_wanted = self.selection.has_partition(database, table, "");
        let contents = self.read(&join(&[database, table]), Interest::of(is_whole, is_wanted))?;
        let table_mode = unusual(contents.stamp.permissions());
        let definition = Definition { database: mode, table: table_mode, nested: None };
        self.listing.start_object(ObjectKey::table(database, table), definition);
        self.add_loose_partition(contents.loose);
        for partition in contents.directories {
            if self.selection.has_partition(database, table, &partition) {
                self.partition(&join(&[database, table, &partition]), &partition)?;
            }
        }
        Ok(())
    }

    fn partition(&mut self, path: &str, name: &str) -> Result<(), WalkEnd> {
        let contents = self.read(path, Interest::All)?;
        self.listing.start_partition(name, contents.stamp.permissions());
        self.add_loose_tablet(contents.loose);
        for tablet in contents.directories {
            self.tablet(&join(&[path, &tablet]), &tablet)?;
        }
        Ok(())
    }

    /// A tablet with everything below it. Directories below it are segments when they are empty or
    /// have a mode worth keeping; the others follow from the names of the files in them.
    fn tablet(&mut self, path: &str, name: &str) -> Result<(), WalkEnd> {
        let mut pending = vec![String::new()];
        while let Some(prefix) = pending.pop() {
            let contents = self.read(&join(&[path, &prefix]), Interest::All)?;
            let is_empty = contents.loose.is_empty() && contents.directories.is_empty();
            if prefix.is_empty() {
                self.listing.start_tablet(name, contents.stamp.permissions());
            } else if is_empty || contents.stamp.permissions() != USUAL_DIRECTORY {
                self.add_directory(&prefix, contents.stamp);
            }
            for found in contents.loose {
                self.listing.add_segment(&prefix, found);
            }
            let deeper = contents.directories.iter().rev();
            pending.extend(deeper.map(|directory| join(&[&prefix, directory])));
        }
        Ok(())
    }

    fn add_directory(&mut self, name: &str, stamp: Stamp) {
        let is_racy = stamp.is_racy(Moment::now());
        let found = Found { name: name.to_owned(), stamp, target: None, is_racy };
        self.listing.add_segment("", found);
    }

    fn add_loose_partition(&mut self, loose: Vec<Found>) {
        if !loose.is_empty() {
            self.listing.start_partition("", USUAL_DIRECTORY);
            self.add_loose_tablet(loose);
        }
    }

    fn add_loose_tablet(&mut self, loose: Vec<Found>) {
        if !loose.is_empty() {
            self.listing.start_tablet("", USUAL_DIRECTORY);
            loose.into_iter().for_each(|found| self.listing.add_segment("", found));
        }
    }

    fn read(&mut self, path: &str, interest: Interest) -> Result<Contents, WalkEnd> {
        let directory = self.open(path)?;
        let shown = |operation, errno| failed(operation, self.root.shown(path), errno);
        let stamp = Stamp::of_open(&directory).map_err(|e| shown("examine the directory", e))?;
        self.visited.push((path.to_owned(), stamp.inode));
        // Taken before the first `stat` of the directory: an earlier time only makes more of them racy.
        let now = Moment::now();
        let entries = self.entries.of(directory.as_fd());
        let entries = entries.map_err(|e| shown("list the directory", e))?;
        let mut contents = Contents { stamp, loose: Vec::new(), directories: Vec::new() };
        let reading = Reading { directory: directory.as_fd(), path, interest, now };
        for (name, kind) in entries {
            if !path.is_empty() || name.to_bytes() != HIDDEN.as_bytes() {
                self.read_entry(&reading, &name, kind, &mut contents)?;
            }
        }
        Ok(contents)
    }

    fn open(&self, path: &str) -> Result<OwnedFd, WalkEnd> {
        match self.root.open_directory(path.as_bytes()) {
            Ok(directory) => Ok(directory),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                Err(WalkEnd::Vanished(self.root.shown(path)))
            }
            Err(errno) => Err(failed("open the directory", self.root.shown(path), errno).into()),
        }
    }

    fn read_entry(
        &mut self,
        reading: &Reading<'_>,
        name: &CStr,
        kind: FileType,
        contents: &mut Contents,
    ) -> Result<(), WalkEnd> {
        let shown = || self.root.shown(below(reading.path.as_bytes(), name));
        let stamp = match reading.stamp(name, kind) {
            Err(Errno::NOENT) => return Ok(()),
            other => other.map_err(|e| failed("examine the file", shown(), e))?,
        };
        let kind = stamp.map_or(kind, |stamp| stamp.file_type());
        let is_wanted = reading.wants(kind);
        let Ok(utf8) = name.to_str() else {
            return match is_wanted {
                true => Err(invalid(shown(), "a name that is not UTF-8").into()),
                false => Ok(()),
            };
        };
        match (kind, stamp) {
            (FileType::Directory, _) => contents.directories.push(utf8.to_owned()),
            (FileType::RegularFile | FileType::Symlink, Some(stamp)) if is_wanted => {
                let target = match kind {
                    FileType::Symlink => Some(self.target(reading, name)?),
                    _ => None,
                };
                let is_racy = stamp.is_racy(reading.now);
                contents.loose.push(Found { name: utf8.to_owned(), stamp, target, is_racy });
            }
            (other, _) if is_wanted => self.listing.skip(shown(), reason_to_skip(other)),
            _ => {}
        }
        Ok(())
    }

    fn target(&self, reading: &Reading<'_>, name: &CStr) -> Result<Box<[u8]>, WalkEnd> {
        let shown = || self.root.shown(below(reading.path.as_bytes(), name));
        match readlinkat(reading.directory, name, Vec::new()) {
            Ok(target) => Ok(target.into_bytes().into()),
            Err(Errno::NOENT | Errno::INVAL) => Err(WalkEnd::Vanished(shown())),
            Err(errno) => Err(failed("read the link", shown(), errno).into()),
        }
    }

    fn check_visited(&self) -> Result<(), WalkEnd> {
        for (path, inode) in self.visited.iter().filter(|(path, _)| !path.is_empty()) {
            match self.root.stamp(path.as_bytes())? {
                Some(stamp) if stamp.inode == *inode => {}
                _ => return Err(WalkEnd::Vanished(self.root.shown(path))),
            }
        }
        Ok(())
    }
}

fn reason_to_skip(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "is a socket",
        FileType::Fifo => "is a named pipe",
        FileType::CharacterDevice => "is a character device",
        FileType::BlockDevice => "is a block device",
        _ => "is neither file, directory nor symbolic link",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn directory_that_was_replaced_during_the_walk_ends_it() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("d/t/p")).unwrap();
        let root = Root::open(place.path()).unwrap();
        let selection = Selection::everything();
        let mut walk = Walk {
            root: &root,
            selection: &selection,
            entries: Entries::default(),
            listing: Listing::default(),
            visited: Vec::new(),
        };
        walk.warehouse().unwrap();
        walk.check_visited().unwrap();
        fs::rename(place.path().join("d/t"), place.path().join("d/away")).unwrap();
        assert!(matches!(walk.check_visited(), Err(WalkEnd::Vanished(_))));
        fs::create_dir_all(place.path().join("d/t/p")).unwrap();
        let WalkEnd::Vanished(path) = walk.check_visited().unwrap_err() else { panic!() };
        assert_eq!(path, root.shown("d/t"));
    }
}
