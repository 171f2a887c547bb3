//! [`S3Storage`]: objects in a bucket of S3, Google Cloud Storage, or a service that speaks like them.
//!
//! - *Service*: Amazon S3; MinIO, Ceph and others by an endpoint; Google Cloud Storage by HMAC keys ([`Dialect`]).
//! - *Consistency*: what the service gives; S3 and Google's are strongly consistent since 2020.
//! - *Whole or absent*: one request stores an object, and the service makes it visible when it has all bytes. An
//!   object in parts is visible when it is completed, and its length is compared then.
//! - *Put-if-absent*: by a condition of the request. It is one request whatever the length: of the completion of parts
//!   services are known to ignore the condition. Some ignore it altogether, or race. So
//!   [`Capabilities::atomic_create`] is what the protocol promises; making a repository tries it
//!   ([`crate::probe_atomic_create`]). Where it is known not to hold, a create looks first, and the race is for
//!   the layer above to decide.
//! - *Integrity*: each put has its CRC32C in a signed header, which the service compares; over plain HTTP short payloads
//!   are signed too. What is read has the length that was asked for; a whole object is compared with the checksum that
//!   the service states.
//! - *Cannot do*: keep an upload in parts from costing space when this process dies in its middle. A rule of the
//!   bucket that aborts incomplete uploads cleans up after such.
//! - *On cancel*: a dropped put closes its connection, or aborts its upload in the background.

mod answer;
mod clock;
mod config;
mod credentials;
mod dialect;
mod endpoint;
mod error;
mod list;
mod multipart;
mod signature;
mod timeouts;
mod transport;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use rusoto_s3::{
    DeleteObjectRequest, GetObjectOutput, GetObjectRequest, HeadObjectRequest, PutObjectRequest, S3,
};

pub use config::{Multipart, S3Config};
pub use credentials::CredentialsConfig;
pub use dialect::Dialect;
pub use timeouts::S3Timeouts;

use crate::{
    ByteRange, Capabilities, ErrorKind, ObjectMeta, ObjectPath, Operation, PageStream, Payload,
    PutMode, Result, Storage,
};
use answer::Answer;
use clock::Clock;
use config::MAX_SINGLE_PUT_BYTES;
use error::Failure;
use wire::Wire;

const BACKEND: &str = "s3";
/// No object has more bytes, and no service reads more digits.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// Objects in a bucket. A clone shares connections, credentials and what is known of the service.
#[derive(Debug, Clone)]
pub struct S3Storage {
    wire: Arc<Wire>,
    /// Whether the service decides on conditions, as far as is known. Relaxed: who learns of it late only asks in vain.
    is_conditional: Arc<AtomicBool>,
}

impl S3Storage {
    /// A bucket as it is configured. Reads the files of certificates; does no network.
    pub fn new(config: S3Config) -> Result<Self> {
        Self::with_clock(config, Clock::of_machine())
    }

    fn with_clock(config: S3Config, clock: Clock) -> Result<Self> {
        let is_conditional = Arc::new(AtomicBool::new(config.conditional_put.unwrap_or(true)));
        let place = Place(&config).to_string();
        let wire =
            Wire::new(config, clock).map_err(|failure| failure.classify(Operation::Open, place))?;
        Ok(Self { wire: Arc::new(wire), is_conditional })
    }

    fn is_conditional(&self) -> bool {
        self.is_conditional.load(Ordering::Relaxed)
    }

    fn learn(&self, is_conditional: bool) {
        self.is_conditional.store(is_conditional, Ordering::Relaxed);
    }

    fn bucket(&self) -> String {
        self.wire.config.bucket.clone()
    }

    /// The name of an object in the bucket.
    fn key(&self, path: &ObjectPath) -> Result<String, Failure> {
        if path.is_root() {
            return Err(Failure::Root);
        }
        Ok(match &*self.wire.config.prefix {
            "" => path.to_string(),
            prefix => format!("{prefix}/{path}"),
        })
    }

    async fn store(
        &self,
        path: &ObjectPath,
        payload: Payload,
        mode: PutMode,
    ) -> Result<(), Failure> {
        let key = self.key(path)?;
        if mode == PutMode::Overwrite {
            return self.store_any(key, payload).await;
        }
        if self.is_conditional() {
            match self.store_at_once(key.clone(), payload.clone(), true).await {
                Err(Failure::Refused(refusal)) if refusal.is_not_implemented() => self.learn(false),
                stored => return stored,
            }
        }
        self.refuse_taken(&key).await?;
        self.store_any(key, payload).await
    }

