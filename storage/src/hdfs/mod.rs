//! [`HdfsStorage`]: objects as files below a directory of HDFS.
//!
//! - *Service*: HDFS of Hadoop 2.7 (the one it is tested on) and later, a single name node or several with failover; simple authentication
//!   or Kerberos.
//! - *Consistency*: the active name node orders everything; a change is seen by all at once.
//! - *Whole or absent*: bytes are written to a staging file; closing it makes them durable on every data node of
//!   the pipeline; then `rename2`, one transaction of the name node, gives them the object's name: it replaces
//!   for [`PutMode::Overwrite`] and does not for [`PutMode::Create`].
//! - *Cannot do*: hold both `a` and `a/b`. Directories stay when their last object is deleted: to remove them
//!   would race with a put that is about to use one, and an empty one costs the name node 150 bytes.
//! - *On cancel*: a put whose future is dropped stops within a mebibyte, removes its staging file and ends its
//!   pipeline, beside the caller. Reads are dropped.
//! - *On failure*: of a data node, the client goes on with another or without it; where it cannot, the object is
//!   written once more, to one data node, from which the name node makes the other copies. What even that does not
//!   mend is [`ErrorKind::Transient`](crate::ErrorKind): nothing was visible yet. A rename without an answer is
//!   [`ErrorKind::UnknownOutcome`](crate::ErrorKind). What has been wrong from the first call on
//!   (no name node answers, safe mode, no data node) is a mistake for a person to mend: it is not worth a retry.
//! - *Not the library's*: the client reads `HADOOP_USER_NAME` when no user is configured, `HADOOP_PROXY_USER` and
//!   `HADOOP_TOKEN_FILE_LOCATION` under Kerberos, and Kerberos reads its own (`KRB5_CONFIG`, `KRB5CCNAME`).
//!   `HADOOP_CONF_DIR` is not read.

mod config;
mod error;
mod keytab;
mod names;
mod session;
mod staging;
mod walk;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use hdfs_native::WriteOptions;
use hdfs_native::client::FileStatus;
use hdfs_native::file::FileReader;

use crate::{
    ByteRange, Capabilities, ObjectMeta, ObjectPath, Operation, PageStream, Payload, PutMode,
    Result, Storage,
};
pub use config::{HdfsConfig, HdfsConfigError, KerberosLogin};
use error::{HdfsError, Step};
pub use keytab::Keytab;
use names::Names;
use session::{NO_GRACE, Session};
use staging::StagedFile;
use tokio_util::sync::CancellationToken;

const BACKEND: &str = "hdfs";

/// A cancelled put closes its pipeline in this time, or leaves it to the end of the storage.
const PUT_GRACE: Duration = Duration::from_secs(30);

/// Objects in a directory of HDFS. A clone shares the client.
///
/// It has threads of its own; its futures need no runtime.
#[derive(Debug, Clone)]
pub struct HdfsStorage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    session: Arc<Session>,
    names: Names,
    location: String,
    replication: Option<u32>,
    block_size: Option<u64>,
    /// Whether the rubbish of earlier puts was looked at, which the first put does.
    has_swept: AtomicBool,
}

impl HdfsStorage {
    /// The storage below `root`, an absolute path of HDFS that need not exist. Does no network.
    pub fn new(root: &str, config: HdfsConfig) -> Result<Self> {
        let location = format!("{}{root}", config.url());
        let refused = |error: HdfsError| error.classify(Operation::Open, &location);
        let names = Names::below(root).map_err(|error| {
            crate::Error::new(crate::ErrorKind::Unsupported, Operation::Open, BACKEND, &location)
                .with_source(error)
        })?;
        let (replication, block_size) = (config.replication, config.block_size);
        let session = Session::new(config).map_err(refused)?;
        let has_swept = AtomicBool::new(false);
        let inner = Inner { session, names, location, replication, block_size, has_swept };
        Ok(Self { inner: Arc::new(inner) })
    }
}

impl fmt::Display for HdfsStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.location)
    }
}

