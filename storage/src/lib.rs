//! Bytes at rest.
//!
//! [`Storage`] is a small, object-safe contract over whole objects: put, get (a range), head, list,
//! delete. A backend ([`MemoryStorage`], [`LocalStorage`]) keeps the contract; a layer
//! ([`layer`]) adds one concern (retry, limit, timeout, prefix, metering, read-only) to any storage
//! and keeps it too. Nothing here knows what a pack, a snapshot or a tablet is.

mod capability;
mod error;
mod memory;
mod path;
mod payload;
mod storage;

pub mod layer;
#[cfg(feature = "local")]
pub mod local;
pub mod metrics;
mod url;

pub use capability::Capabilities;
pub use error::{Error, ErrorKind, Operation, Result};
#[cfg(feature = "local")]
pub use local::LocalStorage;
pub use memory::MemoryStorage;
pub use path::{ObjectPath, PathError};
pub use payload::Payload;
pub use storage::{ByteRange, ObjectMeta, ObjectStream, PutMode, Storage};
pub use url::{OpenMode, StorageUrl, open};
