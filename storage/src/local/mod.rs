//! [`LocalStorage`]: objects as files below a directory.
//!
//! - *Service*: a file system of Linux or macOS, local or mounted.
//! - *Consistency*: what the file system gives; a local one is linearizable.
//! - *Whole or absent*: bytes are written to a staging file and synced before an atomic rename gives them
//!   the object's name: one that replaces for [`PutMode::Overwrite`], one that does not for
//!   [`PutMode::Create`] (a hard link where the file system has no such rename). Then the parent directory
//!   is synced. The entry of each ancestor directory is synced too, before the rename, once in the life of
//!   the storage and whenever it is made.
//! - *Cannot do*: hold both `a` and `a/b`. Symbolic links below the root are never followed; a read through
//!   one is an error. Directories stay when their last object is deleted.
//! - *On cancel*: a put whose future is dropped stops within a mebibyte and removes its staging file.
//! - *On failure*: when the last sync fails the object is visible and may be lost in a crash; the error says
//!   so and is not retryable, for a sync that succeeds after a failed one proves nothing.

mod blocking;
mod error;
mod fsync;
mod read_buffer;
mod staging;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

use std::fmt;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, statat, unlinkat};
use rustix::io::{Errno, pread};

use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, Operation, PageStream, Payload, PutMode,
    Result, Storage,
};
use blocking::Cancelled;
use error::LocalError;
use fsync::{Fsync, KernelFsync};
use read_buffer::ReadBuffers;
use staging::StagedFile;
use tree::Tree;
use walk::Walk;

const BACKEND: &str = "local";

/// Objects in a directory tree. A clone shares the handle of the root.
///
/// Its futures need a tokio runtime, on whose blocking threads the work is done.
#[derive(Debug, Clone)]
pub struct LocalStorage {
    tree: Arc<Tree>,
    buffers: Arc<ReadBuffers>,
}

impl LocalStorage {
    /// Opens the storage at `root` and makes the directory first when it is missing. Blocks shortly.
    pub fn create(root: impl AsRef<Path>) -> Result<Self> {
        let path = absolute(root.as_ref())?;
        tree::make_root(&path, &KernelFsync)
            .map_err(LocalError::io("make the root directory"))
            .map_err(|error| error.classify(Operation::Open, path.display()))?;
        Self::open_with(path, Arc::new(KernelFsync))
    }

    /// Opens the storage at `root`, which must be there. Blocks shortly.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(absolute(root.as_ref())?, Arc::new(KernelFsync))
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        self.tree.path()
    }

    fn open_with(path: PathBuf, fsync: Arc<dyn Fsync>) -> Result<Self> {
        let tree = Tree::open(path.clone(), fsync)
            .map_err(|error| error.classify(Operation::Open, path.display()))?;
        match staging::sweep(&tree) {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(root = %path.display(), removed, "removed unfinished puts");
            }
            // A storage that can only be read is fine, and rubbish in it harms nobody.
            Err(error) => {
                tracing::debug!(root = %path.display(), %error, "unfinished puts stay");
            }
        }
        Ok(Self { tree: Arc::new(tree), buffers: Arc::default() })
    }

    /// Runs `work` where it may block.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        path: &ObjectPath,
        work: impl FnOnce(&Tree, &ObjectPath, &Cancelled) -> Result<T, LocalError> + Send + 'static,
    ) -> Result<T> {
        let (tree, object) = (Arc::clone(&self.tree), path.clone());
        blocking::run(operation, path, move |cancelled| work(&tree, &object, cancelled)).await
    }
}

impl fmt::Display for LocalStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file://{}", self.tree.path().display())
    }
}

#[async_trait]
impl Storage for LocalStorage {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_object_bytes: i64::MAX as u64, ..Capabilities::FULL }
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        self.run(Operation::Put, path, move |tree, path, cancelled| {
            write_object(tree, path, &payload, mode, cancelled)
        })
        .await
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let buffers = Arc::clone(&self.buffers);
        self.run(Operation::Get, path, move |tree, path, cancelled| {
            read_object(tree, path, range, &buffers, cancelled)
        })
        .await
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        self.run(Operation::Head, path, |tree, path, _| object_meta(tree, path)).await
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        stream::try_unfold(Walk::new(self, prefix.clone()), |mut walk| async move {
            Ok(walk.next().await?.map(|page| (page, walk)))
        })
        .boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        self.run(Operation::Delete, path, |tree, path, _| remove_object(tree, path)).await
    }
}

