//! [`S3Server`]: an S3 server in this process, for tests and measurements.
//!
//! s3s speaks the protocol and verifies every signature; the objects are a map in memory. It compares the checksums that it
//! is sent, decides on conditions under one lock, and makes an object visible whole. What s3s-fs does with a
//! directory is no model of a store: it fails on names that are long or prefixes of others, panics on empty
//! objects, and lets several puts-if-absent win. Requests are counted before s3s sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Method, Uri};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumCRC32C,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput, ETag,
    GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput,
    HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, Object as ListedObject, PutObjectInput, PutObjectOutput, Range,
    StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::validation::NameValidation;
use s3s::{Body, S3, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Objects in a page of a listing, as S3 has it.
const PAGE: usize = 1000;

/// A server with empty buckets. It ends with its value.
pub struct S3Server {
    endpoint: String,
    store: Arc<Store>,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl S3Server {
    /// Serves these buckets on a free port of loopback, to whoever has these keys.
    pub async fn start(
        access_key: &str,
        secret_key: &str,
        buckets: &[&str],
    ) -> std::io::Result<Self> {
        let buckets = buckets.iter().map(|name| ((*name).to_owned(), BTreeMap::new())).collect();
        let store = Arc::new(Store(Mutex::new(State { buckets, ..State::default() })));
        let mut service = S3ServiceBuilder::new(Server(Arc::clone(&store)));
        service.set_auth(SimpleAuth::from_single(access_key, secret_key));
        service.set_validation(AnyName);
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let counters = Arc::new(Counters::default());
        let counting = Arc::clone(&counters);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // An answer in two small packets would wait for the client's delayed acknowledgement.
                let _ = socket.set_nodelay(true);
                let (service, counters) = (service.clone(), Arc::clone(&counting));
                let counted = service_fn(move |request: hyper::Request<Incoming>| {
                    counters.count(request.method(), request.uri());
                    Service::call(&service, request)
                });
                let socket = TokioIo::new(socket);
                tokio::spawn(http1::Builder::new().serve_connection(socket, counted));
            }
        });
        Ok(Self { endpoint, store, counters, accepting })
    }

    /// Scheme, host and port.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Bytes of all objects.
    pub fn stored_bytes(&self) -> u64 {
        let state = self.store.lock();
        let objects = state.buckets.values().flat_map(BTreeMap::values);
        objects.map(|object| object.bytes.len() as u64).sum()
    }

    /// Requests since the start.
    pub fn requests(&self) -> Requests {
        self.counters.read()
    }

    /// Uploads in parts that were neither completed nor aborted.
    pub fn num_uploads(&self) -> usize {
        self.store.lock().uploads.len()
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl fmt::Debug for S3Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Server").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// How many requests a server was sent, whatever it answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// Pages of listings.
    pub lists: u64,
    /// Reads of objects, of ranges of them, and of what is known about them.
    pub reads: u64,
    /// Objects and parts of objects that were written; of an upload in parts also its begin and its end.
    pub writes: u64,
    /// Deletions.
    pub deletes: u64,
}

impl Requests {
    /// Those that came after `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            lists: self.lists - before.lists,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
            deletes: self.deletes - before.deletes,
        }
    }
}

/// [`Requests`] as they come in.
#[derive(Debug, Default)]
struct Counters {
    lists: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    deletes: AtomicU64,
}