    /// Who may write only cannot look, and is trusted.
    async fn refuse_taken(&self, key: &str) -> Result<(), Failure> {
        match self.look(key).await {
            Ok(_) => Err(Failure::Taken),
            Err(failure)
                if failure.is(ErrorKind::NotFound) || failure.is(ErrorKind::PermissionDenied) =>
            {
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn store_any(&self, key: String, payload: Payload) -> Result<(), Failure> {
        if payload.len() > self.wire.config.multipart.threshold_bytes {
            multipart::store(self, key, payload).await
        } else {
            self.store_at_once(key, payload, false).await
        }
    }

    /// Stores an object in one request.
    async fn store_at_once(
        &self,
        key: String,
        payload: Payload,
        if_absent: bool,
    ) -> Result<(), Failure> {
        if payload.len() > MAX_SINGLE_PUT_BYTES {
            return Err(Failure::TooLarge { size: payload.len(), most: MAX_SINGLE_PUT_BYTES });
        }
        let dialect = self.wire.config.dialect;
        let request =
            PutObjectRequest { bucket: self.bucket(), key, ..PutObjectRequest::default() };
        self.wire
            .call(Answer::Nothing)
            .maybe_header(if_absent.then(|| dialect.if_absent()))
            .header(dialect.checksum(checksum(&payload)))
            .payload(payload)
            .send(async |s3| s3.put_object(request).await)
            .await?;
        Ok(())
    }

    async fn read(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes, Failure> {
        let key = self.key(path)?;
        let (header, most) = match range {
            ByteRange::Full => (None, u64::MAX),
            ByteRange::Span { offset, length: length @ 1..=MAX_OFFSET }
                if offset <= MAX_OFFSET - length =>
            {
                (Some(format!("bytes={offset}-{}", offset + length - 1)), length)
            }
            ByteRange::Suffix { length: length @ 1.. } => {
                (Some(format!("bytes=-{}", length.min(MAX_OFFSET))), length)
            }
            // There is no way to ask for nothing, or for what lies beyond all objects: the length decides.
            ByteRange::Span { .. } | ByteRange::Suffix { .. } => {
                let Looked { size, .. } = self.look(&key).await?;
                return range.within(size).map(|_| Bytes::new()).ok_or(Failure::Range { size });
            }
        };
        let is_full = header.is_none();
        let request = GetObjectRequest {
            bucket: self.bucket(),
            key: key.clone(),
            range: header,
            ..GetObjectRequest::default()
        };
        let answer = self
            .wire
            .call(Answer::Content { most })
            .maybe_header(is_full.then(|| self.wire.config.dialect.ask_checksum()).flatten())
            .send(async |s3| s3.get_object(request).await)
            .await;
        match answer {
            // An empty object has no last byte.
            Err(failure)
                if failure.is(ErrorKind::InvalidRange)
                    && matches!(range, ByteRange::Suffix { .. }) =>
            {
                match self.look(&key).await? {
                    Looked { size: 0, .. } => Ok(Bytes::new()),
                    _ => Err(failure),
                }
            }
            answer => exact(answer?, range).await,
        }
    }

    /// What is to be known of an object without reading it.
    async fn look(&self, key: &str) -> Result<Looked, Failure> {
        let request = HeadObjectRequest {
            bucket: self.bucket(),
            key: key.to_owned(),
            ..HeadObjectRequest::default()
        };
        let head =
            self.wire.call(Answer::Head).send(async |s3| s3.head_object(request).await).await?;
        let size = head.content_length.and_then(|length| u64::try_from(length).ok());
        let modified = head.last_modified.and_then(|date| httpdate::parse_http_date(&date).ok());
        let version = head.e_tag.as_deref().map(version);
        let looked = size.zip(modified).map(|(size, modified)| Looked { size, modified, version });
        looked.ok_or_else(|| Failure::Damaged("an object without length or time".to_owned()))
    }

    async fn remove(&self, path: &ObjectPath) -> Result<(), Failure> {
        let key = self.key(path)?;
        let request =
            DeleteObjectRequest { bucket: self.bucket(), key, ..DeleteObjectRequest::default() };
        match self.wire.call(Answer::Nothing).send(async |s3| s3.delete_object(request).await).await
        {
            // Google says so of an absent object.
            Err(failure) if failure.is(ErrorKind::NotFound) => Ok(()),
            removed => removed.map(|_| ()),
        }
    }
}

/// The bytes of an answer when they are those of the range, all of them and no others.
async fn exact(answer: GetObjectOutput, range: ByteRange) -> Result<Bytes, Failure> {
    let span = answer.content_range.as_deref().map(parse_content_range);
    let bytes = match answer.body {
        // One piece: see `answer.rs`.
        Some(mut body) => match body.next().await {
            Some(bytes) => bytes.map_err(|error| Failure::Damaged(error.to_string()))?,
            None => Bytes::new(),
        },
        None => Bytes::new(),
    };
    let length = bytes.len() as u64;
    let size = match (range, span) {
        (ByteRange::Full, _) => return Ok(bytes),
        (_, Some(Some((from, size)))) => {
            let wanted = range.within(size).ok_or(Failure::Range { size })?;
            if wanted == (from..from + length) {
                return Ok(bytes);
            }
            size
        }
        (_, None | Some(None)) => {
            return Err(Failure::Damaged("a whole object where a range was asked for".to_owned()));
        }
    };
    Err(Failure::Damaged(format!("{length} bytes, not the range of an object of {size}")))
}

/// First byte and size of `bytes 5-9/20`.
fn parse_content_range(text: &str) -> Option<(u64, u64)> {
    let (span, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = span.split_once('-')?;
    Some((from.parse().ok()?, size.parse().ok()?))
}

/// The CRC32C of a payload. At 20 GiB/s it costs less than the copy into the socket.
fn checksum(payload: &Payload) -> u32 {
    payload.pieces().iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece))
}

/// A bucket as a location names it.
struct Place<'a>(&'a S3Config);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.0.bucket)?;
        if self.0.prefix.is_empty() { Ok(()) } else { write!(f, "/{}", self.0.prefix) }
    }
}

