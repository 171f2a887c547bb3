//! Bytes at rest.
//!
//! [`Storage`] is a small, object-safe contract over whole objects: put, get (a range), head, list,
//! delete. A backend ([`MemoryStorage`], [`LocalStorage`]) keeps the contract; a layer
//! ([`layer`]) adds one concern (retry, limit, timeout, prefix, metering, read-only) to any storage
//! and keeps it too. Nothing here knows what a pack, a snapshot or a tablet is.

mod capability;
mod error;
mod location;
mod memory;
mod path;
mod payload;
mod probe;
mod properties;
mod storage;

#[cfg(feature = "hdfs")]
pub mod hdfs;
pub mod layer;
#[cfg(feature = "local")]
pub mod local;
pub mod metrics;
#[cfg(feature = "s3")]
pub mod s3;
mod url;

pub use capability::Capabilities;
pub use error::{Error, ErrorKind, Operation, Result};
#[cfg(feature = "hdfs")]
pub use hdfs::HdfsStorage;
#[cfg(feature = "local")]
pub use local::LocalStorage;
pub use location::Location;
pub use memory::MemoryStorage;
pub use path::{ObjectPath, PathError};
pub use payload::Payload;
pub use probe::{is_trace_of_probe, probe_atomic_create};
pub use properties::{ENVIRONMENT, KeyOwner, Properties, PropertyError, PropertyReader, Secret};
#[cfg(feature = "s3")]
pub use s3::{S3Config, S3Storage};
pub use storage::{ByteRange, ObjectMeta, ObjectStream, PageStream, PutMode, Storage, StorageExt};
pub use url::{OpenMode, StorageUrl, open};