impl Counters {
    fn count(&self, method: &Method, uri: &Uri) {
        let is_list = || uri.query().is_some_and(|query| query.contains("list-type="));
        let counter = match *method {
            Method::GET if is_list() => &self.lists,
            Method::GET | Method::HEAD => &self.reads,
            Method::DELETE => &self.deletes,
            Method::POST if uri.query() == Some("delete") => &self.deletes,
            _ => &self.writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> Requests {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Requests {
            lists: read(&self.lists),
            reads: read(&self.reads),
            writes: read(&self.writes),
            deletes: read(&self.deletes),
        }
    }
}

/// Everything that is stored. The lock guards it for the length of one step and is never held over an await.
struct Store(Mutex<State>);

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, BTreeMap<String, Object>>,
    uploads: BTreeMap<String, BTreeMap<i32, Bytes>>,
    num_begun: u64,
}

#[derive(Clone)]
struct Object {
    bytes: Bytes,
    etag: String,
    modified: SystemTime,
    /// Of an object that was put in one request.
    checksum: Option<ChecksumCRC32C>,
}

impl Object {
    #[expect(
        clippy::disallowed_methods,
        reason = "a store stamps its objects; seconds, as HTTP has"
    )]
    fn new(bytes: Bytes, checksum: Option<ChecksumCRC32C>) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let modified = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
        let etag = format!("{:08x}-{}", crc32c::crc32c(&bytes), bytes.len());
        Self { bytes, etag, modified, checksum }
    }
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave it half changed: each critical section changes one entry.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_bucket(&self, bucket: &str) -> S3Result<()> {
        let is_there = self.lock().buckets.contains_key(bucket);
        is_there.then_some(()).ok_or_else(|| s3_error!(NoSuchBucket))
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Object> {
        let state = self.lock();
        let objects = state.buckets.get(bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

/// Buckets are older than the rules for their names.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

/// What s3s asks.
struct Server(Arc<Store>);

/// All bytes of a request, which match the checksum that it states.
async fn receive(
    body: Option<StreamingBlob>,
    stated: Option<&ChecksumCRC32C>,
) -> S3Result<(Bytes, ChecksumCRC32C)> {
    let mut bytes = BytesMut::new();
    if let Some(mut body) = body {
        while let Some(piece) = body.try_next().await.map_err(|_| s3_error!(IncompleteBody))? {
            bytes.extend_from_slice(&piece);
        }
    }
    let checksum = base64(crc32c::crc32c(&bytes));
    match stated {
        Some(stated) if *stated != checksum => Err(s3_error!(BadDigest)),
        _ => Ok((bytes.freeze(), checksum)),
    }
}

fn base64(checksum: u32) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(checksum.to_be_bytes())
}

fn length(bytes: &Bytes) -> Option<i64> {
    i64::try_from(bytes.len()).ok()
}

#[async_trait::async_trait]
impl S3 for Server {
    // Only other clients than ours ask about buckets.
    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.find_bucket(&request.input.bucket)?;
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.find_bucket(&request.input.bucket)?;
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let (bytes, checksum) = receive(input.body, input.checksum_crc32c.as_ref()).await?;
        let object = Object::new(bytes, Some(checksum));
        let e_tag = Some(ETag::Strong(object.etag.clone()));
        let mut state = self.0.lock();
        let objects = state.buckets.get_mut(&input.bucket);
        let objects = objects.ok_or_else(|| s3_error!(NoSuchBucket))?;
        if input.if_none_match.is_some() && objects.contains_key(&input.key) {
            return Err(s3_error!(PreconditionFailed));
        }
        objects.insert(input.key, object);
        Ok(S3Response::new(PutObjectOutput { e_tag, ..PutObjectOutput::default() }))
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.0.find(&input.bucket, &input.key)?;
        let size = object.bytes.len() as u64;
        let (bytes, content_range) = match input.range {
            None => (object.bytes, None),
            Some(range) => {
                let range = match range {
                    Range::Int { .. } => range.check(size)?,
                    Range::Suffix { .. } if size == 0 => return Err(s3_error!(InvalidRange)),
                    Range::Suffix { length } => size.saturating_sub(length)..size,
                };
                let text = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                // Both lie within the object.
                let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
                (object.bytes.slice(at(range.start)..at(range.end)), Some(text))
            }
        };
        let is_whole = content_range.is_none() && input.checksum_mode.is_some();
        Ok(S3Response::new(GetObjectOutput {
            content_length: length(&bytes),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            content_range,
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(Timestamp::from(object.modified)),
            checksum_crc32c: object.checksum.filter(|_| is_whole),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.0.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: length(&object.bytes),
            e_tag: Some(ETag::Strong(object.etag)),
            last_modified: Some(Timestamp::from(object.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let from = match &input.continuation_token {
            Some(last) => Bound::Excluded(last.clone()),
            None => Bound::Included(prefix.clone()),
        };
        let state = self.0.lock();
        let objects = state.buckets.get(&input.bucket).ok_or_else(|| s3_error!(NoSuchBucket))?;
        let mut below = objects
            .range((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(&prefix))
            .peekable();
        let contents: Vec<ListedObject> = below
            .by_ref()
            .take(PAGE)
            .map(|(key, object)| ListedObject {
                key: Some(key.clone()),
                size: length(&object.bytes),
                last_modified: Some(Timestamp::from(object.modified)),
                e_tag: Some(ETag::Strong(object.etag.clone())),
                ..ListedObject::default()
            })
            .collect();
        let is_truncated = below.peek().is_some();
        let last = contents.last().and_then(|object| object.key.clone());
        Ok(S3Response::new(ListObjectsV2Output {
            is_truncated: Some(is_truncated),
            next_continuation_token: last.filter(|_| is_truncated),
            contents: Some(contents),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let mut state = self.0.lock();
        let objects = state.buckets.get_mut(&request.input.bucket);
        objects.ok_or_else(|| s3_error!(NoSuchBucket))?.remove(&request.input.key);
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let mut state = self.0.lock();
        if !state.buckets.contains_key(&request.input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        state.num_begun += 1;
        let id = format!("upload-{}", state.num_begun);
        state.uploads.insert(id.clone(), BTreeMap::new());
        Ok(S3Response::new(CreateMultipartUploadOutput {
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let (bytes, checksum) = receive(input.body, input.checksum_crc32c.as_ref()).await?;
        let mut state = self.0.lock();
        let parts = state.uploads.get_mut(&input.upload_id);
        parts.ok_or_else(|| s3_error!(NoSuchUpload))?.insert(input.part_number, bytes);
        let e_tag = Some(ETag::Strong(checksum));
        Ok(S3Response::new(UploadPartOutput { e_tag, ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let mut state = self.0.lock();
        let parts = state.uploads.get(&input.upload_id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let mut whole = BytesMut::new();
        for part in input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default() {
            let bytes = part.part_number.and_then(|number| parts.get(&number));
            let bytes = bytes.ok_or_else(|| s3_error!(InvalidPart))?;
            if part.checksum_crc32c.is_some_and(|sum| sum != base64(crc32c::crc32c(bytes))) {
                return Err(s3_error!(InvalidPart));
            }
            whole.extend_from_slice(bytes);
        }
        state.uploads.remove(&input.upload_id);
        let object = Object::new(whole.freeze(), None);
        let e_tag = Some(ETag::Strong(object.etag.clone()));
        let objects = state.buckets.get_mut(&input.bucket);
        objects.ok_or_else(|| s3_error!(NoSuchBucket))?.insert(input.key, object);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            e_tag,
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.0.lock().uploads.remove(&request.input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let counters = Counters::default();
        let count = |method: Method, uri: &'static str| {
            counters.count(&method, &Uri::from_static(uri));
        };
        count(Method::GET, "/bucket?list-type=2&prefix=a");
        let before = counters.read();
        for uri in ["/bucket/a", "/bucket/list-type=2", "/bucket/b?partNumber=1"] {
            count(Method::GET, uri);
        }
        count(Method::HEAD, "/bucket/a");
        count(Method::PUT, "/bucket/a");
        count(Method::POST, "/bucket/a?uploads");
        count(Method::DELETE, "/bucket/a");
        count(Method::POST, "/bucket?delete");
        assert_eq!(before, Requests { lists: 1, ..Requests::default() });
        let since = counters.read().since(before);
        assert_eq!(since, Requests { lists: 0, reads: 4, writes: 2, deletes: 2 });
    }
}