fn write_object(
    tree: &Tree,
    path: &ObjectPath,
    payload: &Payload,
    mode: PutMode,
    cancelled: &Cancelled,
) -> Result<(), LocalError> {
    let name = object_name(path)?;
    let parent = tree.make_parent(path)?;
    let written = if mode == PutMode::Create && is_taken(&parent, name)? {
        // Known before 32 MiB are written for nothing.
        Err(LocalError::io("give the object its name")(Errno::EXIST))
    } else {
        write_staged(tree, payload, cancelled)
            .and_then(|staged| staged.publish(&parent, name, mode))
    };
    match written {
        // Who is told that the object exists may rely on it: the entry is made durable for them too.
        Err(error) if !error.is_taken() => Err(error),
        written => tree.sync_parent(&parent, path).and(written),
    }
}

fn write_staged(
    tree: &Tree,
    payload: &Payload,
    cancelled: &Cancelled,
) -> Result<StagedFile, LocalError> {
    let mut staged = StagedFile::create(tree)?;
    staged.write(payload, cancelled)?;
    staged.sync(tree)?;
    cancelled.check()?;
    Ok(staged)
}

fn read_object(
    tree: &Tree,
    path: &ObjectPath,
    range: ByteRange,
    buffers: &Arc<ReadBuffers>,
    cancelled: &Cancelled,
) -> Result<Bytes, LocalError> {
    let name = object_name(path)?;
    let parent = tree.parent(path)?;
    // Not blocking: a named pipe in the place of an object must not hang the reader.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        openat(&parent, name, flags, Mode::empty()).map_err(LocalError::io("open the object"))?;
    let stat = fstat(&file).map_err(LocalError::io("read the attributes of the object"))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(LocalError::NotAFile);
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let span = range.within(size).ok_or(LocalError::Range { size })?;
    read_span(&file, span, buffers, cancelled)
}

/// Reads exactly `span` into one allocation, which nobody fills with zeros first.
fn read_span(
    file: &OwnedFd,
    span: Range<u64>,
    buffers: &Arc<ReadBuffers>,
    cancelled: &Cancelled,
) -> Result<Bytes, LocalError> {
    let length = usize::try_from(span.end - span.start).ok();
    let mut buffer = length.and_then(|length| buffers.take(length)).ok_or_else(|| {
        let none: std::io::Error = std::io::ErrorKind::OutOfMemory.into();
        LocalError::io("find memory for the object")(none)
    })?;
    let mut rest = buffer.as_mut();
    let mut offset = span.start;
    while !rest.is_empty() {
        cancelled.check()?;
        match pread(file, &mut *rest, offset) {
            Ok(0) => return Err(LocalError::EndedEarly),
            Ok(read) => {
                offset += read as u64;
                rest = &mut rest[read..];
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(LocalError::io("read the object")(errno)),
        }
    }
    Ok(buffer.freeze())
}

fn object_meta(tree: &Tree, path: &ObjectPath) -> Result<ObjectMeta, LocalError> {
    let name = object_name(path)?;
    let doing = "read the attributes of the object";
    let stat = statat(tree.parent(path)?, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(LocalError::io(doing))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(tree::meta(path.clone(), &stat)),
        FileType::Symlink => Err(LocalError::io(doing)(Errno::LOOP)),
        _ => Err(LocalError::NotAFile),
    }
}

fn remove_object(tree: &Tree, path: &ObjectPath) -> Result<(), LocalError> {
    let name = object_name(path)?;
    let parent = match tree.parent(path) {
        Err(error) if error.is_absence() => return Ok(()),
        parent => parent?,
    };
    match unlinkat(&parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => tree.sync_parent(&parent, path),
        // A directory, which is no object.
        Err(Errno::ISDIR) => Ok(()),
        Err(Errno::PERM) if is_directory(&parent, name) => Ok(()),
        Err(errno) => Err(LocalError::io("remove the object")(errno)),
    }
}

fn object_name(path: &ObjectPath) -> Result<&str, LocalError> {
    if path.is_root() { Err(LocalError::Root) } else { Ok(path.name()) }
}

fn is_taken(parent: &OwnedFd, name: &str) -> Result<bool, LocalError> {
    match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(LocalError::io("look whether the object exists")(errno)),
    }
}

fn is_directory(parent: &OwnedFd, name: &str) -> bool {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The root as an absolute path, so that a later change of directory does not show in messages.
fn absolute(root: &Path) -> Result<PathBuf> {
    std::path::absolute(root)
        .map_err(LocalError::io("resolve the root directory"))
        .map_err(|error| error.classify(Operation::Open, root.display()))
}
