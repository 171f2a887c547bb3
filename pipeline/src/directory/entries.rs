//! *Does*: lists a directory in the order of its names.
//!
//! *Memory*: the names of one directory.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

/// Holds some hundred entries, so that a directory of usual size costs two calls.
const BUFFER_BYTES: usize = 64 * 1024;

/// How every directory is opened: a symbolic link in its place is refused.
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A directory entry with the type that the directory itself records; `Unknown` where it records none.
pub(super) type Entry = (CString, FileType);

/// Lists directories, one buffer for all of them.
#[derive(Debug, Default)]
pub(super) struct Entries {
    buffer: Vec<u8>,
}

impl Entries {
    /// The entries of a directory but for `.` and `..`, sorted by name.
    pub(super) fn of(&mut self, directory: BorrowedFd<'_>) -> Result<Vec<Entry>, Errno> {
        self.buffer.reserve(BUFFER_BYTES);
        let mut found = Vec::new();
        let mut raw = RawDir::new(directory, self.buffer.spare_capacity_mut());
        while let Some(entry) = raw.next() {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                found.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }
}

/// Opens a directory for listing and for use as a base of further calls.
pub(super) fn open_directory(
    base: impl AsFd,
    path: impl rustix::path::Arg,
) -> Result<OwnedFd, Errno> {
    openat(base, path, DIRECTORY, Mode::empty())
}

/// `directory/name`, or the name alone when the directory is the base itself.
pub(super) fn below(directory: &[u8], name: &CStr) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.count_bytes());
    path.extend_from_slice(directory);
    if !directory.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.to_bytes());
    path
}
