//! The [`Storage`] trait and its contract.

use std::fmt::{Debug, Display};
use std::ops::Range;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::{Capabilities, ObjectPath, Payload, Result};

/// What a put does when the path is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PutMode {
    /// Fail with [`crate::ErrorKind::AlreadyExists`] and change nothing.
    Create,
    /// Replace the object atomically.
    Overwrite,
}

/// Bytes of an object to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// The whole object.
    Full,
    /// `length` bytes from `offset`. A range that does not lie inside the object is
    /// [`crate::ErrorKind::InvalidRange`]: a short answer is never given.
    Span {
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// The last `length` bytes, or the whole object when it is shorter.
    Suffix {
        /// Number of bytes, at most.
        length: u64,
    },
}

/// What a storage knows of an object without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// Where it is.
    pub path: ObjectPath,
    /// Its length in bytes.
    pub size: u64,
    /// When it was put, by the clock of the storage.
    pub modified: SystemTime,
    /// What is another text when the object was replaced, for storages whose time is too coarse to tell: an entity tag.
    pub version: Option<String>,
}

impl ObjectMeta {
    /// A meta of its parts.
    pub fn new(path: ObjectPath, size: u64, modified: SystemTime) -> Self {
        Self { path, size, modified, version: None }
    }
}

impl ByteRange {
    /// The bytes meant in an object of `size` bytes; `None` when the range does not lie inside it.
    ///
    /// An empty span lies inside when its offset is at most the size.
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        match self {
            Self::Full => Some(0..size),
            Self::Span { offset, length } => {
                let end = offset.checked_add(length)?;
                (end <= size).then_some(offset..end)
            }
            Self::Suffix { length } => Some(size.saturating_sub(length)..size),
        }
    }
}

/// A listing, page by page. A page is as long as the storage likes; it may be empty.
pub type PageStream<'a> = BoxStream<'a, Result<Vec<ObjectMeta>>>;

/// A listing, object by object.
pub type ObjectStream<'a> = BoxStream<'a, Result<ObjectMeta>>;

/// A place that keeps objects.
///
/// Every backend and every layer keeps the contract; `cairn-testkit` checks each rule on each. It is not a
/// file system: there is no rename, no append, no partial overwrite, no directory.
///
/// # Contract
/// - **Whole or absent (R1).** [`Storage::put`] makes the object visible only when all of its bytes are
///   durable. A put that fails, is cancelled (its future dropped) or is interrupted by a crash leaves the
///   old object or none (or, when it was too late to stop, the new one whole): never a part. What it may
///   leave besides is rubbish that no list shows.
/// - **Put-if-absent.** With [`PutMode::Create`] exactly one of any number of concurrent puts of a path
///   succeeds; the others fail with [`crate::ErrorKind::AlreadyExists`] and change nothing. A backend that cannot
///   promise this says so in [`Capabilities::atomic_create`].
/// - **Read your writes.** After a put returned, get, head and list see the object, from any process.
/// - **Unknown outcome.** A put that timed out may or may not have happened
///   ([`crate::ErrorKind::UnknownOutcome`]); repeating an [`PutMode::Overwrite`] put is always safe.
/// - **Delete is idempotent and durable.** Deleting an absent object succeeds, and a deleted object does
///   not come back after a crash, so that deletes keep their order.
/// - **List** yields each object once whose path lies strictly below the prefix (whole path segments: `a/b`
///   covers `a/b/c`, neither `a/bc` nor `a/b`), in any order, without directories and without unfinished
///   puts. An object that is put or deleted meanwhile may or may not be there.
/// - **No object lies below another.** A backend may refuse to hold both `a` and `a/b`.
/// - **Cancellation.** Dropping any returned future stops the work soon; see *whole or absent*.
///
/// `Display` prints the place for people, such as `file:///backup`, and with `{:#}` the layers around it, such as
/// `retry(limit(4, file:///backup))`; never a secret.
#[async_trait]
pub trait Storage: Debug + Display + Send + Sync + 'static {
    /// The kind of backend, as errors and metrics name it: a word of a few letters. A layer answers
    /// with its inner storage's.
    fn backend(&self) -> &'static str {
        "other"
    }

    /// What this storage can promise.
    fn capabilities(&self) -> Capabilities;

    /// Stores `payload` at `path`: durable and visible, whole, when this returns `Ok`.
    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()>;

    /// Reads a range of an object. [`crate::ErrorKind::NotFound`] when it is absent.
    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes>;

    /// Size and time of an object. [`crate::ErrorKind::NotFound`] when it is absent.
    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta>;

    /// All objects below `prefix` (all objects at all for [`ObjectPath::root`]), page by page: what the storage learns
    /// at once.
    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a>;

    /// Removes an object. Removing an absent one succeeds.
    async fn delete(&self, path: &ObjectPath) -> Result<()>;
}

/// What follows for every storage from what it does itself.
pub trait StorageExt: Storage {
    /// The objects that [`Storage::list_pages`] lists, one by one.
    fn list<'a>(&'a self, prefix: &ObjectPath) -> ObjectStream<'a> {
        let objects = |page: Vec<ObjectMeta>| stream::iter(page.into_iter().map(Ok));
        self.list_pages(prefix).map_ok(objects).try_flatten().boxed()
    }
}

impl<S: Storage + ?Sized> StorageExt for S {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_inside_the_object_only() {
        let span = |offset, length| ByteRange::Span { offset, length };
        assert_eq!(ByteRange::Full.within(0), Some(0..0));
        assert_eq!(span(2, 3).within(5), Some(2..5));
        assert_eq!(span(5, 0).within(5), Some(5..5));
        assert_eq!(span(6, 0).within(5), None);
        assert_eq!(span(2, 4).within(5), None);
        assert_eq!(span(1, u64::MAX).within(u64::MAX), None);
        assert_eq!(ByteRange::Suffix { length: 2 }.within(5), Some(3..5));
        assert_eq!(ByteRange::Suffix { length: 9 }.within(5), Some(0..5));
    }
}
