//! The calls that make bytes durable, behind a seam where a test can watch them or let them fail.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// Makes files and directory entries durable.
///
/// Paths name what is synced for the reader of a record; the handles are what counts.
pub(super) trait Fsync: fmt::Debug + Send + Sync {
    /// Returns when the bytes and the length of `file` are durable.
    fn file(&self, file: &File) -> io::Result<()>;

    /// Returns when the entries of `directory` are durable; `path` is relative to the root.
    fn directory(&self, directory: BorrowedFd<'_>, path: &str) -> io::Result<()>;
}

/// The kernel's own.
#[derive(Debug)]
pub(super) struct KernelFsync;

impl Fsync for KernelFsync {
    fn file(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn directory(&self, directory: BorrowedFd<'_>, _path: &str) -> io::Result<()> {
        match rustix::fs::fsync(directory) {
            // How a file system without syncable directories (some FUSE and network ones) says so.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}