impl fmt::Display for S3Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Place(&self.wire.config).fmt(f)
    }
}

/// What the service tells of an object.
struct Looked {
    size: u64,
    modified: SystemTime,
    version: Option<String>,
}

/// An entity tag without its quotes, which not every answer has.
fn version(e_tag: &str) -> String {
    e_tag.trim_matches('"').to_owned()
}

#[async_trait]
impl Storage for S3Storage {
    fn backend(&self) -> &'static str {
        BACKEND
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_create: self.is_conditional(),
            // A create that is decided atomically is one request.
            max_object_bytes: MAX_SINGLE_PUT_BYTES,
            ..Capabilities::FULL
        }
    }

    async fn put(&self, path: &ObjectPath, payload: Payload, mode: PutMode) -> Result<()> {
        let stored = self.store(path, payload, mode).await;
        stored.map_err(|failure| failure.classify(Operation::Put, path))
    }

    async fn get(&self, path: &ObjectPath, range: ByteRange) -> Result<Bytes> {
        let read = self.read(path, range).await;
        read.map_err(|failure| failure.classify(Operation::Get, path))
    }

    async fn head(&self, path: &ObjectPath) -> Result<ObjectMeta> {
        let look = async { self.look(&self.key(path)?).await };
        match look.await {
            Ok(Looked { size, modified, version }) => {
                Ok(ObjectMeta { version, ..ObjectMeta::new(path.clone(), size, modified) })
            }
            Err(failure) => Err(failure.classify(Operation::Head, path)),
        }
    }

    fn list_pages<'a>(&'a self, prefix: &ObjectPath) -> PageStream<'a> {
        list::pages(self, prefix.clone())
    }

    async fn delete(&self, path: &ObjectPath) -> Result<()> {
        let removed = self.remove(path).await;
        removed.map_err(|failure| failure.classify(Operation::Delete, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_not() {
        assert_eq!(parse_content_range("bytes 5-9/20"), Some((5, 20)));
        for text in ["", "bytes */20", "bytes 5-9/*", "5-9/20", "bytes -1-9/20"] {
            assert_eq!(parse_content_range(text), None, "{text}");
        }
    }
}