#[async_trait]
impl Storage for HdfsStorage {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { max_object_bytes: i64::MAX as u64, ..Capabilities::FULL }
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let target = self.file(path, Operation::Put)?;
        let inner = Arc::clone(&self.inner);
        let put = self.inner.session.run(PUT_GRACE, |session, cancelled| async move {
            let staged = inner.write_staged(&session, &payload, &cancelled).await?;
            if cancelled.is_cancelled() {
                return Err(HdfsError::Cancelled);
            }
            staged.publish(&target, mode).await
        });
        put.await.map_err(|error| error.classify(Operation::Put, path))
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let file = self.file(path, Operation::Get)?;
        let read = self
            .inner
            .session
            .run(NO_GRACE, |session, _| async move { read_object(&session, &file, range).await });
        read.await.map_err(|error| error.classify(Operation::Get, path))
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        let file = self.file(path, Operation::Head)?;
        let status = self
            .inner
            .session
            .call(Step::ReadAttributes, |client| async move { client.get_file_info(&file).await });
        match status.await {
            Ok(status) if status.isdir => Err(HdfsError::NotAFile),
            Ok(status) => Ok(meta(path.clone(), &status)),
            Err(error) => Err(error),
        }
        .map_err(|error| error.classify(Operation::Head, path))
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        walk::pages(&self.inner.session, &self.inner.names, prefix).boxed()
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        let file = self.file(path, Operation::Delete)?;
        let removed = self
            .inner
            .session
            .call(Step::Remove, |client| async move { client.delete(&file, false).await });
        match removed.await {
            Ok(_was_there) => Ok(()),
            // A directory is no object.
            Err(error) if error.is_absence() || error.is_directory() => Ok(()),
            Err(error) => Err(error.classify(Operation::Delete, path)),
        }
    }
}

impl HdfsStorage {
    fn file(&self, path: &ObjectPath, operation: Operation) -> Result<String> {
        if path.is_root() {
            return Err(HdfsError::Root.classify(operation, path));
        }
        Ok(self.inner.names.path(path))
    }
}

impl Inner {
    /// A durable file of these bytes without the name of an object.
    async fn write_staged(
        &self,
        session: &Arc<Session>,
        payload: &Payload,
        cancelled: &CancellationToken,
    ) -> Result<StagedFile, HdfsError> {
        let staging = self.names.staging();
        let options = WriteOptions {
            replication: self.replication,
            block_size: self.block_size,
            ..WriteOptions::default()
        };
        let mut staged = StagedFile::create(session, &staging, options.clone()).await?;
        self.sweep_once();
        let copies = match staged.write(payload, cancelled).await {
            Err(error) if error.is_broken_pipeline() => match staged.copies().await? {
                Some(copies) if copies > 1 => copies,
                _ => return Err(error),
            },
            written => return written.map(|()| staged),
        };
        // A name node goes on choosing a data node that died until it has missed its heartbeats for ten minutes,
        // and the client cannot tell it not to. In a small cluster nearly every choice of three has the dead one
        // in it; a choice of one mostly has not. The name node makes the other copies from it.
        tracing::debug!(copies, "a pipeline broke; the object is written to one data node first");
        let mut staged = StagedFile::create(session, &staging, options.replication(1)).await?;
        staged.write(payload, cancelled).await?;
        staged.set_copies(copies).await?;
        Ok(staged)
    }

    fn sweep_once(&self) {
        // Relaxed: one caller sees false, and nothing else depends on it.
        if !self.has_swept.swap(true, Ordering::Relaxed) {
            let sweep = staging::sweep(Arc::clone(&self.session), self.names.staging());
            self.session.detach(sweep);
        }
    }
}

async fn read_object(session: &Session, file: &str, range: ByteRange) -> Result<Bytes, HdfsError> {
    match read_once(session, file, range).await {
        // Who replaces an object takes its blocks away from those who read it. It is opened once more: a fault
        // that is none of ours comes again, and is the caller's to wait out.
        Err(error) if error.is_loss_of_data() => read_once(session, file, range).await,
        read => read,
    }
}

async fn read_once(session: &Session, file: &str, range: ByteRange) -> Result<Bytes, HdfsError> {
    let reader = session.ask(Step::Open, |client| async move { client.read(file).await }).await?;
    let size = reader.file_length() as u64;
    let span = range.within(size).ok_or(HdfsError::Range { size })?;
    read_span(&reader, span).await
}

/// Reads exactly `span`. The client verifies the checksum of each 512 bytes on the way.
async fn read_span(reader: &FileReader, span: Range<u64>) -> Result<Bytes, HdfsError> {
    let length = span.end - span.start;
    let no_memory = || HdfsError::NoMemory { length };
    let capacity = usize::try_from(length).map_err(|_| no_memory())?;
    let offset = usize::try_from(span.start).map_err(|_| no_memory())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|_| no_memory())?;
    let mut stream = std::pin::pin!(reader.read_range_stream(offset, capacity));
    while let Some(packet) = stream.next().await {
        bytes.extend_from_slice(&packet.map_err(HdfsError::in_step(Step::Read))?);
    }
    if bytes.len() != capacity {
        return Err(HdfsError::EndedEarly { found: bytes.len() as u64, expected: length });
    }
    Ok(bytes.into())
}

fn meta(path: ObjectPath, status: &FileStatus) -> ObjectMeta {
    let modified = SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(status.modification_time))
        .unwrap_or(SystemTime::UNIX_EPOCH);
    ObjectMeta::new(path, status.length as u64, modified)
}
